"""A TensorFlow checkpoint (a "tensor bundle"), read without TensorFlow.

    NAME.index                   a table: "" -> header, name -> where the tensor lies, its type, shape and checksum
    NAME.data-00000-of-00001     the values, row by row, little-endian, in one file or several

tensorflow `core/protobuf/tensor_bundle.proto`, `core/util/tensor_bundle/tensor_bundle.cc`. This is the format of
`tf.train.Saver` from TensorFlow 1.0 on; Keras saves object graphs in it too. On opening, each number of the index
is compared with the sizes of the files; on reading, each tensor with its checksum. So what a file claims costs no
memory that its own size does not account for.
"""

import errno
import math
import os
import re
import stat
from collections.abc import Iterable, Mapping
from io import BufferedReader
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from maskwright.checkpoints.crc32c import crc32c, masked
from maskwright.checkpoints.protobuf import Malformed, Message
from maskwright.checkpoints.table_file import LARGEST_TABLE, read_table
from maskwright.errors import BadInput

INDEX = ".index"
VERSION = 1  # of the format that is read and written
MOST_SHARDS, MOST_DIMENSIONS = 99_999, 16  # the digits of a file's name; far more than any weight has
_MOST_VALUES = 2**59  # in a tensor: eight bytes of each still have an address
# The numbers of `DataType` in tensorflow `core/framework/types.proto`.
DTYPES: dict[int, str] = {
    1: "float32",
    2: "float64",
    3: "int32",
    4: "uint8",
    5: "int16",
    6: "int8",
    9: "int64",
    10: "bool",
    14: "bfloat16",
    17: "uint16",
    19: "float16",
    22: "uint32",
    23: "uint64",
}
OTHER_DTYPES = {7: "text", 8: "complex64", 18: "complex128", 20: "a resource", 21: "a variant"}
Array = npt.NDArray[np.generic]


class BundleEntry(NamedTuple):
    """Where a tensor lies. `dtype` is a name of numpy's, or "bfloat16", or what cannot be read ("text")."""

    dtype: str
    shape: tuple[int, ...]
    shard: int
    offset: int
    size: int
    checksum: int
    sliced: bool


class TensorBundle:
    """A checkpoint whose index has been read and checked; no values have been read yet.

    index      the path of the index file
    """

    def __init__(self, index: Path, entries: Mapping[str, BundleEntry], num_shards: int) -> None:
        self.index = index
        self._entries = entries
        self._num_shards = num_shards

    def names(self) -> list[str]:
        """All tensors, in the order of their names' bytes."""
        return list(self._entries)

    def entry(self, name: str) -> BundleEntry:
        """Type, shape and place of a tensor; BadInput where there is none of that name."""
        if name not in self._entries:
            raise BadInput(f"{self.index}: there is no tensor {name!r} in it")
        return self._entries[name]

    def read(self, name: str) -> Array:
        """The values of a tensor, its checksum verified; an array of its own. bfloat16 comes as float32, exactly.

        Raises BadInput for a tensor that is damaged, sliced, or of a type that has no numbers.
        """
        entry = self.entry(name)
        if entry.sliced:
            raise BadInput(
                f"{self.index}: {name} is saved in slices, which are not read: "
                "restore it in TensorFlow and save it without a partitioner"
            )
        if entry.dtype not in DTYPES.values():
            raise BadInput(
                f"{self.index}: {name} holds {entry.dtype}, which is not read: only numbers are; save it without"
            )
        shard = self.shard(entry.shard)
        raw = _read_range(shard, entry.offset, entry.size)
        if masked(crc32c(raw.data)) != entry.checksum:
            raise BadInput(f"{shard}: {name} differs from its checksum: the file is damaged; fetch it again")
        if entry.dtype == "bfloat16":
            values = (raw.view("<u2").astype(np.uint32) << 16).view(np.float32)
        else:
            values = raw.view(np.dtype(entry.dtype).newbyteorder("<"))
        return values.reshape(entry.shape)

    def shard(self, number: int) -> Path:
        """The path of a file of values."""
        return data_file(self.index, number, self._num_shards)


def data_file(index: Path, number: int, num_shards: int) -> Path:
    """Where the values of shard `number` lie.

    >>> data_file(Path("bert_model.ckpt.index"), 0, 1).name
    'bert_model.ckpt.data-00000-of-00001'
    """
    return index.with_name(f"{index.name.removesuffix(INDEX)}.data-{number:05d}-of-{num_shards:05d}")


def open_bundle(path: str | Path) -> TensorBundle:
    """Look through a checkpoint: a prefix ("bert_model.ckpt"), one of its files, or a folder with one checkpoint.

    Raises BadInput in one line naming the file, what is wrong with it, and the way out.
    """
    index = _index_of(Path(path))
    with open_regular(index) as file:
        data = file.read(LARGEST_TABLE + 1)
    try:
        return _bundle(index, data)
    except Malformed as error:
        raise BadInput(f"{index}: not a readable index of a checkpoint ({error})") from error


def _index_of(path: Path) -> Path:
    if path.is_dir():
        found = sorted(path.glob("*" + INDEX))
        if len(found) != 1:
            has = f"{len(found)} of them ({', '.join(p.name for p in found[:3])})" if found else "none"
            raise BadInput(f"{path}: one checkpoint, a file NAME{INDEX}, was expected; it has {has}: name it")
        return found[0]
    name = re.sub(r"\.(index|meta|data-\d{5}-of-\d{5})$", "", path.name)
    return path.with_name(name + INDEX)


