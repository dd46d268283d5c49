"""`maskwright evaluate`: what a fine-tuned model is worth, where it fails, and how sure that is."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from maskwright.cli.results import AsJson, log, show
from maskwright.errors import BadInput

if TYPE_CHECKING:
    from maskwright.checkpoints.task_part import TaskPart
    from maskwright.tasks.evaluation.asked import Asked
    from maskwright.tasks.reading.faults import Faults

SHORTEST = 3
"""Tokens of a text, as in training."""


def evaluate(
    model: Path,
    task: str | None = None,
    /,
    *,
    test: str | None = None,
    data: Annotated[str | None, Parameter(name="--data")] = None,
    split: str = "dev",
    text: str | None = None,
    pair: str | None = None,
    label: str | None = None,
    by: tuple[str, ...] = (),
    against: Path | None = None,
    worst: int = 10,
    max_length: Annotated[int | None, Parameter(name="--max-length")] = None,
    page: Path | None = None,
    skip_bad: Annotated[bool, Parameter(name="--skip-bad")] = False,
    json: AsJson = False,
) -> None:
    """Judge a fine-tuned model by examples of which one knows what is right.

    All measures, the chief one with the interval in which it lies for 95 % of
    resamples of the examples; tables by class or type, what is taken for what,
    whether its probabilities can be believed, the worst answers, and slices by length
    or by a column of the table.

    Args:
        model: A fine-tuned model's folder: one of ours, a Hugging Face one, or one of
            sentence-transformers, which is judged by pairs.
        task: A data set: glue:sst2, clue:tnews, conll:2003 ... Else give --test.
        test: A table to judge by: .csv, .tsv, .jsonl or .parquet.
        data: The folder with the files of a data set.
        split: Which of its splits.
        text: The column of the text. Default: text; of tagged words, words; where texts
            are to be found by others, first.
        pair: The column of a second text, for pairs. Default: none; where it is to be
            found by the first, second.
        label: The column of what is right. Default: label; of tagged words, tags; of
            pairs none: the second text is to be found. With one, how near they are.
        by: A column to slice by. May be given several times.
        against: Another model, to be compared with on the same examples.
        worst: How many of the worst answers to show.
        max_length: Tokens of a text. Default: as in the run whose model it is; else
            512, or the model's positions where these are fewer.
        page: Where to write all of it as a page that opens offline.
        skip_bad: Pass over bad rows and count them; else the first ends it.

    Examples:
        maskwright evaluate runs/finetuned/model --test test.csv --by source
        maskwright evaluate m glue:sst2 --data SST-2 --page evaluation.html
        maskwright evaluate m glue:mnli --data MNLI --split dev_mismatched
        maskwright evaluate a/model --test test.csv --against b/model
        maskwright evaluate minilm --test asked.csv --text question --pair answer
    """
    from maskwright.inference.fine_tuned import length_of, load_judged
    from maskwright.progress import rich_progress
    from maskwright.tasks.answering import Watched
    from maskwright.tasks.evaluation.asked import tokens_of
    from maskwright.tasks.evaluation.judging import chief_of, refuse_unjudgeable, result
    from maskwright.tasks.reading.faults import Faults

    _refuse(task, test, data, text, pair, label, worst, max_length)
    folders = [model, *([against] if against else [])]
    models = [load_judged(folder, scored=label is not None) for folder in folders]
    part = models[0][1].part
    if against and (models[1][1].part.asks, set(models[1][1].part.labels)) != (part.asks, set(part.labels)):
        raise BadInput(f"--against {against} answers {_told(models[1][1].part)}, and {model} {_told(part)}")
    faults = Faults(skip_bad)
    asked = _asked(part, faults, task, test, data, split, text, pair, label, by)
    refuse_unjudgeable(asked.examples, part)
    if said := faults.described():
        log(said)
    progress = rich_progress()
    encoded = [
        encoder.examples(asked.examples, length=max_length or length_of(folder, encoder.config))
        for folder, (encoder, _) in zip(folders, models, strict=True)
    ]
    answers: list[list[Any]] = []
    for each, (_, its) in zip(encoded, models, strict=True):
        with progress.stage("answer", total=int(each.sequences.sizes.sum()), unit="sequences") as stage:
            answers.append(each.answers(Watched(its.model, stage)))
    found = result(
        encoded[0],
        answers[0],
        chief_of(part, task),
        lengths=tokens_of(encoded[0]),
        columns=asked.columns,
        other=answers[1] if against else None,
        worst=worst,
    )
    of = {"model": str(model), "data": f"{task} {split}" if task else str(test)}
    found = {**of, **({"other_model": str(against)} if against else {}), **found}
    if page:
        from maskwright.report.evaluation import evaluation_page

        evaluation_page(found).write(page)
        log(f"{page} shows all of it")

    def tables() -> str:
        from maskwright.cli.evaluation_tables import evaluation_tables

        return evaluation_tables(found)

    show(found, json=json, text=tables)


def _refuse(task: str | None, test: str | None, data: str | None, *rest: Any) -> None:
    """BadInput for options that do not go together."""
    *columns, worst, max_length = rest
    if (task is None) == (test is None):
        raise BadInput("judge by what? give a data set (glue:sst2) with --data FOLDER, or a table with --test FILE")
    if task is not None and data is None:
        raise BadInput(f"where are the files of {task}? give their folder by --data")
    if task is None and data is not None:
        raise BadInput(f"--data names the folder of a published data set, and {test} is a table: leave it off")
    if task is not None and any(columns):
        raise BadInput(f"--text, --pair and --label are columns of one's own tables: {task} has its own")
    if worst < 0:
        raise BadInput(f"--worst {worst}: choose 0 or more")
    if max_length is not None and max_length < SHORTEST:
        raise BadInput(f"--max-length {max_length}: choose {SHORTEST} or more")


def _asked(
    part: "TaskPart",
    faults: "Faults",
    task: str | None,
    test: str | None,
    data: str | None,
    split: str,
    text: str | None,
    pair: str | None,
    label: str | None,
    by: tuple[str, ...],
) -> "Asked":
    from maskwright.tasks.evaluation.asked import from_suite, from_table

    if task is not None:
        return from_suite(task, data or "", split, part, faults, by=by)
    return from_table(test or "", part, faults, text=text, pair=pair, label=label, by=by)


def _told(part: "TaskPart") -> str:
    return f"{part.asks} of {', '.join(part.labels[:8])}{' ...' if len(part.labels) > 8 else ''}"
