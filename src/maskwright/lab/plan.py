"""Planning a run: probes of several micro-batch sizes, each in a process of its own, and the fastest that fits.

A process of its own has a clean peak of memory and the allocator's setting that `pretrain` has.
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from shutil import disk_usage
from typing import Any, NamedTuple

import torch

from maskwright.config import checked, plain
from maskwright.corpus.read import Corpus
from maskwright.errors import BadInput, MaskwrightError
from maskwright.progress import Progress, silent
from maskwright.recipes import module_of
from maskwright.training import checkpoint
from maskwright.training.causal_recipe import Recipe as CausalRecipe
from maskwright.training.masked_recipe import LengthWarmupConfig, Recipe, later_phase
from maskwright.training.optimizers import Optimizer
from maskwright.training.plan import Measured, Memory, fits, free_memory, held, hours, measure, run_bytes
from maskwright.training.run import as_wanted, device_for, keep_memory
from maskwright.training.work import Work

AnyRecipe = Recipe | CausalRecipe
SIZES = (8, 16, 32, 64)
RANKS = (2, 4, 8)
THREADS = "OMP_NUM_THREADS"
WORTH = 1.05  # times as fast as with torch's own number of threads: less may be chance
SLOWER = 0.8  # a size below this share of the best speed so far ends the search: larger ones only get slower


def probe(table: dict[str, Any], corpus_path: str, seconds: float) -> Measured:
    """Measure the recipe in this process."""
    keep_memory()
    recipe = checked(module_of(str(table["recipe"])).Recipe, table, "the recipe")
    corpus = Corpus.open(corpus_path)
    device = device_for()
    program = held()
    work: Work = module_of(recipe.recipe).build(recipe, corpus)
    optimizer = Optimizer(work.module, recipe.optimizer, as_wanted(work.module, recipe.training, device))
    return measure(work, optimizer, recipe.training, seconds=seconds, program=program)


def probe_apart(recipe: AnyRecipe, corpus: Corpus, seconds: float, threads: int | None = None) -> Measured:
    """The same in a process of its own. Token embeddings start at random: word2vec's vectors would cost no less; and
    sequences are as long as in most of the run, where it begins on shorter ones.

    threads   that compute; None: as many as torch takes by itself
    """
    if isinstance(recipe, Recipe):
        recipe = recipe.with_changes(length_warmup=LengthWarmupConfig())
    table = plain(recipe)
    if "start" in table:
        table["start"] = {**table["start"], "tokens": "random"}
    done = subprocess.run(
        [sys.executable, "-m", "maskwright.lab.plan", str(corpus.path), str(seconds)],
        input=json.dumps(table),
        capture_output=True,
        text=True,
        check=False,
        env=os.environ if threads is None else {**os.environ, THREADS: str(threads)},
    )
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.strip()]
        if said and (refused := said[-1].partition(f"{BadInput.__module__}.{BadInput.__name__}: "))[1]:
            raise BadInput(refused[2])
        size = recipe.training.micro_sequences
        raise MaskwrightError(
            f"the probe of {size} sequences at once ended with {done.returncode}: {said[-1] if said else 'no word'}"
        )
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    told["memory"] = Memory(**told["memory"])
    return Measured(**told)


def sizes_to_try(batch_sequences: int) -> list[int]:
    """Micro-batches of 8 to 64 sequences, none larger than the whole step.

    >>> sizes_to_try(256), sizes_to_try(24), sizes_to_try(4)
    ([8, 16, 32, 64], [8, 16, 24], [4])
    """
    return sorted({min(size, batch_sequences) for size in SIZES})


def try_sizes(
    recipe: AnyRecipe,
    corpus: Corpus,
    sizes: Sequence[int],
    *,
    seconds: float = 4.0,
    progress: Progress = silent,
) -> list[Measured]:
    """Probes of growing micro-batches, until one would not fit into memory or is clearly slower than a smaller one."""
    free = free_memory(device_for())
    found: list[Measured] = []
    with progress.stage("probe", len(sizes), "sizes") as bar:
        for size in sizes:
            if found and (not fits(found[-1], size, free) or _slower(found)):
                break
            training = recipe.training.with_changes(micro_sequences=size)
            found.append(probe_apart(recipe.with_changes(training=training), corpus, seconds))
            bar.advance(1, note=f"{size} sequences, {found[-1].tokens_per_second:,.0f} tokens/s")
    return found


def _slower(found: Sequence[Measured]) -> bool:
    return found[-1].tokens_per_second < SLOWER * max(one.tokens_per_second for one in found)


def threads_to_try(usual: int, processors: int) -> list[int]:
    """Numbers of threads beside the usual one: half of it, and all processors.

    torch takes one for each core, which may be two processors; small networks may be faster on fewer.

    >>> threads_to_try(2, 2), threads_to_try(16, 32), threads_to_try(1, 1)
    ([1], [8, 32], [])
    """
    return sorted({max(1, usual // 2), max(usual, processors)} - {usual})


def try_threads(
    recipe: AnyRecipe,
    corpus: Corpus,
    tried: Sequence[Measured],
    *,
    seconds: float = 4.0,
    progress: Progress = silent,
) -> dict[int, Measured]:
    """Probes of the fastest of the micro-batches by number of threads; the usual one alone on a GPU, or if set."""
    best, usual = fastest(tried), torch.get_num_threads()
    found = {usual: best}
    if device_for().type == "cuda" or THREADS in os.environ:
        return found
    training = recipe.training.with_changes(micro_sequences=best.micro_sequences)
    others = threads_to_try(usual, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else usual)
    with progress.stage("probe", len(others), "threads") as bar:
        for threads in others:
            found[threads] = probe_apart(recipe.with_changes(training=training), corpus, seconds, threads)
            bar.advance(1, note=f"{threads} threads, {found[threads].tokens_per_second:,.0f} tokens/s")
    return dict(sorted(found.items()))


def best_threads(found: Mapping[int, Measured]) -> int:
    """The number of threads to compute with: torch's own where no other is clearly faster."""
    usual = torch.get_num_threads()
    best = max(found, key=lambda threads: found[threads].tokens_per_second)
    return best if found[best].tokens_per_second > WORTH * found[usual].tokens_per_second else usual


