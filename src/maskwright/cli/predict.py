"""`maskwright predict`: what a fine-tuned model says of texts."""

import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from maskwright.cli.results import log, show
from maskwright.errors import BadInput

if TYPE_CHECKING:
    from maskwright.inference.loading import Loaded
    from maskwright.tasks.answering import Task
    from maskwright.tasks.predicting.rows import Asked
    from maskwright.tasks.reading.faults import Faults


def predict(
    model: Path,
    /,
    *texts: str,
    in_: Annotated[str | None, Parameter(name="--in")] = None,
    out: Path | None = None,
    text: str | None = None,
    pair: str | None = None,
    shares: bool = False,
    truncate: bool = False,
    skip_bad: Annotated[bool, Parameter(name="--skip-bad")] = False,
    data: Annotated[str | None, Parameter(name="--data")] = None,
    submission: Path | None = None,
    dtype: Literal["auto", "float32", "bfloat16", "int8"] = "auto",
) -> None:
    r"""Say what a fine-tuned model predicts for texts.

    A line of JSON for each text, in their order; a model that tags words takes them
    parted by spaces, and Chinese character by character; one that segments Chinese
    gives words. Without a text, each line of standard input is one, or a pair with a
    tab between; memory does not grow with their number. A model that answers questions
    takes a question, a tab and its context; one that chooses, a text and its options.

    --in reads a table and gives its rows with a column prediction more. --out writes
    in the format of its name. --submission writes what GLUE's or CLUE's site takes,
    for the test files of a data set.

    Args:
        model: A fine-tuned model's folder: one of ours, or a Hugging Face one.
        texts: The texts; with --submission the name of a data set: glue:mnli.
        in_: A table (.csv, .tsv, .jsonl, .parquet), or texts one a line (.txt).
        out: A file that is not there yet: .csv, .tsv, .jsonl, .parquet or .txt.
        text: The column of the text. Default: as `finetune` calls it.
        pair: The column of a second text, of contexts, or of options.
        shares: Add the probability of each class to the rows.
        truncate: Cut texts that are longer than the model's positions.
        skip_bad: Leave bad rows out and name them; else the first ends it.
        data: The folder with the files of a data set.
        submission: A folder for the files to hand in.
        dtype: What it computes with. auto: float32; for tables of 256 rows and more
            bfloat16, where the machine has it and sample texts are answered alike.

    Examples:
        maskwright predict runs/finetuned/model "A fine film."
        maskwright predict runs/finetuned/model < texts.txt > predictions.jsonl
        maskwright predict runs/finetuned/model --in new.csv --out told.csv --shares
        printf 'Who sat?\tThe cat sat.\n' | maskwright predict runs/squad/model
        maskwright predict m glue:mnli --data MNLI --submission to-hand-in
    """
    from maskwright.inference.fine_tuned import load_fine_tuned
    from maskwright.inference.precision import AUTO
    from maskwright.tasks.predicting.tables import refuse_output

    if submission is not None:
        _submit(model, texts, data, submission)
        return
    if data:
        raise BadInput("--data goes with --submission: give rows to predict for by --in FILE")
    if texts and in_:
        raise BadInput("texts and --in were given: give one of them")
    if (text or pair or skip_bad) and not in_:
        raise BadInput("--text, --pair and --skip-bad are for the rows of a table: name one by --in FILE")
    if out is not None:
        refuse_output(out)
    auto = dtype == AUTO
    encoder, task = load_fine_tuned(model, "float32" if auto else dtype)
    if in_ is None and out is None:
        _tell(encoder, task, texts, truncate=truncate)
    else:
        of = model if auto else None
        _write(encoder, task, of, texts, in_, out, text, pair, shares=shares, truncate=truncate, skip_bad=skip_bad)


def _tell(encoder: "Loaded", task: "Task", texts: tuple[str, ...], *, truncate: bool) -> None:
    """A line of JSON on stdout for each text."""
    from maskwright.progress import rich_progress, silent
    from maskwright.tasks.predicting.rows import lines_of
    from maskwright.tasks.predicting.stream import as_line, predicted
    from maskwright.tasks.predicting.tables import json_line
    from maskwright.tasks.reading.faults import Faults

    asked = lines_of(_lines(texts), task.part, Faults())
    found = predicted(asked, encoder.examples, task.model, shares=True, truncate=truncate, nested=True)
    progress = silent if texts or sys.stdout.isatty() else rich_progress()
    with progress.stage("predict", unit="rows") as stage:
        for rows in found:
            sys.stdout.write("".join(json_line(as_line(row, task.part)) for row in rows))
            stage.advance(len(rows))


