"""torch's zip format (torch 1.6 and later): NAME/data.pkl, and one entry NAME/data/KEY for each storage.

Zip readers disagree about files that contradict themselves, and files are made to contradict themselves:
so all that a zip says twice is compared, entries must fill the file without gap or overlap, and nothing is
unpacked (torch stores entries as they are). Layout: PKWARE's APPNOTE.TXT, 4.3 and 4.5.
"""

import struct
import zlib
from dataclasses import dataclass
from typing import cast

from maskwright.checkpoints.torch_files.inert import ELEMENTS, Element, Storage, shown
from maskwright.checkpoints.torch_files.names import Named
from maskwright.errors import BadInput

LOCAL, CENTRAL, DESCRIPTOR = b"PK\x03\x04", b"PK\x01\x02", b"PK\x07\x08"
END, END_64, LOCATOR_64 = b"PK\x05\x06", b"PK\x06\x06", b"PK\x06\x07"
MOST_ENTRIES = 100_000
ENCRYPTED, HAS_DESCRIPTOR = 0x1 | 0x40 | 0x2000, 0x8
_FULL = 0xFFFFFFFF  # "see the zip64 field"
_PIECE = 1 << 20


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry as the directory at the end of the file has it.

    is_stored    whether its content stands as it is
    header       where its local header begins
    """

    name: str
    flags: int
    is_stored: bool
    crc: int
    size: int
    header: int


class ZipFile:
    """The entries of a zip whose headers agree with each other. Raises BadInput for any other.

    data    the whole file
    """

    def __init__(self, data: memoryview) -> None:
        self._data = data
        entries, directory = _directory(data)
        starts = [entry.header for entry in entries] + [directory]
        if starts[0] != 0:
            raise BadInput(f"its first zip entry begins at byte {starts[0]:,}: something else stands before it")
        if any(entry.name.count("/") == 1 and entry.name.endswith("/constants.pkl") for entry in entries):
            raise BadInput("it is a TorchScript program: save the weights with torch.save(model.state_dict(), ...)")
        self._places: dict[str, tuple[int, int]] = {}
        for entry, following in zip(entries, starts[1:], strict=True):
            if entry.name in self._places:
                raise BadInput(f"its zip entry {shown(entry.name)} stands twice: damaged or crafted")
            self._places[entry.name] = _checked_place(data, entry, following)
        names = [name for name in self._places if name.count("/") == 1 and name.endswith("/data.pkl")]
        if len(names) != 1:
            raise BadInput(f"it is a zip with {len(names)} data.pkl where torch.save writes one")
        self._top = names[0].removesuffix("data.pkl")
        if self._has("byteorder"):
            start, end = self.place("byteorder")
            order = bytes(data[start : min(end, start + 16)])
            if order != b"little":
                raise BadInput(f"its numbers are in the byte order {shown(order)}: save it again on a usual machine")

    def _has(self, name: str) -> bool:
        return self._top + name in self._places

    def place(self, name: str) -> tuple[int, int]:
        """First byte of an entry's content, and the first after it. BadInput for one that is missing."""
        if not self._has(name):
            raise BadInput(f"its zip entry {shown(self._top + name)} is missing: it is not whole")
        return self._places[self._top + name]

    def find_storage(self, reference: tuple[object, ...]) -> Storage:
        """("storage", type, key, location, count) -> where its numbers lie, compared with the entry's size."""
        key, element, count = storage_reference(reference, 5)
        start, end = self.place(f"data/{key}")
        if end - start != count * element.size:
            raise BadInput(
                f"its storage {shown(key)} has {end - start:,} bytes where the pickle says {count * element.size:,}: "
                "the file is damaged or crafted"
            )
        return Storage(key, element, 0, count)

    def place_of(self, key: str) -> int:
        """First byte of a storage."""
        return self.place(f"data/{key}")[0]


