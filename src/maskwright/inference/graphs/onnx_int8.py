"""Graphs whose matrix products are of 8-bit integers, by onnxruntime's quantizer, in several ways.

    dynamic              weights by output channel; the range of activations is found while it runs
    dynamic, equalised   the same of a network whose channels were brought to like ranges (`layers.equalised`)
    static, equalised    the ranges of activations come from calibration texts, so that nothing is searched for

Tables of embeddings become 8 bits too, which costs nothing and makes the file a quarter as large. What judges a whole
sequence stays in float32.
"""

import logging
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from maskwright.inference.graphs.forms import LAYERS, Inputs

if TYPE_CHECKING:
    import onnx

PRODUCTS = ["MatMul", "Gemm"]
TABLES = ["Gather"]


def dynamic(model: "onnx.ModelProto") -> "onnx.ModelProto":
    """A graph in float32 -> int8, activations as they come."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    with _written(model) as (source, out):
        quantize_dynamic(
            source, out, op_types_to_quantize=PRODUCTS + TABLES, per_channel=True, weight_type=QuantType.QInt8,
            nodes_to_exclude=_others(model), extra_options={"MatMulConstBOnly": True},
        )  # fmt: skip
        return _read(out)


def static(model: "onnx.ModelProto", batches: Sequence[Inputs]) -> "onnx.ModelProto":
    """The same with ranges from these batches."""
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    class Batches(CalibrationDataReader):
        """One after another."""

        def __init__(self) -> None:
            self._left = iter(batches)

        def get_next(self) -> Any:
            """None behind the last."""
            given = next(self._left, None)
            return None if given is None else dict(given)

    with _written(model) as (source, out):
        quantize_static(
            source, out, Batches(), quant_format=QuantFormat.QDQ, op_types_to_quantize=PRODUCTS + TABLES,
            per_channel=True, weight_type=QuantType.QInt8, activation_type=QuantType.QUInt8,
            nodes_to_exclude=_others(model), extra_options={"MatMulConstBOnly": True},
        )  # fmt: skip
        return _read(out)


def _others(model: "onnx.ModelProto") -> list[str]:
    """Products that stay as they are: all but those of layers' weights."""
    return [node.name for node in model.graph.node if node.op_type in PRODUCTS and not _of_layers(node.input)]


def _of_layers(inputs: Sequence[str]) -> bool:
    return any(LAYERS in name for name in inputs)


def _read(path: Path) -> "onnx.ModelProto":
    import onnx

    return onnx.load(str(path))


@contextmanager
def _written(model: "onnx.ModelProto") -> Generator[tuple[Path, Path]]:
    """The graph in a file, as the quantizer wants it, and where its own goes; its advice is not for our users."""
    import onnx

    root, advice = logging.getLogger(), logging.Filter("maskwright")
    root.addFilter(advice)
    try:
        with TemporaryDirectory(prefix="maskwright-int8-") as folder:
            source = Path(folder) / "float32.onnx"
            onnx.save(model, str(source))
            yield source, Path(folder) / "int8.onnx"
    finally:
        root.removeFilter(advice)