def _write(
    encoder: "Loaded",
    task: "Task",
    model: Path | None,
    texts: tuple[str, ...],
    in_: str | None,
    out: Path | None,
    text: str | None,
    pair: str | None,
    *,
    shares: bool,
    truncate: bool,
    skip_bad: bool,
) -> None:
    """Rows with their predictions, to a file or as JSON to stdout.

    model   its folder, where for many rows it may be loaded anew in numbers of another kind
    """
    from maskwright.inference.precision import faster
    from maskwright.progress import rich_progress, silent
    from maskwright.tasks.predicting.rows import lines_of, rows_of
    from maskwright.tasks.predicting.stream import PREDICTION, predicted
    from maskwright.tasks.predicting.tables import json_line, schema_of, written
    from maskwright.tasks.reading.faults import Faults

    total, faults = None, Faults(skip_bad)
    if in_ is not None:
        total = sum(1 for _ in rows_of(in_, task.part, faults, text=text, pair=pair))  # bad rows end it here, at once
        _name(faults)
        if not total:
            raise BadInput(f"{in_} has no row to predict for")
        if model is not None:
            encoder = faster(encoder, model, total, answers=True)
            task = encoder.task or task
        asked: Iterator[Asked] = rows_of(in_, task.part, Faults(skip=True), text=text, pair=pair)
    else:
        asked = lines_of(_lines(texts), task.part, faults)
    nested = out is None or out.suffix == ".jsonl"
    progress = silent if out is None and sys.stdout.isatty() else rich_progress()
    found = predicted(asked, encoder.examples, task.model, shares=shares, truncate=truncate, nested=nested)
    with ExitStack() as stack:
        stage = stack.enter_context(progress.stage("predict", total=total, unit="rows"))
        table = None if out is None else stack.enter_context(written(out, PREDICTION, schema_of(in_)))
        for rows in found:
            if table is None:
                sys.stdout.write("".join(map(json_line, rows)))
            else:
                table.write(rows)
            stage.advance(len(rows))


def _lines(texts: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """The texts given, or the lines of standard input, each with where it stands."""
    if not texts and sys.stdin.isatty():
        log("reading texts from standard input, one a line; Ctrl-D ends it")
    lines: Iterable[str] = texts or (line.rstrip("\r\n") for line in sys.stdin)
    name = "text" if texts else "line"
    for number, line in enumerate(lines, 1):
        yield f"{name} {number}", line


def _name(faults: "Faults") -> None:
    """A line about the rows that are left out."""
    from maskwright.tasks.predicting.rows import described

    if said := described(faults):
        log(said)


def _submit(model: Path, names: tuple[str, ...], data: str | None, folder: Path) -> None:
    """The files to hand in, of those test files that are there."""
    from maskwright.durable import write_file
    from maskwright.inference.fine_tuned import load_fine_tuned
    from maskwright.progress import rich_progress
    from maskwright.tasks.answering import Watched
    from maskwright.tasks.evaluation.asked import refuse_other_shape
    from maskwright.tasks.reading.faults import Faults
    from maskwright.tasks.submissions import content, file_name, refuse_other_labels, submissions
    from maskwright.tasks.suites import read_split, split_path, splits_there

    if len(names) != 1 or data is None:
        raise BadInput("--submission needs one data set and its folder: predict MODEL glue:mnli --data MNLI ...")
    (name,) = names
    wanted = submissions(name)
    there = set(splits_there(name, data))
    found = {one: split_path(name, data, one.split) for one in wanted if one.split in there}
    if not found:
        split_path(name, data, wanted[0].split)  # says what is missing
    encoder, task = load_fine_tuned(model)
    refuse_other_shape(name, task.part)
    refuse_other_labels(name, task.part)
    progress, written = rich_progress(), list[str]()
    for one, test in found.items():
        out = folder / file_name(one, test)
        if out.exists():
            raise BadInput(f"{out} exists already: choose another folder or remove it")
        faults = Faults()
        examples = list(read_split(name, data, one.split, faults))
        if said := faults.described():
            log(f"{test}: {said}")
        encoded = encoder.examples(examples)
        if encoded.cut:
            log(f"{test}: {encoded.cut:,} of {len(examples):,} texts are longer than the model reads, and were cut")
        with progress.stage("predict", total=int(encoded.sequences.sizes.sum()), unit="sequences") as stage:
            answers = encoded.answers(Watched(task.model, stage))
        folder.mkdir(parents=True, exist_ok=True)
        write_file(out, content(name, examples, answers))
        written.append(str(out))
    for one in wanted:
        if one not in found:
            log(f"{one.split} is not there, so nothing is handed in for it: {one.name} is missing")
    show({"written": written, "missing": [one.name for one in wanted if one not in found]})