def storage_reference(reference: tuple[object, ...], length: int) -> tuple[str, Element, int]:
    """Key, type and number of elements in a pickle's reference to a storage of `length` parts."""
    if len(reference) != length or reference[0] != "storage":
        kind = shown(reference[0]) if reference else "nothing"
        raise BadInput(f"its pickle refers to {kind} outside of itself: torch's state dicts refer to storages alone")
    kind, key, _, count = reference[1:5]
    if not isinstance(kind, Named) or kind.element not in ELEMENTS.values():
        raise BadInput(f"its pickle has a storage of the type {shown(kind)}: the file is damaged or crafted")
    if not isinstance(key, str) or type(count) is not int or not 0 <= count < 2**62:
        raise BadInput("its pickle has a storage without a name or a size: the file is damaged or crafted")
    return key, cast("Element", kind.element), count


def _directory(data: memoryview) -> tuple[list[Entry], int]:
    """The entries in the order in which they lie in the file, and where the directory begins."""
    end = len(data) - 22
    if end < 0 or bytes(data[end : end + 4]) != END:
        raise BadInput("it is a zip that is cut off, or with something behind its end")
    disk, start_disk, here, count, size, offset, comment = struct.unpack_from("<4H2IH", data, end + 4)
    if comment or disk or start_disk or here != count:
        raise BadInput("it is a zip with a comment or of several parts: torch does not write such")
    if end >= 20 and bytes(data[end - 20 : end - 16]) == LOCATOR_64:
        count, size, offset, end = _end_64(data, end - 20, (count, size, offset))
    elif _FULL in (size, offset) or count == 0xFFFF:
        raise BadInput("its zip64 directory is missing: damaged or crafted")
    if not 0 < count <= MOST_ENTRIES or size < 46 * count or offset + size != end:
        raise BadInput(
            f"its zip directory claims {count:,} entries in {size:,} bytes at {offset:,} of {len(data):,}: "
            f"damaged, crafted, or more than {MOST_ENTRIES:,}"
        )
    entries: list[Entry] = []
    at = offset
    for _ in range(count):
        entry, at = _entry(data, at, end)
        entries.append(entry)
    if at != end:
        raise BadInput("its zip directory has more in it than its entries: damaged or crafted")
    return sorted(entries, key=lambda entry: entry.header), offset


def _end_64(data: memoryview, locator: int, small: tuple[int, int, int]) -> tuple[int, int, int, int]:
    """count, size and offset of the directory, and where it ends, as the zip64 records have them."""
    disk, record, disks = struct.unpack_from("<IQI", data, locator + 4)
    if disk or disks != 1 or record + 56 != locator or bytes(data[record : record + 4]) != END_64:
        raise BadInput("its zip64 records do not follow each other: damaged or crafted")
    length, _, _, disk, start_disk, here, count, size, offset = struct.unpack_from("<Q2H2I4Q", data, record + 4)
    if length != 44 or disk or start_disk or here != count:
        raise BadInput("its zip64 record is of another kind than torch writes: damaged or crafted")
    for value, short, full in zip((count, size, offset), small, (0xFFFF, _FULL, _FULL), strict=True):
        if short not in (value, full):
            raise BadInput(f"its zip records say {short:,} and {value:,} of the same: damaged or crafted")
    return count, size, offset, record


def _entry(data: memoryview, at: int, end: int) -> tuple[Entry, int]:
    """The directory's entry at `at`, and where the next one begins."""
    if at + 46 > end or bytes(data[at : at + 4]) != CENTRAL:
        raise BadInput("its zip directory is cut off: damaged or crafted")
    _, _, flags, method, _, _, crc, packed, size, name, extra, comment, disk, _, _, header = struct.unpack_from(
        "<6H3I5H2I", data, at + 4
    )
    if at + 46 + name + extra + comment > end:
        raise BadInput("its zip directory is cut off: damaged or crafted")
    fields = data[at + 46 + name : at + 46 + name + extra]
    size, packed, header = _wide(fields, (size, packed, header))
    text = bytes(data[at + 46 : at + 46 + name])
    if flags & ENCRYPTED:
        raise BadInput(f"its zip entry {shown(text)} is encrypted: not read")
    if disk or comment or not text.isascii() or b"\0" in text:
        raise BadInput(f"its zip entry {shown(text)} is of another kind than torch writes: damaged or crafted")
    return Entry(
        text.decode("ascii"), flags, not method and packed == size, crc, size, header
    ), at + 46 + name + extra + comment


