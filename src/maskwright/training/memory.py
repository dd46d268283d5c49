"""Memory that runs out in a step: told in one line, and where it is wished gone on with in smaller micro-batches.

The gradient of a step is that of all its micro-batches joined, so fewer sequences at once change no more than the last
bits of it, and with dropout the draws, whose addresses are the places of micro-batches in a step. On a GPU, and where a
limit is set (ulimit -v), who asks for too much is told so; a CPU's system mostly ends the process without a word, and
the command's own watcher begins it anew (`maskwright.cli.watching`).
"""

import gc
import traceback
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import torch

from maskwright.config import Config, override, plain, read_toml
from maskwright.errors import NO_MEMORY, BadInput, MaskwrightError
from maskwright.progress import Progress, silent
from maskwright.training import anew
from maskwright.training.launch import size_said
from maskwright.training.run_folder import RECIPE, is_run

Outcome = TypeVar("Outcome")

HALVED = ("training.micro_sequences", "second_phase.micro_sequences")
"""Of a recipe: what is halved."""
FEWEST = "take a smaller size, or shorter sequences"
"""The way out where one sequence is computed at once."""


class NoMemoryError(MaskwrightError):
    """A step needed more memory than there is; the weights are those of the step before."""


class BeginAnew(MaskwrightError):
    """The same, in a process that is begun anew with half as many sequences at once; all has been said."""

    exit_code = anew.EXIT


def ran_out(error: BaseException) -> bool:
    """Whether it says that there is no memory: Python's own error, torch's for a device, or a bare RuntimeError.

    >>> ran_out(MemoryError()), ran_out(RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried ..."))
    (True, True)
    >>> ran_out(RuntimeError("shapes cannot be multiplied"))
    False
    """
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in NO_MEMORY)


@contextmanager
def enough_memory(step: int, sequences: int) -> Generator[None]:
    """Turns want of memory in a step into a NoMemoryError, when what the step held has been let go.

    sequences   of its largest micro-batch
    """
    try:
        yield
        return
    except (RuntimeError, MemoryError) as error:
        _only_want_of_memory(error)
    let_go()
    way = "halve training.micro_sequences, of packed rows training.micro_tokens" if sequences > 1 else FEWEST
    raise NoMemoryError(
        f"step {step + 1}: out of memory with {anew.sequences(sequences)} at once: {way} (`maskwright plan` measures "
        "what fits, --auto-batch halves sequences and goes on); the weights are those of the step before"
    )


@contextmanager
def enough_to_move(step: int) -> Generator[None]:
    """Turns want of memory while the weights are moved into a MaskwrightError.

    Some of them may have been moved, so nothing is to be saved, and smaller micro-batches would not help.
    """
    try:
        yield
        return
    except (RuntimeError, MemoryError) as error:
        _only_want_of_memory(error)
    raise MaskwrightError(
        f"step {step + 1}: out of memory while the optimizer moved the weights, which takes as much however many "
        "sequences are computed at once: take another optimizer or a smaller size, or several processes with "
        "--training.shard optimizer; the newest checkpoint is of a step before"
    )


def _only_want_of_memory(error: BaseException) -> None:
    """Let go of what the step held; every other error goes on."""
    if not ran_out(error):
        raise error
    traceback.clear_frames(error.__traceback__)


def let_go() -> None:
    """Give back what nobody holds any more."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def halving(
    recipe: Config, out: Path, attempt: Callable[[Any], Outcome], *, wanted: bool, progress: Progress = silent
) -> Outcome:
    """What `attempt` makes of the recipe, or, where memory runs out and it is `wanted`, of one with half as many
    sequences at once, which goes on in the same folder; and so on down to one.

    A run that was halved before begins with what it had come to. A process that somebody watches (`training.anew`)
    leaves the next try to another one. Raises NoMemoryError.
    """
    if wanted:
        _refuse(recipe)
        recipe = _after(anew.fell(), _as_it_was(recipe, out), progress)
    while True:
        try:
            if wanted:
                anew.tell(at_once(recipe))
            return attempt(recipe)
        except NoMemoryError as error:
            smaller = _halved(recipe) if wanted else None
            if smaller is None:
                raise
            progress.say(str(error).partition(" (`")[0])
            if anew.watched():
                raise BeginAnew from error
        let_go()
        recipe = smaller
        _say_smaller(recipe, progress)


def at_once(recipe: Config) -> int:
    """How many sequences are computed at once, at most."""
    return max(_sizes(plain(recipe)).values())


def _sizes(table: dict[str, Any]) -> dict[str, int]:
    """What of `HALVED` a recipe names, no more than the step of its phase has."""
    found: dict[str, int] = {}
    for key in HALVED:
        batch, size = (
            _size(table, f"{key.partition('.')[0]}.{name}") for name in ("batch_sequences", "micro_sequences")
        )
        if size is not None:
            found[key] = size if batch is None else min(batch, size)
    return found


def _after(fell: int | None, recipe: Any, progress: Progress) -> Any:
    """The recipe with fewer sequences at once than those with which a process before fell, if one did."""
    if fell is None:
        return recipe
    while at_once(recipe) >= fell:
        smaller = _halved(recipe)
        if smaller is None:
            raise NoMemoryError(f"out of memory with 1 sequence at once: {FEWEST}")
        recipe = smaller
    _say_smaller(recipe, progress)
    return recipe


def _say_smaller(recipe: Config, progress: Progress) -> None:
    progress.say(
        f"going on with {anew.sequences(at_once(recipe))} at once (training.micro_sequences); the gradient is the same "
        "but for its last bits, and dropout is drawn otherwise than in a run that began so"
    )


def _halved(recipe: Config) -> Any:
    """The recipe with half as many sequences at once; None where it is one already."""
    if at_once(recipe) == 1:
        return None
    return _with(recipe, {key: max(1, size // 2) for key, size in _sizes(plain(recipe)).items()})


def _as_it_was(recipe: Config, out: Path) -> Any:
    """The recipe with the micro-batches of the run in `out`, where these are smaller."""
    if not is_run(out):
        return recipe
    there, ours = read_toml(out / RECIPE), plain(recipe)
    smaller = {
        key: size
        for key in HALVED
        if (size := _size(there, key)) is not None and (own := _size(ours, key)) is not None and size < own
    }
    return _with(recipe, smaller) if smaller else recipe


def _refuse(recipe: Config) -> None:
    """BadInput where micro-batches cannot be halved alone."""
    if size_said() > 1:
        raise BadInput("--auto-batch goes with one process: leave it out under torchrun")
    if plain(recipe)["training"].get("batch_tokens"):
        raise BadInput(
            "--auto-batch halves training.micro_sequences, and here rows of training.micro_tokens are packed, which "
            "are other rows when they are shorter: leave it out"
        )


def _size(table: dict[str, Any], key: str) -> int | None:
    section, name = key.split(".")
    found = table.get(section, {}).get(name)
    return found if isinstance(found, int) else None  # "none" of a recipe.toml, where nothing is said


def _with(recipe: Config, sizes: dict[str, int]) -> Any:
    return type(recipe).model_validate(override(plain(recipe), sizes))
