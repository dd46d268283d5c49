"""TensorFlow checkpoints: read as the format describes them, written as TensorFlow 2.21 writes them.

No TensorFlow here: files are put together byte by byte (`bundle_bytes`), or were written by it and stand below.
"""

from base64 import b64decode
from pathlib import Path

import numpy as np
import pytest
import torch

from maskwright.checkpoints.tensor_bundle import open_bundle
from maskwright.checkpoints.tensor_bundle_writer import write_bundle
from maskwright.errors import BadInput
from tests.checkpoints.bundle_bytes import BFLOAT16, INT64, TEXT, Tensor, entry, field, floats, header, table, write

# tf.raw_ops.SaveV2 of TensorFlow 2.21.0, of "a/bias" [.5, -1.5, 3.], "a/kernel" [[0., 1, 2], [3, 4, 5]],
# "b/half" [1., -2.5, .15625] in bfloat16, and "global_step" 70000 in int64.
INDEX = b64decode(
    "AAAGCAEaAggBAAYPYS9iaWFzCAESBBICCAMoDDVEy/a+AgYVa2VybmVsCAESCBICCAISAggDIAwoGDXA2z0XAAYRYi9oYWxmCA4SBBICCAMgJCgG"
    "NXWAlHsACw1nbG9iYWxfc3RlcAgJEgAgKigINUXzRvQAAAAAAQAAAADqvoK2AAAAAAEAAAAAwPKhsAABAmgAfAAAAAABAAAAABmGTSCBAQiOAQ4A"
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAV/uAiyR1R9s="
)
DATA = b64decode("AAAAPwAAwL8AAEBAAAAAAAAAgD8AAABAAABAQAAAgEAAAKBAgD8gwCA+cBEBAAAAAAA=")


def of_tensorflow(folder: Path) -> Path:
    (folder / "golden.index").write_bytes(INDEX)
    (folder / "golden.data-00000-of-00001").write_bytes(DATA)
    return folder / "golden"


def test_what_tensorflow_wrote_is_read(tmp_path: Path) -> None:
    bundle = open_bundle(of_tensorflow(tmp_path))
    assert bundle.names() == ["a/bias", "a/kernel", "b/half", "global_step"]
    assert bundle.read("a/kernel").tolist() == [[0, 1, 2], [3, 4, 5]]
    assert bundle.read("a/bias").tolist() == [0.5, -1.5, 3]
    assert bundle.entry("b/half").dtype == "bfloat16"
    assert bundle.read("b/half").tolist() == [1, -2.5, 0.15625]
    step = bundle.read("global_step")
    assert (step.dtype, step.shape, int(step)) == (np.int64, (), 70000)


def test_what_is_written_is_what_tensorflow_writes(tmp_path: Path) -> None:
    """Byte for byte, but for bfloat16, which numpy lacks: as large numbers of two bytes, with that one byte changed."""
    half = np.frombuffer(DATA[36:42], np.uint16)
    tensors = {
        "global_step": np.array(70000),
        "b/half": half,
        "a/kernel": np.array([[0, 3], [1, 4], [2, 5]], np.float32).T,
        "a/bias": np.array([0.5, -1.5, 3], ">f4"),
    }
    write_bundle(tmp_path / "ours", tensors)
    assert (tmp_path / "ours.data-00000-of-00001").read_bytes() == DATA
    ours = (tmp_path / "ours.index").read_bytes()
    other = [i for i, (a, b) in enumerate(zip(ours, INDEX, strict=True)) if a != b]
    where = INDEX.index(b"b/half") + len("b/half") + 1
    assert (ours[where], INDEX[where]) == (17, 14)  # DT_UINT16, DT_BFLOAT16
    assert other[0] == where
    checksum = INDEX.index(bytes.fromhex("eabe82b6"))
    assert set(other[1:]) <= set(range(checksum, checksum + 4))


def test_many_blocks_and_files(tmp_path: Path) -> None:
    tensors = [floats(f"layer_{i}/kernel", 2 + i % 5, 3, shard=i % 3) for i in range(100)]
    prefix = write(tmp_path / "model", tensors, make=lambda pairs: table(pairs, per_block=7, interval=3), shards=3)
    bundle = open_bundle(prefix)
    assert bundle.names() == sorted(t.name for t in tensors)
    for tensor in tensors:
        values = bundle.read(tensor.name)
        assert (values.tobytes(), values.shape) == (tensor.raw, tensor.shape)
        assert bundle.shard(bundle.entry(tensor.name).shard).name == f"model.data-{tensor.shard:05d}-of-00003"


def test_bfloat16_is_widened_exactly(tmp_path: Path) -> None:
    values = torch.randn(5, 4, generator=torch.Generator().manual_seed(3)).bfloat16()
    raw = values.view(torch.uint16).numpy().tobytes()
    bundle = open_bundle(write(tmp_path / "model", [Tensor("half", BFLOAT16, (5, 4), raw)]))
    read = bundle.read("half")
    assert read.dtype == np.float32
    assert torch.equal(torch.from_numpy(read), values.float())


