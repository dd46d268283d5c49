"""`maskwright plan`: what a run will take, before it is begun."""

from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from maskwright.cli.overrides import Overrides
from maskwright.cli.results import AsJson, show
from maskwright.errors import BadInput


def plan(
    recipe: str,
    /,
    *,
    corpus: Annotated[str | None, Parameter(name="--corpus")] = None,
    size: Annotated[str | None, Parameter(name="--size")] = None,
    out: Annotated[Path | None, Parameter(name="--out")] = None,
    seconds: Annotated[float, Parameter(name="--seconds")] = 4.0,
    json: AsJson = False,
    overrides: Overrides,
) -> None:
    """Say what a run will take: memory, speed, hours, disk, the micro-batch to use.

    A short probe trains a few micro-batches of 8 to 64 sequences, each size in a
    process of its own, and the fastest that fits is taken; on a CPU also other numbers
    of threads, unless OMP_NUM_THREADS is set. Nothing is written.

    Args:
        recipe: A recipe's name (quick, bert, roberta; `maskwright recipes`), or a recipe.toml.
        corpus: The folder that `maskwright corpus` made.
        size: One of the recipe's sizes: tiny, base, large ...
        out: The run's folder: steps it has done are left out, and its disk is asked.
        seconds: How long each size is timed, after a warm-up.

    Examples:
        maskwright plan quick --corpus corpora/en
        maskwright plan bert --size base --corpus corpora/en --json
        maskwright plan bert --corpus corpora/en --training.micro_sequences 128
    """
    if not 0 < seconds < 3600:
        raise BadInput(f"--seconds {seconds}: give a number between 0 and 3600")
    from maskwright.lab.plan import best_threads, probe_later, sizes_to_try, try_sizes, try_threads
    from maskwright.lab.plan import plan as planned
    from maskwright.progress import rich_progress
    from maskwright.recipes import folder_for, resolve, stepwise

    resolved, opened = resolve(recipe, corpus, size, overrides)
    stepwise(resolved.recipe).check(resolved, opened)  # here, so that it is said in one line, and not by a probe
    training = resolved.training
    given = "training.micro_sequences" in overrides or training.batch_tokens is not None
    sizes = [min(training.micro_sequences, training.batch_sequences)]
    sizes = sizes if given else sizes_to_try(training.batch_sequences)
    progress = rich_progress()
    tried = try_sizes(resolved, opened, sizes, seconds=seconds, progress=progress)
    by_threads = try_threads(resolved, opened, tried, seconds=seconds, progress=progress)
    threads = best_threads(by_threads)
    later = probe_later(resolved, opened, tried, seconds=seconds, threads=threads, progress=progress)
    result = planned(resolved, opened, tried, out or folder_for(recipe, resolved), later, by_threads)
    show(result, json=json, text=lambda: table(result))


def _micro_batch(result: dict[str, Any], tried: str) -> list[tuple[str, str]]:
    """What is computed at once; packed rows are taken as they are."""
    if result["micro_tokens"]:
        return [("micro-batch", f"packed rows of {result['micro_tokens']:,} tokens")]
    return [
        ("micro-batch", f"{result['micro_sequences']} sequences, the fastest that fits (tokens/s of {tried})"),
        ("", f"--training.micro_sequences {result['micro_sequences']}"),
    ]


def table(result: dict[str, Any]) -> str:
    """The plan for people."""
    memory, disk = result["memory"], result["disk"]
    parts = ", ".join(
        f"{name.replace('_', ' ')} {size(memory[name])}"
        for name in ("weights", "working_copy", "gradients", "optimizer", "activations", "program")
        if memory[name]
    )
    tried = " | ".join(f"{one['micro_sequences']}: {one['tokens_per_second']:,.0f}" for one in result["tried"])
    left = result["steps"] - result["steps_done"]
    epochs = result["epochs"]
    rows = [
        ("recipe", f"{result['recipe']}, size {result['size']}"),
        *_device(result),
        ("parameters", f"{result['parameters']:,}"),
        *_micro_batch(result, tried),
        ("memory", f"{size(memory['peak'])} at the peak{_of(memory['free'])}"),
        ("", parts),
        *([("", f"each of {_shared(result['memory_shared'])}")] if result["memory_shared"] else []),
        ("speed", f"{result['tokens_per_second']:,.0f} tokens/s, {result['step_seconds']:.3g} s a step"),
        ("time left", f"{span(result['hours_left'])} for {left:,} of {result['steps']:,} steps"),
        ("disk", f"{size(disk['run'])} at the fullest{_of(disk['free'])}"),
        ("", f"a checkpoint {size(disk['checkpoint'])}, the model {size(disk['model'])}"),
        ("data", f"{epochs:,.3g} epochs of {result['examples_per_epoch']:,} examples"),
    ]  # fmt: skip
    if second := result["second_phase"]:
        told = f"the last {second['steps']:,} steps see up to {second['max_length']} tokens a sequence"
        rows.insert(
            -3, ("", f"{told}: {second['tokens_per_second']:,.0f} tokens/s, {second['step_seconds']:.3g} s a step")
        )
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"{name:<{width}}  {value}" for name, value in rows)


def _device(result: dict[str, Any]) -> list[tuple[str, str]]:
    """What computes; on a CPU with how many threads, and how to say so where torch takes others by itself."""
    if result["device"] != "cpu":
        return [("device", result["device"])]
    threads, tried = result["threads"], result["tried_threads"]
    speeds = " | ".join(f"{number}: {speed:,.0f}" for number, speed in tried.items())
    told = f" (tokens/s of {speeds})" if len(tried) > 1 else ""
    rows = [("device", f"cpu, {threads} thread{'s' if threads > 1 else ''}{told}")]
    if threads != result["usual_threads"]:
        rows.append(("", f"OMP_NUM_THREADS={threads} in front of the line"))
    return rows


def _shared(memory: dict[int, int]) -> str:
    """Of processes that share the optimizer.

    >>> _shared({2: 2**30, 4: 2**29})
    '2 processes 1.0 GiB, of 4 512.0 MiB'
    """
    first, *others = [(ranks, size(held)) for ranks, held in memory.items()]
    return ", ".join([f"{first[0]} processes {first[1]}", *(f"of {ranks} {held}" for ranks, held in others)])


def _of(free: int | None) -> str:
    return "" if free is None else f" of {size(free)} free"


def size(number: int) -> str:
    """Bytes for people.

    >>> size(999), size(4_400_000), size(5_368_709_120)
    ('0.001 MiB', '4.2 MiB', '5.0 GiB')
    """
    mib = number / 2**20
    if mib >= 1024:
        return f"{mib / 1024:,.1f} GiB"
    return f"{mib:,.1f} MiB" if mib >= 0.1 else f"{mib:.3f} MiB"


def span(hours: float) -> str:
    """Hours for people.

    >>> span(0.01), span(1.5), span(100)
    ('36 s', '1 h 30 min', '4 days 4 h')
    """
    seconds = round(hours * 3600)
    if seconds < 120:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min"
    if hours < 48:
        return f"{seconds // 3600} h {seconds % 3600 // 60:02d} min"
    return f"{round(hours) // 24:,} days {round(hours) % 24} h"
