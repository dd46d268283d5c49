"""`maskwright bench race` and `bench scale`: two measurements with options of their own."""

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from maskwright.cli.overrides import Overrides
from maskwright.cli.results import AsJson, log, show


def race(
    *,
    corpus: Annotated[str | None, Parameter(name="--corpus")] = None,
    size: Annotated[str, Parameter(name="--size")] = "tiny",
    rival: Annotated[Literal["stock", "kept"], Parameter(name="--rival")] = "stock",
    minutes: Annotated[float | None, Parameter(name="--minutes")] = None,
    budget: Annotated[tuple[float, ...], Parameter(name="--budget", consume_multiple=True)] = (20, 30, 45, 60, 80),
    rival_rate: Annotated[float | None, Parameter(name="--rival-rate")] = None,
    rival_batch: Annotated[int, Parameter(name="--rival-batch")] = 32,
    rival_precision: Annotated[Literal["bf16", "float32"] | None, Parameter(name="--rival-precision")] = None,
    looks: Annotated[int, Parameter(name="--looks")] = 24,
    seed: Annotated[int, Parameter(name="--seed")] = 0,
    threads: Annotated[int | None, Parameter(name="--threads")] = None,
    out: Annotated[Path | None, Parameter(name="--out")] = None,
    again: Annotated[bool, Parameter(name="--again")] = False,
    json: AsJson = False,
    overrides: Overrides,
) -> None:
    """Race transformers to a held-out loss.

    The Trainer of transformers (extra [hf]) pretrains a BertForMaskedLM as its
    example run_mlm.py does, for so many minutes; then `quick` has so many seconds,
    and more if they are not enough. Same text, vocabulary, size and test; each in
    a process of its own. Looking at the test does not count. The folder keeps the
    record (race.json), a page (race.html) and a picture (race.svg).

    The same line goes on where it was stopped: what is done is kept, and the rival
    goes on from its last look. Keys of our recipe can be given as --table.key VALUE.

    Args:
        corpus: The folder that `maskwright corpus` made. Default: the sample text.
        size: tiny, mini, small ...: of both.
        rival: stock: dropout 0.1, as installed. kept: no dropout, and the allocator set.
        minutes: The rival's. Default: 40 for stock, 15 for kept.
        budget: Seconds of ours; of several the next only where those before were not enough.
        rival_rate: Its peak rate. Default: by size, 1.5e-3 for tiny.
        rival_batch: Its blocks of 128 tokens a step.
        rival_precision: bf16 or float32. Default: the faster one in a trial.
        looks: How often each looks at the held-out text.
        seed: Of both.
        threads: Of both. Default: OMP_NUM_THREADS, or the processors there are.
        out: The race's folder. Default: runs/race-SIZE-RIVAL.
        again: Run ours anew beside the rival that is there.

    Examples:
        maskwright bench race
        maskwright bench race --rival kept --minutes 15 --budget 45 90
        maskwright bench race --corpus corpora/en --rival kept --start.epochs 1
    """
    from maskwright.errors import BadInput
    from maskwright.lab.bench.race import pictures
    from maskwright.lab.bench.race.run import Race, run_race
    from maskwright.lab.bench.shapes import shape
    from maskwright.lab.bench.turns import default_threads
    from maskwright.progress import rich_progress

    shape(size)  # says which sizes there are
    if rival_rate is not None and not 0 < rival_rate < 1:
        raise BadInput(f"--rival-rate {rival_rate:g}: give a rate between 0 and 1")
    made = Race(
        size=size, rival=rival, minutes=minutes, budgets=budget, rate=rival_rate, batch=rival_batch,
        precision=rival_precision, looks=looks, seed=seed,
        threads=default_threads() if threads is None else threads, changes=dict(overrides),
    )  # fmt: skip
    folder = out or Path("runs") / f"race-{size}-{rival}"
    record = run_race(made, corpus, folder, again=again, progress=rich_progress())
    pictures.page(record).write(folder / "race.html")
    try:
        pictures.draw(record, folder / "race.svg")
    except ImportError:
        log("no picture: pip install 'maskwright[plots]' and repeat the line, which runs nothing anew")
    show(record, json=json, text=lambda: pictures.text(record))


def scale(
    *,
    tokens: Annotated[tuple[int, ...], Parameter(name="--tokens", consume_multiple=True)] = (
        100_000,
        1_000_000,
        10_000_000,
        100_000_000,
        1_000_000_000,
    ),
    recipe: Annotated[tuple[str, ...], Parameter(name="--recipe", consume_multiple=True)] = (
        "bert",
        "roberta",
        "xlnet",
        "gpt",
        "elmo",
    ),
    seconds: Annotated[float, Parameter(name="--seconds")] = 8.0,
    out: Annotated[Path, Parameter(name="--out")] = Path("runs/scale"),
    json: AsJson = False,
) -> None:
    """Measure what the size of a corpus costs: the start, a late step, memory.

    Corpora of so many tokens are drawn in the folder, one after the other, and
    removed. Each figure is of a process of its own, on one processor: from its
    beginning to the first batch and the first step of a 2 x 128; to the batch of
    a step half way through the third epoch, without and with what a checkpoint
    knows; batches for some seconds. The folder keeps the record (scale.json) and
    a picture (scale.svg).

    Args:
        tokens: Of each corpus; a billion needs 8 GB of disk.
        recipe: Which ones.
        seconds: Of batches.
        out: The folder.

    Examples:
        maskwright bench scale
        maskwright bench scale --tokens 100000 10000000 --recipe bert
    """
    import json as jsons

    from maskwright.durable import write_file
    from maskwright.errors import BadInput
    from maskwright.lab.bench import scale_pictures
    from maskwright.lab.bench.scale import LEAST, compare
    from maskwright.progress import rich_progress
    from maskwright.recipes import stepwise

    if seconds <= 0:
        raise BadInput(f"--seconds {seconds:g} of batches measure nothing: give more than 0")
    if not tokens or min(tokens) < LEAST:
        raise BadInput(
            f"--tokens {min(tokens, default=0):,}: a corpus for steps of 256 sequences has {LEAST:,} or more"
        )
    for name in recipe:
        stepwise(name)
    out.mkdir(parents=True, exist_ok=True)
    rows = compare(tokens, recipe, seconds=seconds, out=out, progress=rich_progress())
    write_file(out / "scale.json", (jsons.dumps(rows, indent=1) + "\n").encode())
    try:
        scale_pictures.draw(rows, out / "scale.svg")
    except ImportError:
        log("no picture: pip install 'maskwright[plots]'")
    show(rows, json=json, text=lambda: scale_pictures.table(rows))
