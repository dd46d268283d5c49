"""`maskwright export`: a finished model in the forms that others load."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from maskwright.cli.results import AsJson, aligned, show
from maskwright.errors import BadInput

if TYPE_CHECKING:
    from maskwright.inference.graphs.exporting import GraphForm, Wanted


def export(
    model: Path,
    /,
    *,
    out: Annotated[Path, Parameter(name="--out")],
    to: Annotated[Literal["hf", "sentence-transformers", "tf1", "onnx", "openvino"], Parameter(name="--to")] = "hf",
    pooling: Annotated[Literal["mean", "cls", "pooler"] | None, Parameter(name="--pooling")] = None,
    normalize: Annotated[bool | None, Parameter(name="--normalize", negative="--no-normalize")] = None,
    int8: Annotated[bool, Parameter(name="--int8")] = False,
    bound: Annotated[float | None, Parameter(name="--bound")] = None,
    texts: Annotated[Path | None, Parameter(name="--texts")] = None,
    calibrate: Annotated[Path | None, Parameter(name="--calibrate")] = None,
    test: Annotated[str | None, Parameter(name="--test")] = None,
    json: AsJson = False,
) -> None:
    """Write a model in a form that others load.

    hf is a folder for stock transformers, which our own folders are already: it
    leaves out what is ours alone. sentence-transformers adds how token vectors
    become one vector of a text. tf1 is a checkpoint of Google's BERT.

    onnx is one file that onnxruntime computes, with tokenizer, pooling, labels and a
    certificate inside: how near its vectors are to those of the model in float32.
    openvino is a folder with the same for OpenVINO, or that as one file (x.zip).
    maskwright loads all of them again. --int8 tries 8-bit products in several ways,
    keeps the nearest, and writes nothing where all lose more than --bound allows.

    Args:
        model: A model folder, ours or stock.
        out: The new folder; for onnx a file (x.onnx) or a folder, for openvino a
            folder or a file (x.zip).
        to: hf, sentence-transformers, tf1, onnx or openvino.
        pooling: For vectors of texts: mean of the token vectors, cls, or (in graphs)
            pooler. Default: as the folder itself says, else mean.
        normalize: Scale vectors of texts to length 1. Default: as the folder says,
            where no pooling is named; else no.
        int8: For onnx and openvino: matrix products of 8-bit integers.
        bound: For --int8: the worst cosine to float32 that is still written. Default: 0.98.
        texts: For the certificate: a file of texts, one a line. Default: sample texts.
        calibrate: For --int8: a file of texts to find ranges by. Default: sample texts.
        test: For a fine-tuned model: a labelled table, to score it before and after.

    Examples:
        maskwright export runs/my-bert/model --out exported/my-bert
        maskwright export runs/my-bert/model --to sentence-transformers --out st
        maskwright export models/bert --to tf1 --out exported/google-bert
        maskwright export models/minilm --to onnx --int8 --out minilm.onnx
        maskwright export runs/f/model --to openvino --test dev.csv --out ov
        maskwright export models/minilm --to openvino --int8 --out minilm.zip
    """
    if to in ("onnx", "openvino"):
        from maskwright.inference.graphs.exporting import Wanted

        if (calibrate is not None or bound is not None) and not int8:
            raise BadInput("--calibrate and --bound are for 8-bit products: add --int8")
        wanted = Wanted(pooling, normalize, int8, texts=texts, calibrate=calibrate, test=test)
        _graph(model, out, to, wanted if bound is None else wanted._replace(bound=bound), json=json)
        return
    of_graphs = {"--int8": int8, "--bound": bound, "--texts": texts, "--calibrate": calibrate, "--test": test}
    if given := [name for name, value in of_graphs.items() if value is not None and value is not False]:
        raise BadInput(f"{given[0]} goes with --to onnx and --to openvino: {to} is written as it is")
    if pooling == "pooler":
        raise BadInput("pooling pooler: sentence-transformers has mean and cls; --to onnx has pooler too")
    from maskwright.inference.exporting import export_model

    written = export_model(model, out, to, pooling=pooling, normalize=normalize)
    size = sum(file.stat().st_size for file in written.rglob("*") if file.is_file())
    show({"out": str(written), "form": to, "bytes": size}, json=json)


def _graph(model: Path, out: Path, to: "GraphForm", wanted: "Wanted", *, json: bool) -> None:
    from maskwright.inference.graphs.exporting import export_graph
    from maskwright.progress import rich_progress

    written, facts = export_graph(model, out, to, wanted, progress=rich_progress())
    files = [written] if written.is_file() else [file for file in written.rglob("*") if file.is_file()]
    size = sum(file.stat().st_size for file in files)
    result: dict[str, Any] = {"out": str(written), "form": to, "bytes": size}
    result |= {"pooling": facts.pooling, "normalize": facts.normalize, "precision": facts.precision}
    result["certificate"] = facts.certificate
    show(result, json=json, text=lambda: aligned(result))
