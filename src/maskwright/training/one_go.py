"""A run without steps: what is learned in one go (word2vec, bags of words) still leaves a run's folder.

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
from maskwright.training.metrics import MetricsLog
from maskwright.training.run_folder import RunFolder, environment


class Learned(NamedTuple):
    """What a run without steps came to.

    steps   passes over the text
    tokens  of all passes
    rate    the last learning rate; nan where there is none
    write   given the run's folder, writes its report, and last its model
    """

    steps: int
    tokens: int
    rate: float
    write: Callable[[Path], None]


def run_in_one_go(
    recipe: Config, corpus: Corpus, out: Path, learn: Callable[[], Learned], library: str, progress: Progress = silent
) -> None:
    """Learn in the run folder `out`; where its model is there already, nothing is done.

    library   the distribution whose version the result depends on
    """
    from importlib.metadata import PackageNotFoundError, version

    try:
        used = {library: version(library)}
    except PackageNotFoundError:
        used = {}  # `learn` says so in its own words
    terms = environment(corpus=corpus.fingerprint, tokenizer=corpus.tokenizer.fingerprint, **used)
    with RunFolder.open(out, plain(recipe), terms, progress=progress) as folder:
        if folder.model.is_dir():
            progress.say(f"{out}: finished already; the model is {folder.model}")
            return
        corpus.check(checksums=True, progress=progress)
        began = time.monotonic()
        learned = learn()
        seconds = time.monotonic() - began
        with MetricsLog(folder.path, tensorboard=False) as log:
            log.log(
                step=learned.steps,
                tokens=learned.tokens,
                loss=float("nan"),
                losses={},
                accuracy={},
                learning_rate=learned.rate,
                gradient_norm=float("nan"),
                seconds=seconds,
                tokens_per_second=learned.tokens / max(seconds, 1e-9),
            )
        learned.write(folder.path)
