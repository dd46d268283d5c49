"""`maskwright finetune`: teach an encoder a task from labelled texts."""

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from maskwright.cli.overrides import Overrides
from maskwright.cli.results import AsJson, show


def finetune(
    task: Literal["classification", "regression"],
    /,
    *,
    model: str,
    train: str,
    dev: str | None = None,
    text: str = "text",
    pair: str | None = None,
    label: str = "label",
    several: bool = False,
    epochs: float = 3,
    out: Path = Path("runs/finetuned"),
    skip_bad: Annotated[bool, Parameter(name="--skip-bad")] = False,
    json: AsJson = False,
    overrides: Overrides,
) -> int:
    """Teach an encoder a task from labelled texts.

    Tables are .csv, .tsv, .jsonl or .parquet with named columns. The same line goes
    on where it was stopped. The model lies in the run's model/, as stock
    transformers has it, and what it is worth in evaluation.json.

    Args:
        task: classification or regression.
        model: The encoder's folder: one of ours, or a Hugging Face one.
        train: The table to learn from.
        dev: The table to judge by. Default: a tenth of the first is put aside.
        text: The column of the text.
        pair: The column of a second text, for pairs.
        label: The column of the class or the number.
        several: A text may have several classes, parted by |.
        epochs: Passes over the texts.
        out: The run's folder.
        skip_bad: Pass over bad rows and count them; else the first ends it.

    Examples:
        maskwright finetune classification --model runs/mine/model --train a.csv
        maskwright finetune regression --model m --train a.tsv --label score
        maskwright finetune regression --model m --train a.csv --epochs 5 --json
    """
    from maskwright.config import checked, override
    from maskwright.progress import rich_progress
    from maskwright.tasks.finetune import Recipe, evaluation
    from maskwright.tasks.finetune import finetune as learn
    from maskwright.training.run import keep_memory

    asks = "number" if task == "regression" else "classes" if several else "class"
    data = {"train": train, "dev": dev, "text": text, "pair": pair, "label": label, "asks": asks, "skip_bad": skip_bad}
    given = {"model": model, "epochs": epochs, "data": {key: value for key, value in data.items() if value is not None}}
    recipe = checked(Recipe, override(given, dict(overrides)), "the recipe")
    allocator = "kept" if keep_memory() else "default"
    stopped = learn(recipe, out, allocator=allocator, progress=rich_progress())
    result = {"run": str(out), "finished": not stopped, "model": None if stopped else str(out / "model")}
    show({**result, **({} if stopped else evaluation(out))}, json=json)
    return 128 + stopped if stopped else 0
