"""`maskwright encode`: turn texts into vectors."""

import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from itertools import chain, islice
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from maskwright.cli.results import AsJson, log, numbered, show
from maskwright.errors import BadInput

LINES = 1024  # texts held at a time


def encode(
    model: Path,
    /,
    *texts: str,
    files: Annotated[tuple[Path, ...], Parameter(name="--file", negative=())] = (),
    out: Path | None = None,
    pooling: Literal["mean", "cls", "pooler"] | None = None,
    normalize: Annotated[bool | None, Parameter(negative="--no-normalize")] = None,
    language: str | None = None,
    truncate: bool = False,
    dtype: Literal["auto", "float32", "bfloat16", "int8"] = "auto",
    device: str = "cpu",
    json: AsJson = False,
) -> None:
    """Turn texts into vectors.

    Texts come from the command line, from files or from standard input, one a
    line; an empty line is an empty text. Vectors come out in the same order,
    one JSON object a line on standard output, or into a file: .npy (float32, a
    row a text) or .jsonl. Memory does not grow with the number of texts.

    Args:
        model: A model folder: one of ours, or a Hugging Face one.
        texts: Texts.
        files: A file of texts, UTF-8, one a line; - is standard input. May be given more than once.
        out: Where the vectors go: a .npy or .jsonl file.
        pooling: mean over all tokens, [CLS] and [SEP] included; cls; or pooler.
            Default: as a sentence-transformers folder says, else mean.
        normalize: Scale each vector to length 1. Default: as such a folder says,
            where no pooling is named; else no.
        language: For an XLM, which language the texts are in.
        truncate: Cut texts that are longer than the model's positions.
        dtype: What it computes with. auto: float32; from 256 texts on bfloat16, where the
            machine has it and sample texts show a cosine of 0.999 to float32.
        device: cpu or cuda.

    Examples:
        maskwright encode runs/my-bert/model "a text" "another"
        maskwright encode runs/my-bert/model --file texts.txt --out vectors.npy
        maskwright encode runs/my-bert/model --pooling cls --normalize < texts.txt
    """
    from maskwright.inference.loading import load
    from maskwright.inference.precision import AUTO, faster
    from maskwright.inference.vector_file import check_name, vectors_to
    from maskwright.progress import rich_progress, silent
    from maskwright.training.run import keep_memory

    if texts and files:
        raise BadInput("texts and --file were given: give one of them")
    check_name(out)
    keep_memory()
    encoder = load(model, dtype="float32" if dtype == AUTO else dtype, device=device)
    parts = _parts(texts or _lines(files or (Path("-"),)))
    first = next(parts, [])
    if dtype == AUTO:
        encoder = faster(encoder, model, len(first), device, pooling=pooling)
    if language is not None:
        encoder = encoder.in_language(numbered(language))
    bars = not texts and (out is not None or not sys.stdout.isatty())
    total = 0
    given: dict[str, Any] = {"pooling": pooling, "normalize": normalize}
    said = {name: value for name, value in given.items() if value is not None}
    with ExitStack() as stack:
        write = stack.enter_context(vectors_to(out, encoder.config.hidden_size))
        progress = rich_progress() if bars else silent
        stage = stack.enter_context(progress.stage("encode", total=None, unit="texts"))
        for part in chain([first] if first else [], parts):
            try:
                vectors = encoder.encode(part, truncate=truncate, **said)
            except BadInput as error:
                raise BadInput(_renumbered(str(error), total)) from error
            write(part, vectors)
            total += len(part)
            stage.advance(len(part))
    if out is not None:
        show({"texts": total, "dimensions": encoder.config.hidden_size, "out": str(out)}, json=json)


def _parts(lines: Iterable[str]) -> Iterator[list[str]]:
    """LINES texts at a time."""
    left = iter(lines)
    while part := list(islice(left, LINES)):
        yield part


def _lines(files: Sequence[Path]) -> Iterator[str]:
    """The lines of text files, plain or compressed; "-" is standard input."""
    from maskwright.text.inputs import InputFile, find_inputs, open_input
    from maskwright.text.lines import text_lines

    if list(map(str, files)) == ["-"] and sys.stdin.isatty():
        log("reading texts from standard input, one a line; Ctrl-D ends it")
    stdin = [InputFile("-", None, named=True)]
    for file in stdin if list(map(str, files)) == ["-"] else find_inputs(files):
        for _, line in text_lines(open_input(file), file.name):
            yield line


def _renumbered(message: str, before: int) -> str:
    """A message about one of the texts at hand, with the number it has among all, from 1.

    >>> _renumbered("text 3 has 600 tokens", 1024), _renumbered("the text has 600 tokens", 0)
    ('text 1028 has 600 tokens', 'text 1 has 600 tokens')
    """
    return re.sub(r"^(?:text (\d+)|the text)", lambda found: f"text {before + int(found[1] or 0) + 1}", message)
