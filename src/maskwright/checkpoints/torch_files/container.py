"""Which format a file has, told by its first bytes, and the value in it."""

from collections.abc import Callable

from maskwright.checkpoints.torch_files.inert import shown
from maskwright.checkpoints.torch_files.legacy_file import LegacyFile
from maskwright.checkpoints.torch_files.opcodes import Pickle, interpreted
from maskwright.checkpoints.torch_files.zip_file import LOCAL, ZipFile
from maskwright.errors import BadInput

PlaceOf = Callable[[str], int]  # key of a storage -> its first byte in the file
_TAR = slice(257, 262)
_PICKLES = (b"\x80", b"c", b"(")
_OTHERS = {
    b"\x89HDF": "HDF5 (Keras)",
    b"version https://git-lfs": "only a pointer of git-lfs: fetch the file itself (git lfs pull)",
    b"<": "a page of HTML, perhaps the answer of a server: fetch the file again",
    b"\x1f\x8b": "packed by gzip: unpack it",
}


def value_in(data: memoryview) -> tuple[object, PlaceOf]:
    """The value that torch.save wrote, tensors as descriptions, and where their storages lie.

    data    the whole file
    """
    if bytes(data[:4]) == LOCAL:
        archive = ZipFile(data)
        start, end = archive.place("data.pkl")
        pickle = Pickle(data, start, end)
        value = interpreted(pickle, archive.find_storage)
        if pickle.tell() != end:
            raise BadInput(f"{end - pickle.tell():,} bytes follow behind its pickle: damaged or crafted")
        return value, archive.place_of
    if bytes(data[_TAR]) == b"ustar":
        raise BadInput("it is a tar of torch's first versions (0.1): save it again with any later one")
    if bytes(data[:1]) in _PICKLES:
        legacy = LegacyFile(data)
        return legacy.value, legacy.place_of
    kind = next((kind for magic, kind in _OTHERS.items() if bytes(data[: len(magic)]) == magic), "")
    raise BadInput(f"it is no file of torch.save but {kind or 'begins with ' + shown(bytes(data[:8]))}")
