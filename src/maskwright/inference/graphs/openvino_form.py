"""Graphs for OpenVINO: its own two files in a folder with the tokenizer and what is to be known, or that as one .zip.

    dynamic   8-bit weights, a scale and a zero for each output; on processors with VNNI products are of 8-bit integers,
              ranges of activations found while it runs, for 32 channels each
    static    the same with ranges from calibration texts, channels evened before (SmoothQuant); some 1.4 times as fast

Both by NNCF, OpenVINO's own quantizer.
"""

import io
import json
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from maskwright.config import plain
from maskwright.durable import staged_folder
from maskwright.inference.graphs.facts import GraphFacts
from maskwright.inference.graphs.forms import LAYERS, Calibration
from maskwright.inference.graphs.loading import FACTS, OPENVINO
from maskwright.inference.graphs.one_file import ZIP, write_zip
from maskwright.inference.graphs.openvino_library import openvino, quantizer
from maskwright.inference.graphs.runtimes import OpenVino
from maskwright.tokenizers.tokenizer import Tokenizer

if TYPE_CHECKING:
    import onnx


class OpenVinoForm:
    """See `forms.Form`. A graph is an `openvino.Model`."""

    ways: Sequence[str] = ("dynamic", "static")

    def graph(self, model: "onnx.ModelProto") -> Any:
        """By OpenVINO's converter, weights as they are."""
        return openvino().convert_model(io.BytesIO(model.SerializeToString()))

    def int8(self, model: "onnx.ModelProto", way: str, calibration: Calibration) -> Any:
        """By NNCF."""
        graph = self.graph(model)
        batches = [dict(batch) for batch in calibration.batches()] if way == "static" else []
        with quantizer() as nncf:
            left = nncf.IgnoredScope(names=_others(graph))
            if way == "dynamic":
                return nncf.compress_weights(graph, mode=nncf.CompressWeightsMode.INT8_ASYM, ignored_scope=left)
            return nncf.quantize(
                graph, nncf.Dataset(batches), model_type=nncf.ModelType.TRANSFORMER, ignored_scope=left,
                subset_size=max(1, len(batches)),
            )  # fmt: skip

    def runtime(self, graph: Any) -> OpenVino:
        """OpenVINO, in float32 where it is not of integers."""
        return OpenVino(graph)

    def write(self, graph: Any, out: Path, facts: GraphFacts, tokenizer: Tokenizer) -> None:
        """One file where `out` is called .zip, else a folder."""
        if out.suffix == ZIP:
            with TemporaryDirectory(prefix="maskwright-openvino-", dir=out.absolute().parent) as folder:
                _fill(Path(folder), graph, facts, tokenizer)
                write_zip(Path(folder), out)
            return
        with staged_folder(out) as folder:
            _fill(folder, graph, facts, tokenizer)


def _fill(folder: Path, graph: Any, facts: GraphFacts, tokenizer: Tokenizer) -> None:
    openvino().save_model(graph, str(folder / OPENVINO), compress_to_fp16=False)
    (folder / FACTS).write_text(json.dumps(plain(facts), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    tokenizer.save_into(folder)


def _others(graph: Any) -> list[str]:
    """Products that stay as they are: all but those of layers' weights."""
    names: list[str] = []
    for operation in graph.get_ops():
        if operation.get_type_name() == "MatMul":
            weight = operation.input_value(1).get_node()
            while weight.get_input_size() == 1:  # a cast or so
                weight = weight.input_value(0).get_node()
            if LAYERS not in weight.get_friendly_name():
                names.append(operation.get_friendly_name())
    return names
