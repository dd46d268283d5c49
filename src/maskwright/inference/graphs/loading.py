"""Graph files and folders from disk."""

from pathlib import Path

from maskwright.errors import BadInput
from maskwright.inference.graphs.encoder import GraphEncoder
from maskwright.inference.graphs.facts import TOKENIZER_FILES, facts_of, fitting, tokenizer_of, unpacked
from maskwright.inference.graphs.one_file import ZIP, read_zip
from maskwright.inference.graphs.runtimes import OnnxRuntime, OpenVino
from maskwright.tokenizers.loading import load_tokenizer

ONNX, OPENVINO, WEIGHTS = "model.onnx", "model.xml", "model.bin"
"""What the file is called in a folder, and OpenVINO's second one."""
FACTS = "maskwright.json"
"""Beside an OpenVINO graph: what an ONNX file holds inside."""


def graph_at(path: str | Path) -> Path | None:
    """The graph file at a path, which is the file or its folder; None where there is none.

    A folder with a config.json is a model's, whatever lies beside it.
    """
    path = Path(path)
    if path.suffix in (".onnx", ".xml", ZIP) and not path.is_dir():
        return path
    if (path / "config.json").is_file():
        return None
    return next((path / name for name in (ONNX, OPENVINO) if (path / name).is_file()), None)


def load_graph(file: Path, *, dtype: str = "float32", device: str = "cpu") -> GraphEncoder:
    """The model in a graph file. BadInput in one line for what is none of ours."""
    if not file.is_file():
        raise BadInput(f"{file} is not there: name the file that `maskwright export` wrote, or its folder")
    if device != "cpu":
        raise BadInput(f"device {device!r}: exported graphs run on the cpu here; load the model's folder for {device}")
    if file.suffix == ".onnx":
        if dtype != "float32":
            raise BadInput(f"dtype {dtype}: {file} computes with the numbers it was exported with: leave it out")
        runtime = OnnxRuntime(file)
        facts, tokenizer = unpacked(runtime.metadata, file)
        return GraphEncoder(runtime, facts, tokenizer, where=str(file))
    if dtype not in ("float32", "bfloat16"):
        raise BadInput(f"dtype {dtype!r}: there are float32, bfloat16")
    if file.suffix == ZIP:
        return _openvino_file(file, dtype)
    beside = file.with_name(FACTS)
    if not beside.is_file():
        raise BadInput(f"{beside} is missing, which says how {file.name} reads texts: export it anew")
    facts = facts_of(beside.read_text(encoding="utf-8"), beside)
    tokenizer = fitting(load_tokenizer(file.parent), facts, file)
    return GraphEncoder(OpenVino(file, dtype=dtype), facts, tokenizer, where=str(file))


def _openvino_file(file: Path, dtype: str) -> GraphEncoder:
    files = read_zip(file)
    needed = (OPENVINO, WEIGHTS, FACTS, TOKENIZER_FILES[0])
    if missing := [name for name in needed if name not in files]:
        raise BadInput(f"{file} has no {missing[0]} in it: name a .zip that `maskwright export --to openvino` wrote")
    texts = {name: files[name].decode("utf-8", "replace") for name in (FACTS, *TOKENIZER_FILES) if name in files}
    facts = facts_of(texts[FACTS], file)
    tokenizer = tokenizer_of(texts, facts, file)
    runtime = OpenVino((files[OPENVINO], files[WEIGHTS]), dtype=dtype, where=str(file))
    return GraphEncoder(runtime, facts, tokenizer, where=str(file))
