"""Pickles whose opcodes do not fit each other, or ask for more than a machine has: one line, nothing left."""

import struct
from pathlib import Path

import pytest

from maskwright.checkpoints.torch_files.guarded import Limits
from tests.checkpoints.torch_files.crafted import (
    FLOATS,
    P,
    name,
    number,
    numbers,
    old,
    refusal,
    refused_by_reading,
    storage,
    table,
    tensor,
    text,
    unreadable,
    words_or_file,
    zipped,
)

ORDERED = name("collections", "OrderedDict")
HUGE = 2**62


def swelling(levels: int) -> bytes:
    """A tuple of lists, each of ten times the one before: 10^levels items in few bytes. The last is noted as 200."""
    lists = (b"](" + (b"h" + bytes([level])) * 10 + b"eq" + bytes([level + 1]) for level in range(levels))
    return b"(](K\x01K\x02eq\x00" + b"".join(lists) + b"q\xc8t"


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (b"K\x01" + text("a") + b"K\x02s", "sets an item of 1"),
        (b"](" + text("a") + b"K\x02u", "sets an item of a list"),
        (tensor() + b"(" + text("a") + b"K\x02u", "sets an item of a tensor"),
        (storage() + text("a") + b"K\x02s", "sets an item of a storage"),
        (ORDERED + text("a") + b"K\x02s", "sets an item of a name"),
        (b"}(" + text("a") + b"u", "a key without a value"),
        (b"}]K\x02s", "a list as a key"),
        (b"}" + tensor() + b"K\x02s", "a tensor as a key"),
        (b"})\x85K\x02s", "a tuple as a key"),
        (b"}K\x01a", "appends to a dict"),
        (b"N(K\x01e", "appends to None"),
        (tensor() + b"K\x01a", "appends to a tensor"),
        (b"](K\x01\x90", "adds items to a list"),
        (b"\x8f(]\x90", "a list as a key"),
        (b"K\x01}b", "sets attributes of 1"),
        (b"}}b", "sets attributes of a dict"),
        (tensor() + b"}b", "sets attributes of a tensor"),
        (ORDERED + b"}b", "sets attributes of a name"),
        (b"K\x01)R", "it calls 1, which is nothing to call"),
        (name("torch", "FloatStorage") + b")R", "it calls torch.FloatStorage"),
        (name("torch", "float32") + b")R", "it calls torch.float32"),
        (ORDERED + b"]R", "it calls collections.OrderedDict"),
        (ORDERED + b"K\x01\x85R", "something else than a list"),
        (ORDERED + b"](K\x01e\x85R", "instead of pairs"),
        (name("argparse", "Namespace") + b"K\x01\x85\x81", "a Namespace with arguments"),
        (name("torch._utils", "_rebuild_parameter") + b"K\x01\x85R", "a parameter without a tensor"),
        (name("torch._utils", "_rebuild_tensor_v2") + b")R", "a tensor of 0 parts"),
        (name("_codecs", "encode") + text("a") + text("zip") + b"\x86R", "bytes that are no Latin-1"),
        (name("numpy", "dtype") + text("O8") + b"\x85R", "numpy's type 'O8'"),
        (b"t", "ends a group that it did not begin"),
        (b"\x85", "takes values that are not there"),
        (b"(\x85", "takes values that are not there"),
        (b"K\x01(s", "takes values that are not there"),
        (b"h\x07", "refers to value 7"),
        (b"j\xff\xff\xff\xff", "refers to value 4294967295"),
        (b"q\x00", "takes values that are not there"),
        (b"}}", "values left over"),
        (b"}(", "takes values that are not there"),
    ],
    ids=words_or_file,
)
def test_opcodes_that_do_not_fit(value: bytes, words: str) -> None:
    assert words in unreadable(zipped(P + value + b"."))


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (b"\x8b\xff\xff\xff\x7f", "asks for 2,147,483,647 bytes"),  # LONG4
        (b"\x8b\xff\xff\xff\xff", "byte count < 0"),
        (b"\x8d" + struct.pack("<Q", HUGE), "asks for"),  # BINUNICODE8
        (b"\x8e" + struct.pack("<Q", HUGE), "asks for"),  # BINBYTES8
        (b"\x96" + struct.pack("<Q", HUGE), "asks for"),  # BYTEARRAY8
        (b"X\xff\xff\xff\xff", "asks for 4,294,967,295 bytes"),
        (b"B\xff\xff\xff\xff", "asks for 4,294,967,295 bytes"),
        (b"T\xff\xff\xff\x7f", "asks for"),
        (b"T\xff\xff\xff\xff", "byte count < 0"),
        (b"\x8a\xff" + b"\x7f" * 255, "an integer of 2,039 bits"),
        (b"X\x01\x00\x00\x00\xff", "UnicodeDecodeError"),
        (b"I" + b"9" * 5000 + b"\n", "a name without an end"),
        (b"c" + b"a" * 5000, "a name without an end"),
        (b"c\xff\xfe\n\xff\n", "damaged"),
        (b"\xff", "damaged"),
        (b"", "takes values that are not there"),
    ],
    ids=words_or_file,
)
def test_arguments_that_are_too_long_or_damaged(tmp_path: Path, value: bytes, words: str) -> None:
    assert words in refused_by_reading(tmp_path, zipped(P + value + b"."))


