"""`maskwright pretrain`: train an encoder from a corpus, by a recipe."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from maskwright.cli.overrides import Overrides
from maskwright.cli.results import AsJson, show


def pretrain(
    recipe: str,
    /,
    *,
    out: Annotated[Path | None, Parameter(name="--out")] = None,
    corpus: Annotated[str | None, Parameter(name="--corpus")] = None,
    size: Annotated[str | None, Parameter(name="--size")] = None,
    start: Annotated[str | None, Parameter(name="--start")] = None,
    keep: Annotated[int | None, Parameter(name="--keep")] = None,
    auto_batch: Annotated[bool, Parameter(name="--auto-batch")] = False,
    json: AsJson = False,
    overrides: Overrides,
) -> int:
    """Train an encoder from a corpus, by a recipe.

    The same line goes on where it was stopped, bit for bit: kill it whenever you
    like. Ctrl-C or SIGTERM finish the step, save and leave with 130 or 143. Every
    key of the recipe can be given as --table.key VALUE; `recipe.toml` in the run's folder lists them.

    Args:
        recipe: A recipe's name (quick, bert, roberta; `maskwright recipes`), or a recipe.toml to repeat.
        out: The run's folder. Default: runs/NAME-SIZE; with a run's recipe.toml, that run.
        corpus: The folder that `maskwright corpus` made.
        size: One of the recipe's sizes: tiny, base, large ...
        start: Short for --start.tokens: random, word2vec, or a word2vec-format file.
        keep: Short for --training.keep: how many checkpoints stay.
        auto_batch: Where a step runs out of memory, halve training.micro_sequences and go on
            from that step; its gradient is the same but for the last bits. On Linux a second process
            watches the run, and where the system ends that for want of memory, begins it anew from
            its newest checkpoint.

    Examples:
        maskwright pretrain quick --corpus corpora/en --out runs/my-bert
        maskwright pretrain bert --size base --corpus corpora/en --keep 5
        maskwright pretrain runs/my-bert/recipe.toml --out runs/again
    """
    from maskwright.progress import rich_progress, silent
    from maskwright.recipes import folder_for, resolve, train
    from maskwright.training.launch import rank_said
    from maskwright.training.metrics import read_metrics
    from maskwright.training.run import keep_memory

    allocator = "kept" if keep_memory() else "default"
    progress = silent if rank_said() else rich_progress()
    short = {"start.tokens": start, "training.keep": keep}
    changes = {**overrides, **{key: value for key, value in short.items() if value is not None}}
    resolved, opened = resolve(recipe, corpus, size, changes)
    folder = out or folder_for(recipe, resolved)
    stopped = train(resolved, opened, folder, allocator=allocator, auto_batch=auto_batch, progress=progress)
    if rank_said():
        return 128 + stopped if stopped else 0
    last = read_metrics(folder)[-1:]
    result = {
        "run": str(folder),
        "finished": not stopped,
        "model": None if stopped else str(folder / "model"),
        **{name: value for name, value in (last[0] if last else {}).items() if value != {}},
    }
    show(result, json=json)
    return 128 + stopped if stopped else 0