def _bundle(index: Path, data: bytes) -> TensorBundle:
    """What a table says, checked against the files beside it."""
    table = read_table(data)
    if not table or table[0][0] != b"":
        raise Malformed("its first entry is not the header")
    num_shards = _num_shards(index, Message(table[0][1]))
    entries: dict[str, BundleEntry] = {}
    for key, value in table[1:]:
        if key.startswith(b"\0"):
            continue  # a slice of a tensor, which is listed itself
        name = key.decode(errors="replace")
        if not name.isprintable() or "\ufffd" in name:
            raise Malformed(f"{key[:60]!r} is no name")
        try:
            entries[name] = _entry(Message(value), num_shards)
        except Malformed as error:
            raise Malformed(f"{name}: {error}") from error
    bundle = TensorBundle(index, entries, num_shards)
    _check_places(bundle, [(name, entry) for name, entry in entries.items() if not entry.sliced])
    return bundle


def _num_shards(index: Path, header: Message) -> int:
    if header.number(2):
        raise BadInput(
            f"{index}: its numbers are big-endian, which are not read: save it again on a little-endian machine"
        )
    if (needed := header.message(3).number(2)) > VERSION:
        raise BadInput(f"{index}: needs a reader of version {needed}: this one reads versions up to {VERSION}")
    if not 0 < (num_shards := header.number(1)) <= MOST_SHARDS:
        raise Malformed(f"{num_shards:,} files of values; 1 to {MOST_SHARDS:,} were expected")
    return num_shards


def _entry(entry: Message, num_shards: int) -> BundleEntry:
    number = entry.number(1)
    dtype = DTYPES.get(number) or OTHER_DTYPES.get(number) or f"TensorFlow's type {number}"
    shape = _shape(entry.message(2))
    shard, offset, size = entry.number(3), entry.number(4), entry.number(5)
    sliced = bool(entry.parts(7))
    if not 0 <= shard < num_shards:
        raise Malformed(f"lies in file {shard:,} of {num_shards:,}")
    if offset < 0 or size < 0:
        raise Malformed(f"has {size:,} bytes at {offset:,}")
    if number in DTYPES and not sliced and size != (wanted := math.prod(shape) * _num_bytes(dtype)):
        raise Malformed(f"has {size:,} bytes, its shape asks for {wanted:,}")
    return BundleEntry(dtype, shape, shard, offset, size, entry.fixed32(6), sliced)


def _shape(shape: Message) -> tuple[int, ...]:
    dimensions = shape.parts(2)
    if len(dimensions) > MOST_DIMENSIONS:
        raise Malformed(f"its shape has {len(dimensions):,} dimensions: up to {MOST_DIMENSIONS} are read")
    sizes = tuple(Message(dimension).number(1) for dimension in dimensions)
    if shape.number(3) or any(size < 0 for size in sizes):
        raise Malformed("its shape is not known")
    if math.prod(max(1, size) for size in sizes) >= _MOST_VALUES:
        raise Malformed("its shape is larger than any tensor's")
    return sizes


def _num_bytes(dtype: str) -> int:
    return 2 if dtype == "bfloat16" else np.dtype(dtype).itemsize


def _check_places(bundle: TensorBundle, entries: Iterable[tuple[str, BundleEntry]]) -> None:
    """Each tensor ends within its file, and no two share a byte: so all together are no larger than the files."""
    places = sorted((e.shard, e.offset, e.offset + e.size, name) for name, e in entries)
    lengths = {number: _length(bundle.shard(number)) for number in {place[0] for place in places}}
    for number, _, end, name in places:
        if end > lengths[number]:
            raise BadInput(
                f"{bundle.shard(number)}: {name} should end at byte {end:,}, the file has {lengths[number]:,}: "
                "it is cut short; fetch it again"
            )
    filled = [place for place in places if place[1] < place[2]]
    for (number, _, end, one), (following, begin, _, other) in pairwise(filled):
        if number == following and begin < end:
            raise Malformed(f"{one} and {other} overlap")


def _length(path: Path) -> int:
    with open_regular(path) as file:
        return os.fstat(file.fileno()).st_size


def open_regular(path: Path) -> BufferedReader:
    """A file of that very name, open for reading; BadInput for a link, a folder, a device, or nothing."""
    try:
        file = os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb")
    except FileNotFoundError:
        raise BadInput(
            f"{path}: missing; a checkpoint is NAME{INDEX} and its NAME.data-00000-of-00001, in one folder"
        ) from None
    except OSError as error:
        why = "a link, which is not followed: copy the file itself here"
        raise BadInput(f"{path}: {why if error.errno == errno.ELOOP else error.strerror}") from error
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise BadInput(f"{path}: not a file of bytes")
    return file


def _read_range(path: Path, offset: int, size: int) -> npt.NDArray[np.uint8]:
    try:
        values = np.empty(size, np.uint8)
    except MemoryError:
        raise BadInput(f"{path}: {size:,} bytes of one tensor do not fit in memory") from None
    with open_regular(path) as file:
        file.seek(offset)
        got = file.readinto(values.data)
    if got != size:
        raise BadInput(f"{path}: {size:,} bytes at {offset:,} were expected, {got:,} are there: it was cut meanwhile")
    return values