@pytest.mark.parametrize(
    ("held", "words"),
    [
        (tensor((100,), (1,)), "reaches to number 100 of a storage of 6"),
        (tensor((2, 3), (3, 2)), "reaches to number 8 of a storage of 6"),
        (tensor((2, 3), (3, 1), 1), "reaches to number 7 of a storage of 6"),
        (tensor((1,), (1,), 2**60), "of a storage of 6"),
        (tensor((0,), (1,), 7), "of a storage of 6"),
        (tensor((2**62, 2**62), (2**62, 1)), "of a storage of 6"),
        (tensor((2, 3), (-3, 1)), "for its strides"),
        (tensor((-2, 3), (3, 1)), "for its shape"),
        (tensor((2, 3), (3, 1), -1), "for its offset"),
        (tensor((2**63,), (0,)), "for its shape"),
        (tensor((2, 3), (1,)), "2 axes with 1 strides"),
        (tensor((1,) * 33, (1,) * 33), "33 axes"),
        (tensor((2**40,), (0,)), "would fill 4,398,046,511,104 bytes"),
        (tensor(held=b"K\x01"), "a tensor of 1 instead of a storage"),
        (tensor(held=storage(count=7)), "has 24 bytes where the pickle says 28"),
        (tensor(held=storage(count=2**61)), "has 24 bytes where the pickle says"),
        (tensor(held=storage(kind="DoubleStorage")), "has 24 bytes where the pickle says 48"),
        (tensor(held=storage(key="1")), "'archive/data/1' is missing"),
        (tensor(held=storage(key="../../etc/passwd")), "is missing"),
        (tensor(held=storage(count=24, kind="BoolStorage")), "truth values that are neither 0 nor 1"),
        (tensor(held=storage(count=24, kind="UntypedStorage")), "bytes without a type"),
    ],
    ids=words_or_file,
)
def test_tensors_that_do_not_fit_their_storage(tmp_path: Path, held: bytes, words: str) -> None:
    content = P + table({"a": held}) + b"."
    if "truth" in words:
        content = content.replace(numbers((2, 3)), numbers((8, 3)))
    assert words in refused_by_reading(tmp_path, zipped(content))


@pytest.mark.parametrize(
    ("kind", "words"),
    [(b"K\x01", "a storage of the type 1"), (name("torch", "uint16"), "a storage of the type a name")],
    ids=words_or_file,
)
def test_storages_of_no_type(tmp_path: Path, kind: bytes, words: str) -> None:
    held = b"(" + text("storage") + kind + text("0") + text("cpu") + number(6) + b"tQ"
    assert words in refused_by_reading(tmp_path, zipped(P + table({"a": tensor(held=held)}) + b"."))


@pytest.mark.parametrize(
    ("items", "words"),
    [
        ({"__metadata__": tensor()}, "a tensor of the name '__metadata__'"),
        ({"": tensor()}, "a tensor of the name ''"),
        ({"x" * 1001: tensor()}, "up to 1,000 letters"),
        ({"\ud800": tensor()}, "which is no Unicode"),
    ],
    ids=["metadata", "empty", "long", "surrogate"],
)
def test_names_of_tensors(tmp_path: Path, items: dict[str, bytes], words: str) -> None:
    assert words in refused_by_reading(tmp_path, zipped(P + table(items) + b"."))


