"""Torch files made byte by byte: what torch.save would not write."""

import io
import pickle
import struct
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest

from maskwright.checkpoints.torch_files.container import value_in
from maskwright.checkpoints.torch_files.contents import contents_of
from maskwright.checkpoints.torch_files.guarded import Limits, read_torch_file
from maskwright.errors import BadInput

MAGIC, PROTOCOL = 0x1950A86A20F9469CFC6C, 1001
FLOATS = struct.pack("<6f", 0, 1, 2, 3, 4, 5)
P = b"\x80\x02"


def text(value: str) -> bytes:
    raw = value.encode("utf-8", "surrogatepass")
    return b"X" + struct.pack("<I", len(raw)) + raw


def number(value: int) -> bytes:
    if 0 <= value < 2**31:
        return b"J" + struct.pack("<i", value)
    raw = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    return b"\x8a" + bytes([len(raw)]) + raw


def name(module: str, what: str) -> bytes:
    return f"c{module}\n{what}\n".encode()


def storage(key: str = "0", count: int = 6, kind: str = "FloatStorage", *, legacy: bool = False) -> bytes:
    parts = text("storage") + name("torch", kind) + text(key) + text("cpu") + number(count)
    return b"(" + parts + (b"N" if legacy else b"") + b"tQ"


def numbers(values: Iterable[int]) -> bytes:
    return b"(" + b"".join(map(number, values)) + b"t"


def tensor(
    shape: Iterable[int] = (2, 3),
    strides: Iterable[int] = (3, 1),
    offset: int = 0,
    held: bytes | None = None,
    *,
    legacy: bool = False,
) -> bytes:
    parts = (storage(legacy=legacy) if held is None else held) + number(offset) + numbers(shape) + numbers(strides)
    hooks = name("collections", "OrderedDict") + b")R"
    return name("torch._utils", "_rebuild_tensor_v2") + b"(" + parts + b"\x89" + hooks + b"tR"


def table(items: Mapping[str, bytes]) -> bytes:
    return b"}(" + b"".join(text(key) + value for key, value in items.items()) + b"u"


def zipped(
    content: bytes, storages: Mapping[str, bytes] | None = None, more: Mapping[str, bytes] | None = None
) -> bytes:
    """A zip as torch writes it, but by Python's library: whole headers in front of the entries, none behind."""
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        archive.writestr("archive/data.pkl", content)
        for key, raw in ({"0": FLOATS} if storages is None else storages).items():
            archive.writestr(f"archive/data/{key}", raw)
        for entry, raw in (more or {}).items():
            archive.writestr(entry, raw)
    return held.getvalue()


def old(
    content: bytes,
    keys: object = ("0",),
    storages: Iterable[tuple[int, bytes]] = ((6, FLOATS),),
    *,
    little: object = True,
) -> bytes:
    """The format before 1.6."""
    facts = {"protocol_version": PROTOCOL, "little_endian": little, "type_sizes": {"short": 2, "int": 4, "long": 4}}
    head = b"".join(pickle.dumps(value, 2) for value in (MAGIC, PROTOCOL, facts))
    tail = pickle.dumps(list(keys) if isinstance(keys, tuple) else keys, 2)
    return head + content + tail + b"".join(struct.pack("<q", count) + raw for count, raw in storages)


def refusal(folder: Path, content: bytes | None, limits: Limits | None = None) -> str:
    """The one line with which a file is refused, after which there is nothing that was not there before."""
    path = folder / "pytorch_model.bin"
    if content is not None:
        path.write_bytes(content)
    before = sorted(folder.iterdir())
    with pytest.raises(BadInput) as caught:
        read_torch_file(path, out=folder / "model.safetensors", limits=limits)
    message = str(caught.value)
    assert "\n" not in message and str(path) in message and len(message) < 900 + len(str(path))
    assert message.isprintable()
    assert sorted(folder.iterdir()) == before, "something was left behind, or run"
    return message


def words_or_file(value: object) -> str:
    """For the names of tests."""
    return value if isinstance(value, str) else "file"


def unreadable(content: bytes) -> str:
    """What the interpreter itself says, without its process: for what is refused before numbers are looked at."""
    with pytest.raises(BadInput) as caught:
        contents_of(value_in(memoryview(content))[0])
    return str(caught.value)


def refused_by_reading(folder: Path, content: bytes) -> str:
    """As `refusal`, for a file that is refused for what is in it and not for the time it took."""
    message = refusal(folder, content)
    assert not any(
        words in message for words in ("takes more", "takes too", "by signal", "something else than read")
    ), message
    return message.removeprefix(str(folder / "pytorch_model.bin"))
