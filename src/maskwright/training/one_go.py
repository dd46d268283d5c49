"""A run without steps: what is learned in one go (word2vec, bags of words, linear models) still leaves a run's folder.

    recipe.toml  environment.json  metrics.jsonl (one line)  report.html  model/

Nothing is saved on the way: a run that was stopped begins anew.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from maskwright.config import Config, plain
from maskwright.corpus.read import Corpus
from maskwright.progress import Progress, silent
from maskwright.training.metrics import HeldOut, MetricsLog
from maskwright.training.run import Fingerprints
from maskwright.training.run_folder import RunFolder, environment


class Learned(NamedTuple):
    """What a run without steps came to.

    steps      passes over the text
    tokens     of all passes
    rate       the last learning rate; nan where there is none
    write      given the run's folder, writes its report, and last its model
    learned    loss and share of right answers on what was learned from, by objective; None where nothing is told
    held_out   the same on what is judged by
    """

    steps: int
    tokens: int
    rate: float
    write: Callable[[Path], None]
    learned: HeldOut | None = None
    held_out: HeldOut | None = None


def run_in_one_go(
    recipe: Config, corpus: Corpus, out: Path, learn: Callable[[], Learned], library: str, progress: Progress = silent
) -> None:
    """Learn from a corpus in the run folder `out`; see `in_one_go`."""

    def check() -> None:
        corpus.check(checksums=True, progress=progress)

    data = Fingerprints(corpus.fingerprint, corpus.tokenizer.fingerprint)
    in_one_go(recipe, data, out, learn, library, progress, before=check)


def in_one_go(
    recipe: Config,
    data: Fingerprints,
    out: Path,
    learn: Callable[[], Learned],
    library: str,
    progress: Progress = silent,
    *,
    before: Callable[[], None] | None = None,
) -> None:
    """Learn in the run folder `out`; where its model is there already, nothing is done.

    library   the distribution whose version the result depends on
    before    looks through what is learned from
    """
    from importlib.metadata import PackageNotFoundError, version

    try:
        used = {library: version(library)}
    except PackageNotFoundError:
        used = {}  # `learn` says so in its own words
    terms = environment(**data._asdict(), **used)
    with RunFolder.open(out, plain(recipe), terms, progress=progress) as folder:
        if folder.model.is_dir():
            progress.say(f"{out}: finished already; the model is {folder.model}")
            return
        if before is not None:
            before()
        began = time.monotonic()
        learned = learn()
        seconds, told = time.monotonic() - began, learned.learned or HeldOut(float("nan"), {}, {})
        with MetricsLog(folder.path, tensorboard=False) as log:
            log.log(
                step=learned.steps,
                tokens=learned.tokens,
                loss=told.loss,
                losses=told.losses,
                accuracy=told.accuracy,
                learning_rate=learned.rate,
                gradient_norm=float("nan"),
                seconds=seconds,
                tokens_per_second=learned.tokens / max(seconds, 1e-9),
                held_out=learned.held_out,
            )
        learned.write(folder.path)
