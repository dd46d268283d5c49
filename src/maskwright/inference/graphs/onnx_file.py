"""A module as ONNX, by PyTorch's own exporter, with what is to be known of it inside the file."""

import logging
import warnings
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from maskwright.durable import check_space, staged_file
from maskwright.errors import BadInput
from maskwright.inference.graphs.network import Exported

if TYPE_CHECKING:
    import onnx

LARGEST = 2**31 - 2**24
"""Bytes of one ONNX file: it is one protocol buffer, of which readers take less than 2 GiB."""
NOISY = ("torch.onnx", "torch.onnx._internal.exporter._registration", "onnxscript", "onnx_ir")
"""Loggers that tell of torchvision and of shapes."""


def onnx_of(module: Exported, inputs: Sequence[str]) -> "onnx.ModelProto":
    """The graph of a module for any number of texts of any length, in float32.

    BadInput for one that is too large for a file.
    """
    size = sum(4 * parameter.numel() for parameter in module.parameters())
    if size > LARGEST:
        raise BadInput(f"{size / 2**30:.1f} GiB of float32 are more than an ONNX graph holds, 2 GiB: export it as hf")
    example = tuple(torch.ones(2, 5, dtype=torch.int64) for _ in inputs)
    shapes = tuple({0: torch.export.Dim("texts", min=1), 1: torch.export.Dim("tokens", min=1)} for _ in inputs)
    with torch.no_grad(), _quiet():
        program = torch.onnx.export(
            module,
            example,
            input_names=list(inputs),
            output_names=list(module.outputs),
            dynamic_shapes=shapes,
            dynamo=True,
            verbose=False,
        )
    assert program is not None
    made: Any = program.model_proto
    _forget_where(made)
    return made


def write_onnx(model: "onnx.ModelProto", path: Path, metadata: Mapping[str, str]) -> Path:
    """Durably, with the metadata in place of what was there; returns the path."""
    del model.metadata_props[:]
    for key, value in metadata.items():
        model.metadata_props.add(key=key, value=value)
    model.producer_name = "maskwright"
    content = model.SerializeToString(deterministic=True)
    check_space(path.parent, len(content))
    with staged_file(path) as file:
        file.write(content)
    return path


def _forget_where(model: "onnx.ModelProto") -> None:
    """Leave out which lines of Python each operation came from: they hold paths of the machine it was made on."""
    graphs = [model.graph, *model.functions]
    for graph in graphs:
        del graph.metadata_props[:]
        graph.doc_string = ""
        for node in graph.node:
            del node.metadata_props[:]
            node.doc_string = ""
    for value in [*model.graph.value_info, *model.graph.input, *model.graph.output]:
        del value.metadata_props[:]
        value.doc_string = ""
    for weight in model.graph.initializer:
        del weight.metadata_props[:]
        weight.doc_string = ""


@contextmanager
def _quiet() -> Generator[None]:
    """The exporter's remarks are for its makers."""
    loggers = [logging.getLogger(name) for name in NOISY]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
