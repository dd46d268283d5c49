"""A graph as OpenVINO's own files, in a folder with the tokenizer and what is to be known of it."""

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from maskwright.config import plain
from maskwright.durable import staged_folder
from maskwright.inference.graphs.facts import GraphFacts
from maskwright.inference.graphs.loading import FACTS, OPENVINO
from maskwright.tokenizers.tokenizer import Tokenizer

if TYPE_CHECKING:
    import onnx


def converted(model: "onnx.ModelProto", path: Path) -> Path:
    """An ONNX graph as `path`, an .xml with its .bin beside it, by OpenVINO's converter; weights as they are."""
    import onnx
    import openvino  # pyright: ignore[reportMissingImports] - an extra

    library: Any = openvino
    with TemporaryDirectory(prefix="maskwright-openvino-") as folder:
        source = Path(folder) / "model.onnx"
        onnx.save(model, str(source))
        library.save_model(library.convert_model(str(source)), str(path), compress_to_fp16=False)
    return path


def write_openvino(model: "onnx.ModelProto", out: Path, facts: GraphFacts, tokenizer: Tokenizer) -> Path:
    """The folder, durably; returns it."""
    with staged_folder(out) as folder:
        converted(model, folder / OPENVINO)
        (folder / FACTS).write_text(json.dumps(plain(facts), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        tokenizer.save_into(folder)
    return out