class Later(NamedTuple):
    """The second phase of a run: its last `steps`, on sequences up to `max_length`, as they were measured."""

    steps: int
    max_length: int
    measured: Measured


def fastest(tried: Sequence[Measured]) -> Measured:
    """The probe of the most tokens a second."""
    return max(tried, key=lambda one: one.tokens_per_second)


def probe_later(
    recipe: AnyRecipe,
    corpus: Corpus,
    tried: Sequence[Measured],
    *,
    seconds: float = 4.0,
    threads: int | None = None,
    progress: Progress = silent,
) -> Later | None:
    """A probe of the second phase, as it is with the fastest of the micro-batches tried; None where there is none.

    threads   see `probe_apart`
    """
    if not isinstance(recipe, Recipe):  # only masked pretraining has phases
        return None
    training = recipe.training.with_changes(micro_sequences=fastest(tried).micro_sequences)
    later = later_phase(recipe.with_changes(training=training))
    if later is None:
        return None
    with progress.stage("probe of the second phase", 1, "sizes") as bar:
        found = probe_apart(later, corpus, seconds, threads)
        bar.advance(1, note=f"{found.micro_sequences} sequences, {found.tokens_per_second:,.0f} tokens/s")
    return Later(round(recipe.second_phase.share * training.steps), later.layout.max_length, found)