MODEL = table({"model": table({"a": tensor()})})
DEPTH = 9_000
DEEP = b"]" * DEPTH + b"a" * (DEPTH - 1)
DEEPER = b")" + b"\x85" * 200_000  # tuples: one value on the stack, however deep


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"]" * 100_000 + b"a" * 99_999, "more than 10,000 values open"),
        (b"(" * 100_000, "more than 10,000 groups open"),
        (b"N" * 100_000, "more than 10,000 values open"),
        (b"}" + b"q\x00" * 1_100_000, "more than 1,000,000 steps"),
        (b"](" + (b"\x8f" * 9_000 + b"e(") * 100 + b"e", "more memory"),
        (DEEPER, "it holds a tuple"),
        (DEEP, "it holds a list"),
        (table({"model": table({"a": tensor()}), "args": DEEP}), "more than 16 deep"),
        (table({"model": table({"a": tensor()}), "args": DEEPER}), "more than 16 deep"),
        (MODEL + text("rest") + swelling(12) + b"s" + text("args") + b"h\xc8s", "more than 20,000 values"),
    ],
    ids="lists marks values steps memory tuples deep args args-tuples args-swelling".split(),
)
def test_bombs(tmp_path: Path, content: bytes, words: str) -> None:
    assert words in refused_by_reading(tmp_path, zipped(P + content + b"."))


def test_a_dict_whose_keys_all_fall_together_ends_by_the_limit_of_time(tmp_path: Path) -> None:
    """Multiples of 2^61 - 1 have one hash: a dict of them takes the square of their number."""
    keys = [number((2**61 - 1) * at) + b"N" for at in range(1, 60_000)]
    batches = (b"(" + b"".join(keys[at : at + 1_000]) + b"u" for at in range(0, len(keys), 1_000))
    content = P + b"}" + b"".join(batches) + b"."
    assert "takes more time" in refusal(tmp_path, zipped(content), Limits(seconds=1))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (
            old(P + table({"a": tensor(legacy=True)}) + b".", storages=[(7, FLOATS)]),
            "has 7 numbers where the pickle says 6",
        ),
        (old(P + table({"a": tensor(legacy=True)}) + b".", storages=[(6, FLOATS[:-1])]), "ends within its storage '0'"),
        (old(P + table({"a": tensor(legacy=True)}) + b".", storages=[]), "ends before its storage '0'"),
        (old(P + table({"a": tensor(legacy=True)}) + b".", storages=[(6, FLOATS + b"x")]), "1 bytes follow"),
        (old(P + table({"a": tensor(legacy=True)}) + b".", keys=("1",)), "its list of storages"),
        (old(P + table({"a": tensor(legacy=True)}) + b".", keys=("0", "0")), "its list of storages"),
        (old(P + table({"a": tensor(legacy=True)}) + b".", keys=()), "its list of storages"),
        (old(P + table({"a": tensor(legacy=True)}) + b".", keys=7), "its list of storages"),
        (old(P + table({"a": tensor()}) + b"."), "refers to 'storage' outside"),
        (
            old(P + table({"a": tensor(legacy=True), "b": tensor(held=storage(count=5, legacy=True))}) + b"."),
            "two sizes or types",
        ),
        (
            old(P + table({"a": tensor(held=storage(legacy=True)[:-3] + b"(" + text("v") + b"K\x05K\x05ttQ")}) + b"."),
            "a view beyond its end",
        ),
        (
            old(P + table({"a": tensor(held=storage(legacy=True)[:-3] + b"K\x05tQ")}) + b"."),
            "for a view of a storage",
        ),
        (P + b"K\x01.", "none of torch.save"),
        (P + b"}.", "none of torch.save"),
        (old(P + table({"a": tensor(legacy=True)}) + b".", little=False), "byte order"),
    ],
    ids=words_or_file,
)
def test_the_old_format(tmp_path: Path, content: bytes, words: str) -> None:
    assert words in refused_by_reading(tmp_path, content)