def _wide(fields: memoryview, values: tuple[int, ...]) -> tuple[int, ...]:
    """`values`, those that are full (2^32 - 1) replaced by the numbers of the zip64 field, in their order."""
    found: memoryview | None = None
    at = 0
    while at + 4 <= len(fields):
        kind, length = struct.unpack_from("<2H", fields, at)
        if kind == 1:
            if found is not None:
                raise BadInput("its zip has two zip64 fields in one entry: damaged or crafted")
            found = fields[at + 4 : at + 4 + length]
        at += 4 + length
    if at > len(fields):
        raise BadInput("its zip has a field that is cut off: damaged or crafted")
    wanted = sum(value == _FULL for value in values)
    if len(found or b"") < 8 * wanted:
        raise BadInput("its zip64 field is missing or too short: damaged or crafted")
    numbers = iter(struct.unpack_from(f"<{wanted}Q", found or b""))
    return tuple(next(numbers) if value == _FULL else value for value in values)


def _checked_place(data: memoryview, entry: Entry, following: int) -> tuple[int, int]:
    """Where the content of `entry` lies, after comparing its local header, its descriptor and its checksum."""
    at, name = entry.header, shown(entry.name)
    if not entry.is_stored:
        raise BadInput(f"its zip entry {name} is compressed, torch's are not: save it again with torch.save")
    if at + 30 > following or bytes(data[at : at + 4]) != LOCAL:
        raise BadInput(f"its zip entry {name} is not where the directory says: damaged or crafted")
    _, flags, method, _, _, crc, packed, size, name_length, extra = struct.unpack_from("<5H3I2H", data, at + 4)
    start = at + 30 + name_length + extra
    if bytes(data[at + 30 : at + 30 + name_length]) != entry.name.encode() or flags != entry.flags or method:
        raise BadInput(f"its zip entry {name} has another name or kind in its own header: damaged or crafted")
    if start + entry.size > following:
        raise BadInput(f"its zip entry {name} of {entry.size:,} bytes reaches into the next: damaged or crafted")
    _check_sizes(data, entry, start, following, (crc, packed, size))
    if _checksum(data[start : start + entry.size]) != entry.crc:
        raise BadInput(f"the checksum of its zip entry {name} is wrong: the file is damaged")
    return start, start + entry.size


def _check_sizes(data: memoryview, entry: Entry, start: int, following: int, header: tuple[int, int, int]) -> None:
    """The local header has checksum and sizes, or the descriptor behind the content has them."""
    behind = data[start + entry.size : following]
    known = (entry.crc, entry.size, entry.size)
    if entry.flags & HAS_DESCRIPTOR:
        form = {16: "<3I", 24: "<I2Q"}.get(len(behind))
        if form is None or bytes(behind[:4]) != DESCRIPTOR or struct.unpack_from(form, behind, 4) != known:
            raise BadInput(f"its zip entry {shown(entry.name)} has another size behind it: damaged or crafted")
        agree = all(value in (0, _FULL, same) for value, same in zip(header, known, strict=True))
    else:
        agree = not behind and (header == known or (entry.size >= _FULL and header == (entry.crc, _FULL, _FULL)))
    if not agree:
        raise BadInput(f"its zip entry {shown(entry.name)} has another size in its own header: damaged or crafted")


def _checksum(content: memoryview) -> int:
    crc = 0
    for at in range(0, len(content), _PIECE):
        crc = zlib.crc32(content[at : at + _PIECE], crc)
    return crc
