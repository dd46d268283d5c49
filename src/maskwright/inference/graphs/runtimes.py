"""What computes graphs: onnxruntime and OpenVINO, on processors, with as many threads as torch has."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np
import numpy.typing as npt
import torch

from maskwright.errors import BadInput
from maskwright.inference.graphs.openvino_library import openvino

Arrays = npt.NDArray[Any]
Integers = npt.NDArray[np.int64]


class Runtime(Protocol):
    """A graph that is ready to be computed."""

    name: str
    """What computes it, and its version."""

    def run(self, inputs: Mapping[str, Integers], outputs: Sequence[str]) -> list[Arrays]:
        """The named outputs, in that order."""
        ...


class OnnxRuntime:
    """An ONNX file by onnxruntime."""

    def __init__(self, model: Path | bytes) -> None:
        """model   a file, or its content; BadInput for what is no graph"""
        import onnxruntime

        self.name = f"onnxruntime {onnxruntime.__version__}"
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        given = str(model) if isinstance(model, Path) else model
        try:
            self._session: Any = onnxruntime.InferenceSession(given, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # noqa: BLE001 - its errors share no class but Exception
            where = model if isinstance(model, Path) else "the graph"
            raise BadInput(f"{where} is no graph that onnxruntime loads: {str(error).splitlines()[0]:.200}") from None

    @property
    def metadata(self) -> dict[str, str]:
        """What the file says of itself."""
        return dict(self._session.get_modelmeta().custom_metadata_map)

    def run(self, inputs: Mapping[str, Integers], outputs: Sequence[str]) -> list[Arrays]:
        """See `Runtime.run`."""
        return self._session.run(list(outputs), dict(inputs))


class OpenVino:
    """A model of OpenVINO: an .xml with its .bin, the content of both, or one that is in memory."""

    def __init__(self, model: Any, *, dtype: str = "float32", where: str = "the graph") -> None:
        """model   a path, (xml, bin) as bytes, or an `openvino.Model`
        dtype   what it computes with; where nothing is said OpenVINO itself takes bf16 on processors that have it
        where   for errors: the name of what the bytes are from
        """
        library = openvino()
        self.name = f"openvino {library.__version__}"
        settings = {
            "INFERENCE_PRECISION_HINT": {"float32": "f32", "bfloat16": "bf16"}[dtype],
            "INFERENCE_NUM_THREADS": torch.get_num_threads(),
        }
        core: Any = library.Core()
        try:
            if isinstance(model, tuple):
                graph, weights = cast("tuple[bytes, bytes]", model)
                model = core.read_model(graph, library.Tensor(np.frombuffer(weights, np.uint8)))
            self._compiled: Any = core.compile_model(str(model) if isinstance(model, Path) else model, "CPU", settings)
        except RuntimeError as error:
            name = model if isinstance(model, Path) else where
            raise BadInput(f"{name} is no graph that OpenVINO loads: {str(error).splitlines()[-1]:.200}") from None
        self._request: Any = self._compiled.create_infer_request()

    def run(self, inputs: Mapping[str, Integers], outputs: Sequence[str]) -> list[Arrays]:
        """See `Runtime.run`."""
        found = self._request.infer(dict(inputs))
        return [np.array(found[name]) for name in outputs]
