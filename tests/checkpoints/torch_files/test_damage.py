"""Damaged files: one error, and never another kind of it; what can be read still is a file of tensors."""

import io
import pickletools
import zipfile
from pathlib import Path

import torch
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file

from maskwright.checkpoints.torch_files.container import value_in
from maskwright.checkpoints.torch_files.contents import contents_of
from maskwright.checkpoints.torch_files.guarded import read_torch_file
from maskwright.errors import BadInput
from tests.checkpoints.torch_files.crafted import FLOATS, P, old, table, tensor, zipped

STATE = {
    "a": torch.arange(6.0).reshape(2, 3),
    "b": torch.ones(3, dtype=torch.bfloat16),
    "c": torch.tensor([True, False]),
}
# What the reading process makes one line of.
EXPECTED = (BadInput, ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)


def saved(new: bool) -> bytes:
    held = io.BytesIO()
    torch.save(STATE, held, _use_new_zipfile_serialization=new)
    return held.getvalue()


FILES = {"zip": saved(True), "old": saved(False)}


def flipped(content: bytes, flips: list[tuple[int, int]]) -> bytes:
    changed = bytearray(content)
    for place, bit in flips:
        changed[place % len(changed)] ^= 1 << bit
    return bytes(changed)


FLIPS = st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 7)), min_size=1, max_size=4)


def tensors_in(content: bytes) -> None:
    """Reads as the process does, in this one: what is inside is inert."""
    try:
        value, place_of = value_in(memoryview(content))
        for view in contents_of(value).tensors.values():
            size = view.element.size
            last = view.offset + sum((n - 1) * step for n, step in zip(view.shape, view.strides, strict=True))
            if 0 not in view.shape:
                assert place_of(view.key) + view.offset * size >= 0
                assert place_of(view.key) + (last + 1) * size <= len(content), "a tensor reaches out of the file"
    except EXPECTED as error:
        assert str(error)


@given(FLIPS, st.sampled_from(sorted(FILES)))
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_flipped_bits_are_refused_or_change_numbers(tmp_path: Path, flips: list[tuple[int, int]], form: str) -> None:
    path, out = tmp_path / "pytorch_model.bin", tmp_path / "model.safetensors"
    out.unlink(missing_ok=True)
    path.write_bytes(flipped(FILES[form], flips))
    try:
        read_torch_file(path, out=out)
    except BadInput as error:
        assert str(path) in str(error) and "\n" not in str(error)
        ours = ("something else than read", "by signal", "takes more", "takes too")
        assert not any(words in str(error) for words in ours)
        assert [file.name for file in tmp_path.iterdir()] == [path.name]
    else:
        load_file(out)


@given(FLIPS, st.sampled_from(sorted(FILES)))
@settings(max_examples=1_500)
def test_flipped_bits_many_times(flips: list[tuple[int, int]], form: str) -> None:
    tensors_in(flipped(FILES[form], flips))


@given(st.integers(1, 10**6), st.sampled_from(sorted(FILES)))
@settings(max_examples=150)
def test_what_is_cut_off_is_refused(length: int, form: str) -> None:
    content = FILES[form]
    cut = content[: length % len(content)]
    try:
        value_in(memoryview(cut))
    except EXPECTED:
        return
    raise AssertionError(f"{len(cut)} of {len(content)} bytes were read as a whole file")


PICKLE = zipfile.ZipFile(io.BytesIO(FILES["zip"])).read("archive/data.pkl")
STORAGES = {str(at): zipfile.ZipFile(io.BytesIO(FILES["zip"])).read(f"archive/data/{at}") for at in range(3)}


@given(FLIPS)
@settings(max_examples=1_500)
def test_a_pickle_that_is_damaged_under_a_right_checksum(flips: list[tuple[int, int]]) -> None:
    tensors_in(zipped(flipped(PICKLE, flips), STORAGES))


OPCODES = [opcode.code.encode("latin-1") for opcode in pickletools.opcodes]
PIECES = [
    *OPCODES,
    *(
        code + bytes(size)
        for code in (b"K", b"q", b"h", b"X", b"J", b"M", b"\x8a", b"\x8c", b"C", b"G")
        for size in (1, 2, 4, 8)
    ),
    b"ctorch._utils\n_rebuild_tensor_v2\n",
    b"ctorch\nFloatStorage\n",
    b"ccollections\nOrderedDict\n",
    b"cargparse\nNamespace\n",
    tensor(),
    table({"a": tensor()}),
]


@given(st.lists(st.sampled_from(PIECES), max_size=25), st.booleans())
@settings(max_examples=2_000)
def test_opcodes_in_any_order(pieces: list[bytes], end: bool) -> None:
    content = P + b"".join(pieces) + (b"." if end else b"")
    tensors_in(zipped(content, {"0": FLOATS}))
    tensors_in(old(content))


@given(st.binary(max_size=200))
def test_any_bytes(content: bytes) -> None:
    assume(content)
    tensors_in(content)
