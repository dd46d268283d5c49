"""`maskwright export`: a finished model in the forms that others load."""

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from maskwright.cli.results import AsJson, show


def export(
    model: Path,
    /,
    *,
    out: Annotated[Path, Parameter(name="--out")],
    to: Annotated[Literal["hf", "sentence-transformers", "tf1"], Parameter(name="--to")] = "hf",
    pooling: Annotated[Literal["mean", "cls"] | None, Parameter(name="--pooling")] = None,
    normalize: Annotated[bool, Parameter(name="--normalize")] = False,
    json: AsJson = False,
) -> None:
    """Write a model in a form that others load.

    hf is a folder for stock transformers, which our own folders are already: it
    leaves out what is ours alone. sentence-transformers adds how token vectors
    become one vector of a text. tf1 is a checkpoint of Google's BERT.

    Args:
        model: A model folder, ours or stock.
        out: The new folder.
        to: hf, sentence-transformers or tf1.
        pooling: For sentence-transformers: mean of the token vectors, or cls.
            Default: as the folder itself says, else mean.
        normalize: For sentence-transformers: scale vectors to length 1.

    Examples:
        maskwright export runs/my-bert/model --out exported/my-bert
        maskwright export runs/my-bert/model --to sentence-transformers --out st
        maskwright export models/bert --to tf1 --out exported/google-bert
    """
    from maskwright.inference.exporting import export_model

    written = export_model(model, out, to, pooling=pooling, normalize=normalize)
    size = sum(file.stat().st_size for file in written.rglob("*") if file.is_file())
    show({"out": str(written), "form": to, "bytes": size}, json=json)
