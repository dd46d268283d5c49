"""torch's format before 1.6: five pickles, the fourth with the tensors, then the numbers of each storage.

magic number | protocol version | facts of the machine | the value | keys | count, numbers | count, numbers ...
"""

import struct
from typing import cast

from maskwright.checkpoints.torch_files.inert import Element, Storage, shown
from maskwright.checkpoints.torch_files.opcodes import Pickle, interpreted
from maskwright.checkpoints.torch_files.zip_file import storage_reference
from maskwright.errors import BadInput

MAGIC, PROTOCOL = 0x1950A86A20F9469CFC6C, 1001


class LegacyFile:
    """The value in such a file, and where its storages lie; BadInput when the parts do not fit each other.

    data    the whole file
    """

    def __init__(self, data: memoryview) -> None:
        self._counts: dict[str, tuple[Element, int]] = {}
        self._places: dict[str, int] = {}
        pickle = Pickle(data, 0, len(data))
        if interpreted(pickle, _no_storage) != MAGIC or interpreted(pickle, _no_storage) != PROTOCOL:
            raise BadInput("it is a pickle, but none of torch.save: save model.state_dict() with torch.save")
        machine = interpreted(pickle, _no_storage)
        if not isinstance(machine, dict) or cast("dict[object, object]", machine).get("little_endian") is not True:
            raise BadInput("its numbers are in another byte order: save it again on a usual machine")
        self.value = interpreted(pickle, self._find_storage)
        keys = interpreted(pickle, _no_storage)
        self._lay_out(data, pickle.tell(), keys)

    def place_of(self, key: str) -> int:
        """First byte of a storage."""
        return self._places[key]

    def _find_storage(self, reference: tuple[object, ...]) -> Storage:
        """("storage", type, key, location, count, view) -> the storage, or the part of it that `view` cuts out."""
        key, element, count = storage_reference(reference, 6)
        if self._counts.setdefault(key, (element, count)) != (element, count):
            raise BadInput(f"its storage {shown(key)} has two sizes or types: the file is damaged or crafted")
        view = reference[5]
        if view is None:
            return Storage(key, element, 0, count)
        start, length = _bounds(view)
        if start + length > count:
            raise BadInput(f"its storage {shown(key)} has a view beyond its end: the file is damaged or crafted")
        return Storage(key, element, start, length)

    def _lay_out(self, data: memoryview, at: int, keys: object) -> None:
        """Note where each storage begins. They must fill the file to its end."""
        listed = cast("list[object]", keys) if isinstance(keys, list) else []
        names = [key for key in listed if isinstance(key, str)]
        if len(names) != len(listed) or sorted(names) != sorted(self._counts):
            raise BadInput("its list of storages is not that of its pickle: the file is damaged or crafted")
        for key in names:
            element, count = self._counts[key]
            if at + 8 > len(data):
                raise BadInput(f"it ends before its storage {shown(key)}: cut off")
            (stored,) = struct.unpack_from("<q", data, at)
            if stored != count:
                raise BadInput(
                    f"its storage {shown(key)} has {stored:,} numbers where the pickle says {count:,}: "
                    "the file is damaged or crafted"
                )
            self._places[key] = at + 8
            at += 8 + count * element.size
            if at > len(data):
                raise BadInput(f"it ends within its storage {shown(key)}: cut off")
        if at != len(data):
            raise BadInput(f"{len(data) - at:,} bytes follow behind its storages: damaged or crafted")


def _bounds(view: object) -> tuple[int, int]:
    """(key, start, count) -> start, count."""
    parts = cast("tuple[object, ...]", view) if isinstance(view, tuple) else ()
    if len(parts) != 3 or not all(type(part) is int and 0 <= part < 2**62 for part in parts[1:]):
        raise BadInput(f"its pickle has {shown(view)} for a view of a storage: the file is damaged or crafted")
    return cast("tuple[int, int]", parts[1:])


def _no_storage(_: tuple[object, ...]) -> Storage:
    raise BadInput("a part of it refers to storages that should not: the file is damaged or crafted")
