"""Writing described tensors as safetensors: a header of JSON, then the numbers, without a gap.

Format: the README of huggingface/safetensors. Numbers go from the file's pages to the other file; only
those that do not lie one after the other are gathered first.
"""

import json
import os
from math import prod
from mmap import mmap

import numpy as np

from maskwright.checkpoints.torch_files.container import PlaceOf
from maskwright.checkpoints.torch_files.inert import TensorView, shown
from maskwright.errors import BadInput

LARGEST_HEADER = 16 * 2**20  # bytes: what our own reader takes
_PIECE = 8 << 20
_CARRIERS = {1: "u1", 2: "u2", 4: "u4", 8: "u8"}  # numbers are moved, never computed with


def written(target: int, tensors: dict[str, TensorView], data: mmap, place_of: PlaceOf, most: int) -> int:
    """Writes `tensors` to the descriptor `target`; returns the bytes written.

    data       the whole file they come from
    place_of   where each storage begins in it
    most       bytes the output may have: tensors may lie over each other, so a small file can describe a huge one

    Raises BadInput for an output above `most`, and for a truth value that is neither 0 nor 1.
    """
    order = sorted(tensors, key=lambda name: (-tensors[name].element.size, name))  # so that all lie aligned
    size = sum(tensor.num_bytes for tensor in tensors.values())
    if size > most:
        raise BadInput(f"its tensors would fill {size:,} bytes, from a file of {len(data):,}: crafted")
    header = _header(order, tensors)
    _write(target, memoryview(header))
    pages = memoryview(data)
    for name in order:
        tensor = tensors[name]
        start = place_of(tensor.key) + tensor.offset * tensor.element.size
        content = _gathered(tensor, data, start)
        if content is None:
            content = pages[start : start + tensor.num_bytes]
        if tensor.element.name == "BOOL" and tensor.num_bytes and int(np.frombuffer(content, "u1").max()) > 1:
            raise BadInput(f"its tensor {shown(name)} has truth values that are neither 0 nor 1: damaged or crafted")
        _write(target, content)
    return len(header) + size


def _header(order: list[str], tensors: dict[str, TensorView]) -> bytes:
    entries: dict[str, object] = {"__metadata__": {"format": "pt"}}
    at = 0
    for name in order:
        tensor = tensors[name]
        end = at + tensor.num_bytes
        entries[name] = {"dtype": tensor.element.name, "shape": tensor.shape, "data_offsets": (at, end)}
        at = end
    text = json.dumps(entries, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    if len(text) > LARGEST_HEADER:
        raise BadInput(f"its names of tensors fill {len(text):,} bytes: more than {LARGEST_HEADER:,} are not read")
    return len(text).to_bytes(8, "little") + text


def _gathered(tensor: TensorView, data: mmap, start: int) -> memoryview | None:
    """The numbers of a tensor that lie apart, one after the other; None if they do so already."""
    if tensor.is_contiguous or not prod(tensor.shape):
        return None
    width = tensor.element.size
    steps = tuple(stride * width for stride in tensor.strides)
    apart = np.ndarray(tensor.shape, _CARRIERS[width], data, start, steps)  # checks the bounds once more
    return np.ascontiguousarray(apart).reshape(-1).view("u1").data


def _write(target: int, content: memoryview) -> None:
    at = 0
    while at < len(content):
        at += os.write(target, content[at : at + _PIECE])