def plan(
    recipe: AnyRecipe,
    corpus: Corpus,
    tried: Sequence[Measured],
    out: Path,
    later: Later | None = None,
    by_threads: Mapping[int, Measured] | None = None,
) -> dict[str, Any]:
    """What the run in `out` will take, with the fastest of the micro-batches tried.

    later        the probe of its second phase
    by_threads   what `try_threads` found

    Sizes in bytes, times in seconds where the name does not say otherwise.
    """
    usual = torch.get_num_threads()
    by_threads = by_threads or {usual: fastest(tried)}
    threads = best_threads(by_threads)
    best, training = by_threads[threads], recipe.training
    done = min(training.steps, max(checkpoint.steps(out), default=0))
    examples = module_of(recipe.recipe).data(recipe, corpus).epoch_sequences(0)
    second = later.measured if later else best
    slow = min(later.steps, training.steps - done) if later else 0
    longer = slow * (second.step_seconds - best.step_seconds) / 3600
    most = max((best, second), key=lambda one: sum(one.memory))
    device = device_for()
    return {
        "recipe": recipe.recipe,
        "size": recipe.size,
        "corpus": str(corpus.path),
        "out": str(out),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
        "threads": threads,
        "usual_threads": usual,
        "parameters": best.parameters,
        "micro_sequences": best.micro_sequences,
        "micro_tokens": training.row_tokens,
        "tokens_per_second": best.tokens_per_second,
        "step_seconds": best.step_seconds,
        "step_tokens": best.step_tokens,
        "evaluation_seconds": best.evaluation_seconds,
        "steps": training.steps,
        "steps_done": done,
        "hours_left": hours(best, training, done) + longer,
        "second_phase": {
            "steps": later.steps,
            "max_length": later.max_length,
            "micro_sequences": second.micro_sequences,
            "step_tokens": second.step_tokens,
            "step_seconds": second.step_seconds,
            "tokens_per_second": second.tokens_per_second,
        }
        if later
        else None,
        "memory": {"peak": sum(most.memory), "free": free_memory(device), **most.memory._asdict()},
        "memory_shared": None
        if training.shard == "none"
        else {ranks: shared(most, ranks, parameters=training.shard == "parameters") for ranks in RANKS},
        "disk": {
            "run": run_bytes(best, training.keep),
            "free": disk_usage(_existing(out)).free,
            "checkpoint": best.checkpoint_bytes,
            "model": best.model_bytes,
        },
        "examples_per_epoch": examples,
        "epochs": training.steps * (training.batch_rows or training.batch_sequences) / examples,
        "tried": [
            {
                "micro_sequences": one.micro_sequences,
                "tokens_per_second": one.tokens_per_second,
                "memory": sum(one.memory),
            }
            for one in tried
        ],
        "tried_threads": {number: one.tokens_per_second for number, one in by_threads.items()},
    }


def shared(one: Measured, ranks: int, *, parameters: bool = False) -> int:
    """Bytes that each of so many processes holds at the peak where they share the optimizer: a piece of two parts.

    parameters   they share those too: then a piece of all, beside the layers that are whole just then, in the type that
                 is computed with, with their gradient, which is summed in float32: each twice, as it is used and as it
                 is exchanged
    """
    memory = one.memory
    if parameters:
        number = memory.working_copy or memory.weights
        whole = one.whole_at_once * 2 * (2 * number + memory.weights) // one.parameters
        return memory.activations + memory.program + whole + -(-(2 * memory.weights + memory.optimizer) // ranks)
    pieces = memory.weights + memory.optimizer if memory.working_copy else memory.optimizer
    return sum(memory) - pieces + -(-pieces // ranks)


def _existing(path: Path) -> Path:
    path = path.absolute()
    return next(place for place in (path, *path.parents) if place.exists())


if __name__ == "__main__":
    _measured = probe(json.load(sys.stdin), sys.argv[1], float(sys.argv[2]))
    sys.stdout.write(json.dumps({**_measured._asdict(), "memory": _measured.memory._asdict()}) + "\n")
