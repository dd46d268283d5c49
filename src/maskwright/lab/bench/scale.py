"""`bench scale`: what a corpus of 10^5 to 10^9 tokens costs before its first batch, at a late step, and in memory.

Corpora are drawn (`drawn_corpus`). Every measurement is a process of its own that does what `pretrain` does, with
steps of 256 sequences of 128 tokens: from its beginning to the first batch and the first step of a 2 x 128, then
batches for some seconds; and, in another process, from the beginning to the batch of a step half way through the
third epoch, as a resumed run wants it.
"""

import shutil
import tempfile
import threading
import time
from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from maskwright.durable import check_space
from maskwright.lab.bench.batches import SEQUENCES, resolved_for
from maskwright.lab.bench.clock import own_mib, peak_mib, seconds_lived, told
from maskwright.lab.bench.turns import Result, Side, measure_side
from maskwright.progress import Progress, silent

LEAST = 100_000  # tokens: fewer are not enough for 256 lanes
BYTES = 8  # of disk, a token
LATE = 2.5  # epochs
EVERY = 0.01  # seconds from one look at the memory to the next


def compare(
    tokens: Sequence[int], recipes: Sequence[str], *, seconds: float, out: Path, progress: Progress = silent
) -> list[Result]:
    """A row for each corpus and recipe; corpora are made in the folder `out` one by one and removed.

    Raises BadInput where there is no room for the largest.
    """
    from maskwright.corpus.build import build_corpus
    from maskwright.corpus.sources import SampleText
    from maskwright.lab.bench.drawn_corpus import write_corpus

    rows: list[Result] = []
    with tempfile.TemporaryDirectory(prefix=".corpora-", dir=out) as folder:
        check_space(folder, max(tokens) * BYTES)
        tokenizer = build_corpus(SampleText("en"), Path(folder) / "sample", progress=progress).tokenizer
        for number in tokens:
            path = Path(folder) / str(number)
            write_corpus(path, number, tokenizer, progress=progress)
            with progress.stage(f"{number:,} tokens", len(recipes), "recipes") as bar:
                for recipe in recipes:
                    rows.append({"tokens": number, "recipe": recipe, **row(path, recipe, seconds)})
                    bar.advance(1, note=recipe)
            shutil.rmtree(path)
    return rows


def row(corpus: Path, recipe: str, seconds: float) -> Result:
    """What a recipe costs on a corpus: its start, and a late step without and with what a checkpoint knows."""
    given: dict[str, Any] = {"corpus": str(corpus), "recipe": recipe}
    start = measure_side(Side(f"{recipe}, the start", "scale", {**given, "seconds": seconds}), 1)
    given["step"] = start.pop("late_step")
    late = measure_side(Side(f"{recipe}, a late step", "scale", given), 1)
    given["known"] = late.pop("known")
    resumed = late if given["known"] is None else measure_side(Side(f"{recipe}, resumed", "scale", given), 1)
    resumed.pop("known", None)
    return {"start": start, "late": late, "resumed": resumed}


def measure(
    *,
    corpus: str,
    recipe: str,
    seconds: float = 0.0,
    step: int | None = None,
    known: dict[str, list[int]] | None = None,
) -> dict[str, Any]:
    """Marks of time and memory on the way to the first step, or to the batch of a late one.

    known   what a checkpoint knows of the step

    A mark has seconds since the process began, by the clock and of processors, and MiB: the peak of what was held,
    and of what was the process's own (files that are only mapped left out).
    """
    marks: dict[str, dict[str, float]] = {}
    with ExitStack() as stack:
        own = stack.enter_context(watched())

        def mark(name: str) -> None:
            marks[name] = {
                "seconds": seconds_lived(),
                "cpu_seconds": time.process_time(),
                "peak_mib": peak_mib(),
                "own_mib": max(own),
            }

        from maskwright.corpus.checking import Checking
        from maskwright.training.gradients import gradients
        from maskwright.training.optimizers import Optimizer
        from maskwright.training.run import as_wanted, device_for, keep_memory
        from maskwright.training.signals import Stop
        from maskwright.training.work import whole

        keep_memory()
        mark("imported")
        module, resolved, opened = resolved_for(corpus, recipe, sequences=SEQUENCES, length=128)
        mark("opened")
        if step is not None:
            data: Any = module.data(resolved, opened)
            if known is not None:
                data.know(known)
            data.batches(step)
            mark("batch")
            return {"step": step, "marks": marks, "known": data.visit_sizes(step) if hasattr(data, "know") else None}
        checking = stack.enter_context(Checking(opened))
        checking.start()
        work = module.build(resolved, opened)
        mark("built")
        batches = work.batches(0)
        mark("batch")
        optimizer = Optimizer(work.module, resolved.optimizer, as_wanted(work.module, resolved.training, device_for()))
        gradients(work, optimizer, whole(batches[:1]), resolved.training, 0, Stop())
        optimizer.step(0.0)
        mark("step")
        next(iter(work.held_out()), None)
        mark("held out")
        checking.wait()  # as the first checkpoint does
        mark("sound")
        made, busy = 0, time.process_time()
        begin, at = time.perf_counter(), 0
        while time.perf_counter() - begin < seconds:
            at += 1
            made += sum(batch.num_tokens for batch in work.batches(at))
        busy = time.process_time() - busy
        mark("stretch")
    step_tokens = made / max(at, 1)
    return {
        "marks": marks,
        "late_step": round(LATE * opened.train.num_tokens / step_tokens),
        "batches_per_second": at / max(time.perf_counter() - begin, 1e-9),
        "cpu_seconds_per_million_tokens": busy / made * 1e6,
    }


@contextmanager
def watched() -> Generator[list[float]]:
    """The most memory of its own that this process had so far, looked at again and again."""
    most, over = [own_mib()], threading.Event()

    def watch() -> None:
        while not over.wait(EVERY):
            most[0] = max(most[0], own_mib())

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield most
    finally:
        over.set()
        thread.join()


if __name__ == "__main__":
    told(measure)
