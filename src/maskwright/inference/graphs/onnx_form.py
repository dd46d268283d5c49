"""Graphs for onnxruntime: one file with everything in it, or a folder with the tokenizer's files beside it."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from maskwright.durable import staged_folder
from maskwright.inference.graphs import onnx_int8
from maskwright.inference.graphs.facts import GraphFacts, packed
from maskwright.inference.graphs.forms import Calibration
from maskwright.inference.graphs.loading import ONNX
from maskwright.inference.graphs.onnx_file import write_onnx
from maskwright.inference.graphs.runtimes import OnnxRuntime
from maskwright.tokenizers.tokenizer import Tokenizer

if TYPE_CHECKING:
    import onnx


class OnnxForm:
    """See `forms.Form`."""

    ways: Sequence[str] = ("dynamic", "dynamic, equalised", "static, equalised")

    def graph(self, model: "onnx.ModelProto") -> "onnx.ModelProto":
        """Itself."""
        return model

    def int8(self, model: "onnx.ModelProto", way: str, calibration: Calibration) -> "onnx.ModelProto":
        """See `onnx_int8`."""
        if way == "dynamic":
            return onnx_int8.dynamic(model)
        even = calibration.equalised()
        return onnx_int8.dynamic(even) if way == "dynamic, equalised" else onnx_int8.static(even, calibration.batches())

    def runtime(self, graph: "onnx.ModelProto") -> OnnxRuntime:
        """onnxruntime."""
        return OnnxRuntime(graph.SerializeToString())

    def write(self, graph: "onnx.ModelProto", out: Path, facts: GraphFacts, tokenizer: Tokenizer) -> None:
        """A file where `out` is called .onnx, else a folder."""
        metadata = packed(facts, tokenizer)
        if out.suffix == ".onnx":
            write_onnx(graph, out, metadata)
            return
        with staged_folder(out) as folder:
            write_onnx(graph, folder / ONNX, metadata)
            tokenizer.save_into(folder)