@pytest.mark.parametrize(
    "dtype", "float16 float32 float64 int8 int16 int32 int64 uint8 uint16 uint32 uint64 bool".split()
)
def test_types_come_back(tmp_path: Path, dtype: str) -> None:
    values = np.arange(-6, 6).reshape(3, 4).astype(dtype)
    write_bundle(tmp_path / "model", {"x": values, "one": values[1, 2], "none": values[:0]})
    bundle = open_bundle(tmp_path / "model")
    for name, wanted in {"x": values, "one": values[1, 2], "none": values[:0]}.items():
        read = bundle.read(name)
        assert (read.dtype, read.shape, read.tobytes()) == (wanted.dtype, wanted.shape, wanted.tobytes())
    assert bundle.read("x").flags.writeable


def test_many_blocks_are_written(tmp_path: Path) -> None:
    """Enough names for an index of several blocks, whose shortened keys must still be in order."""
    tensors = {f"bert/encoder/layer_{i}/" + "x" * (i % 700): np.full(i % 3, i, np.int32) for i in range(2000)}
    write_bundle(tmp_path / "model", tensors)
    bundle = open_bundle(tmp_path / "model")
    assert bundle.names() == sorted(tensors)
    assert all(np.array_equal(bundle.read(name), tensors[name]) for name in list(tensors)[::97])
    assert (tmp_path / "model.index").read_bytes().count(b"bert/encoder/layer_") > 3


@pytest.mark.parametrize("name", ["", "golden", "golden.index", "golden.data-00000-of-00001", "golden.meta"])
def test_any_of_its_names(tmp_path: Path, name: str) -> None:
    of_tensorflow(tmp_path)
    assert len(open_bundle(tmp_path / name).names()) == 4


def test_a_folder_with_two_is_asked_about(tmp_path: Path) -> None:
    of_tensorflow(tmp_path)
    write(tmp_path / "other", [floats("x", 2)])
    with pytest.raises(BadInput, match=r"2 of them \(golden.index, other.index\): name it"):
        open_bundle(tmp_path)
    with pytest.raises(BadInput, match="it has none"):
        open_bundle((tmp_path / "empty").mkdir() or tmp_path / "empty")


def test_text_and_slices_are_refused_when_they_are_read(tmp_path: Path) -> None:
    sliced = Tensor("sliced", 1, (4, 2), b"", more=field(7, field(1, field(1, 0) + field(2, 2))))
    one_slice = floats("\0\1sliced\0\1", 2, 2)
    text = Tensor("text", TEXT, (2,), b"\1\1....ab")
    bundle = open_bundle(write(tmp_path / "model", [sliced, one_slice, text, floats("x", 2)]))
    assert bundle.names() == ["sliced", "text", "x"]
    with pytest.raises(BadInput, match="saved in slices.*without a partitioner"):
        bundle.read("sliced")
    with pytest.raises(BadInput, match="holds text"):
        bundle.read("text")
    with pytest.raises(BadInput, match="there is no tensor 'y'"):
        bundle.read("y")


def test_unknown_fields_are_passed_over(tmp_path: Path) -> None:
    more = field(15, 7) + field(16, b"new") + b"\x8d\x01abcd" + b"\x91\x01abcdefgh"
    tensor = floats("x", 3)._replace(more=more)
    assert open_bundle(write(tmp_path / "model", [tensor], header() + more)).read("x").tobytes() == tensor.raw


def test_a_checkpoint_is_not_replaced(tmp_path: Path) -> None:
    write_bundle(tmp_path / "model", {"x": np.ones(3)})
    with pytest.raises(BadInput, match="exists already"):
        write_bundle(tmp_path / "model", {"x": np.zeros(3)})
    assert open_bundle(tmp_path / "model").read("x").tolist() == [1, 1, 1]


@pytest.mark.parametrize(
    ("tensors", "wish"),
    [
        ({"": np.ones(1)}, "is no name"),
        ({"a\nb": np.ones(1)}, "is no name"),
        ({"x": np.ones(1, np.complex64)}, "x is complex64: there are float32"),
        ({"x": np.array(["a"])}, "cast it"),
    ],
)
def test_what_cannot_be_written(tmp_path: Path, tensors: dict[str, np.ndarray], wish: str) -> None:
    with pytest.raises(BadInput, match=wish):
        write_bundle(tmp_path / "model", tensors)
    assert not list(tmp_path.iterdir())


def test_a_disk_that_is_full_leaves_no_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("maskwright.checkpoints.tensor_bundle_writer._written", full)
    with pytest.raises(OSError, match="No space"):
        write_bundle(tmp_path / "model", {"x": np.ones(3)})
    assert not list(tmp_path.iterdir())


def test_the_test_writer_says_what_tensorflow_says() -> None:
    """The entries put together here are those of the real file."""
    assert entry(Tensor("a/kernel", 1, (2, 3), DATA[12:36]), 12) in INDEX
    assert entry(Tensor("global_step", INT64, (), DATA[42:50]), 42) in INDEX
