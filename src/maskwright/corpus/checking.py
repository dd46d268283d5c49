"""A corpus's checksums, compared beside other work.

To read a corpus takes the longer the larger it is, and who starts a run should not have to wait for it. So a large one
is read in a thread while training has begun; nothing is saved before all of it was found sound, and what is not ends
the run at its next step.
"""

import threading
from types import TracebackType

from maskwright.corpus.read import QUICK, Corpus
from maskwright.errors import BadInput
from maskwright.progress import Progress, silent


class Checking:
    """The checksums of a corpus of more than `quick` bytes in a thread, those of a smaller one at once.

    Leaving its `with` ends the thread.
    """

    def __init__(self, corpus: Corpus, progress: Progress = silent, *, quick: int = QUICK) -> None:
        self._corpus, self._progress, self._quick = corpus, progress, quick
        self._left = threading.Event()
        self._thread: threading.Thread | None = None
        self._fault: BaseException | None = None

    def start(self) -> None:
        """Begin. BadInput for a small corpus that is damaged."""
        total = sum(entry.size for entry in self._corpus.manifest.shards)
        if total <= self._quick:
            self._corpus.check(checksums=True)
            return
        self._corpus.check(checksums=False)
        self._progress.say(f"comparing the checksums of {total / 1e9:,.1f} GB beside the training")
        self._thread = threading.Thread(target=self._read, name="checksums", daemon=True)
        self._thread.start()

    def look(self) -> None:
        """BadInput if something was found so far."""
        if self._fault is not None:
            raise self._fault

    def wait(self) -> None:
        """Until all was read; BadInput if something was found."""
        if self._thread is not None:
            self._thread.join()
        self.look()

    def _read(self) -> None:
        try:
            for entry in self._corpus.manifest.shards:
                if self._left.is_set():
                    return
                self._corpus.check_sum(entry)
        except (BadInput, OSError) as error:
            self._fault = error

    def __enter__(self) -> "Checking":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._left.set()
        if self._thread is not None:
            self._thread.join()
