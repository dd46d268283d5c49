"""What a form of graphs brings to an export: how it is made of an ONNX graph, made small, computed and written."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from maskwright.inference.graphs.facts import GraphFacts
from maskwright.inference.graphs.runtimes import Runtime
from maskwright.tokenizers.tokenizer import Tokenizer

if TYPE_CHECKING:
    import onnx

Inputs = Mapping[str, npt.NDArray[np.int64]]
LAYERS = ".layers."
"""In the names of the weights that become int8: what judges a whole sequence (poolers, heads) is few products."""


class Calibration(Protocol):
    """What int8 may ask for: it costs time, and not every way needs it."""

    def equalised(self) -> "onnx.ModelProto":
        """The graph of a network whose channels were brought to like ranges (`layers.equalised`)."""
        ...

    def batches(self) -> Sequence[Inputs]:
        """Calibration texts as the graph takes them."""
        ...


class Form(Protocol):
    """onnx or openvino. A graph of its own kind is opaque to everyone else."""

    ways: Sequence[str]
    """To int8, all of which are tried."""

    def graph(self, model: "onnx.ModelProto") -> Any:
        """An ONNX graph in float32 as one of its own."""
        ...

    def int8(self, model: "onnx.ModelProto", way: str, calibration: Calibration) -> Any:
        """An ONNX graph in float32 as one of its own whose products are of 8-bit integers."""
        ...

    def runtime(self, graph: Any) -> Runtime:
        """What computes it."""
        ...

    def write(self, graph: Any, out: Path, facts: GraphFacts, tokenizer: Tokenizer) -> None:
        """As a file or a folder, by its name, durably, with tokenizer and facts."""
        ...
