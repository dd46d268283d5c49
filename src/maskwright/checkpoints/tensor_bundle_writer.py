"""A TensorFlow checkpoint, written without TensorFlow: byte for byte what its own `SaveV2` writes.

See `tensor_bundle` for the format. The values come first and the index last, each file whole and durable: so
what has no index is no checkpoint.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

import numpy as np

from maskwright.checkpoints.crc32c import crc32c, masked
from maskwright.checkpoints.protobuf import bytes_field, fixed32_field, number_field
from maskwright.checkpoints.table_file import LONGEST_KEY, TableWriter
from maskwright.checkpoints.tensor_bundle import DTYPES, INDEX, VERSION, Array, data_file
from maskwright.durable import staged_file
from maskwright.errors import BadInput

_NUMBERS = {name: number for number, name in DTYPES.items() if name != "bfloat16"}


def write_bundle(prefix: str | Path, tensors: Mapping[str, Array]) -> None:
    """Write `tensors` as PREFIX.index and PREFIX.data-00000-of-00001, in a folder that is there.

    Raises BadInput for a checkpoint that exists already, a name that is none, a type that the format lacks.
    """
    prefix = Path(prefix)
    index = prefix.with_name(prefix.name + INDEX)
    if os.path.lexists(index):
        raise BadInput(f"{index} exists already: choose another place or remove it")
    for name, tensor in tensors.items():
        if not name or not name.isprintable() or len(name.encode()) > LONGEST_KEY:
            raise BadInput(f"{name[:60]!r} is no name of a tensor: up to {LONGEST_KEY:,} bytes of print were expected")
        if tensor.dtype.name not in _NUMBERS:
            raise BadInput(f"{name} is {tensor.dtype.name}: there are {', '.join(_NUMBERS)}; cast it")
    table = TableWriter()
    table.add(b"", number_field(1, 1) + bytes_field(3, number_field(1, VERSION)))
    with staged_file(data_file(index, 0, 1)) as file:
        for key in sorted(name.encode() for name in tensors):
            table.add(key, _written(file, tensors[key.decode()]))
    with staged_file(index) as file:
        file.write(table.finish())


def _written(file: BinaryIO, tensor: Array) -> bytes:
    """Append the values; returns the tensor's BundleEntryProto."""
    offset = file.tell()
    values = np.ascontiguousarray(tensor, tensor.dtype.newbyteorder("<")).reshape(-1).view(np.uint8).data
    file.write(values)
    shape = b"".join(bytes_field(2, number_field(1, size)) for size in tensor.shape)
    return (
        number_field(1, _NUMBERS[tensor.dtype.name])
        + bytes_field(2, shape)
        + number_field(4, offset)
        + number_field(5, len(values))
        + fixed32_field(6, masked(crc32c(values)))
    )
