"""What torch.save writes comes back bit for bit, as torch.load gives it."""

import argparse
import collections
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file
from torch import Tensor, nn

from maskwright.checkpoints.torch_files.guarded import Imported, read_torch_file
from tests.checkpoints.torch_files.crafted import P, number, table, tensor, text, zipped

FORMS = {"zip": True, "old": False}


def saved(folder: Path, value: object, form: str = "zip", protocol: int = 2) -> Path:
    path = folder / "pytorch_model.bin"
    torch.save(value, path, pickle_protocol=protocol, _use_new_zipfile_serialization=FORMS[form])
    return path


def read(path: Path) -> tuple[Imported, dict[str, Tensor]]:
    out = path.with_name("model.safetensors")
    out.unlink(missing_ok=True)
    imported = read_torch_file(path, out=out)
    return imported, load_file(out)


def assert_same(found: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    assert found.keys() == expected.keys()
    for name, wanted in expected.items():
        got = found[name]
        assert (got.dtype, got.shape) == (wanted.dtype, wanted.shape), name
        assert raw(got) == raw(wanted), name


def raw(tensor: Tensor) -> bytes:
    """Its bytes in the order of its axes."""
    if not tensor.numel():
        return b""
    return bytes(tensor.detach().clone(memory_format=torch.contiguous_format).view(-1).view(torch.uint8).numpy())


def varied() -> dict[str, Tensor]:
    draws = torch.Generator().manual_seed(1)
    base = torch.randn(7, 5, generator=draws)
    kinds = (torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.int32, torch.int16)
    kinds += (torch.int8, torch.uint8, torch.uint16, torch.uint32, torch.uint64)
    return {
        **{f"of {kind}": (base.abs() * 50).to(kind) for kind in kinds},
        "table": base,
        "tied": base,
        "transposed": base.t(),
        "rows": base[2:5],
        "columns": base[:, 1:4],
        "every other": base[::2, ::2],
        "one row many times": base[:1].expand(4, 5),
        "permuted": torch.randn(2, 3, 4, generator=draws).permute(2, 0, 1),
        "number": torch.tensor(3.5),
        "one": torch.ones(1, 1, 1),
        "truth": base > 0,
        "truth apart": (base > 0).t(),
        "empty": torch.empty(0),
        "empty rows": torch.empty(0, 5)[:, ::2],
        "not numbers": torch.tensor([float("nan"), float("inf"), -0.0, 1e-45]),
        '名 ../\n"': torch.arange(3),
    }


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("form", FORMS)
def test_tensors_of_every_kind(tmp_path: Path, form: str, protocol: int) -> None:
    path = saved(tmp_path, varied(), form, protocol)
    imported, found = read(path)
    assert_same(found, varied())
    if form == "zip" and protocol < 4:  # what torch.load(weights_only=True) takes
        assert_same(found, torch.load(path, weights_only=True))
    assert imported.dropped == () and imported.values == {} and imported.tensors == len(found)
    assert imported.path == tmp_path / "model.safetensors"
    assert sorted(file.name for file in tmp_path.iterdir()) == ["model.safetensors", "pytorch_model.bin"]
    assert (tmp_path / "model.safetensors").stat().st_mode & 0o777 == 0o666 & ~_umask()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


@pytest.mark.parametrize("form", FORMS)
def test_the_state_of_a_module_with_parameters_and_its_metadata(tmp_path: Path, form: str) -> None:
    network = nn.Sequential(nn.Embedding(9, 4), nn.LayerNorm(4), nn.Linear(4, 4), nn.BatchNorm1d(4))
    state = network.state_dict()
    assert hasattr(state, "_metadata")
    path = saved(tmp_path, state, form)
    assert_same(read(path)[1], dict(state))
    path = saved(tmp_path, dict(network.named_parameters()), form)
    assert_same(read(path)[1], dict(network.named_parameters()))


@pytest.mark.parametrize("key", ["model", "state_dict"])
def test_tensors_below_a_key_and_the_settings_beside_them(tmp_path: Path, key: str) -> None:
    network = nn.Linear(3, 2)
    optimizer = torch.optim.Adam(network.parameters())
    network(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    args = argparse.Namespace(
        layers=4, rate=1e-3, name="名", on=True, off=None, lists=[1, [2.5]], size=torch.Size([2, 3])
    )
    args.inner = argparse.Namespace(deep={"a": 1, 2: "b"})
    args.kind, args.where, args.left_out = torch.float16, torch.device("cuda", 0), torch.ones(1)
    value = {
        "args": args,
        "cfg": {"model": args, "infinite": float("inf")},
        "params": None,
        key: collections.OrderedDict([*network.state_dict().items(), ("_extra", {"a": 1})]),
        "optimizer": optimizer.state_dict(),
        "step": 7,
        "numbers": {1, 2},
        "best": np.float64(0.25),
        "raw": b"abc",
    }
    path = saved(tmp_path, value)
    imported, found = read(path)
    assert_same(found, dict(network.state_dict()))
    plain: dict[str, Any] = {
        "layers": 4, "rate": 1e-3, "name": "名", "on": True, "off": None, "lists": [1, [2.5]], "size": [2, 3],
        "inner": {"deep": {"a": 1, "2": "b"}}, "kind": "torch.float16", "where": "cuda:0",
    }  # fmt: skip
    assert imported.values == {"args": plain, "cfg": {"model": plain, "infinite": float("inf")}}
    left_out = ("args.left_out", "cfg.model.left_out", "optimizer", "step", "numbers", "best", "raw", f"{key}._extra")
    assert set(imported.dropped) == set(left_out) and len(imported.dropped) == len(left_out)


def test_numbers_of_numpy_among_settings(tmp_path: Path) -> None:
    args = argparse.Namespace(best=np.float64(0.25), steps=np.int64(-3), half=np.float32(1.5))
    path = saved(tmp_path, {"model": {"a": torch.ones(1)}, "args": args})
    assert read(path)[0].values == {"args": {"best": 0.25, "steps": -3, "half": 1.5}}


def test_a_link_is_followed(tmp_path: Path) -> None:
    """Caches of model hubs are made of links."""
    saved(tmp_path, {"a": torch.ones(2)}).rename(tmp_path / "blob")
    (tmp_path / "pytorch_model.bin").symlink_to("blob")
    assert_same(read(tmp_path / "pytorch_model.bin")[1], {"a": torch.ones(2)})


def test_what_is_unusual_and_harmless_is_read(tmp_path: Path) -> None:
    lists = b"](K\x01K\x02eq\x00" + b"".join(
        b"](" + (b"h" + bytes([level])) * 10 + b"eq" + bytes([level + 1]) for level in range(30)
    )
    odd = {
        "a": tensor(),
        "empty": tensor((2**40, 0, 2**40), (1, 1, 1)),
        "far in the memo": number(1) + b"r\xff\xff\xff\xff",
        "swelling": b"(" + lists + b"t",
        "very deep": b")" + b"\x85" * 50_000,
        "in itself": b"]q\x40h\x40a",
    }
    path = tmp_path / "pytorch_model.bin"
    path.write_bytes(zipped(P + table(odd) + text("b") + tensor((3,), (2,)) + b"s."))
    imported, found = read(path)
    assert found["empty"].shape == (2**40, 0, 2**40)
    assert found["b"].tolist() == [0, 2, 4] and found["a"].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert imported.dropped == ("far in the memo", "swelling", "very deep", "in itself")


@st.composite
def views(draw: st.DrawFn) -> Tensor:
    """A view of any strides, overlapping ones too."""
    shape = draw(st.lists(st.integers(0, 4), max_size=4))
    strides = [draw(st.integers(0, 6)) for _ in shape]
    offset = draw(st.integers(0, 5))
    kind = draw(st.sampled_from([torch.float32, torch.bfloat16, torch.int64, torch.uint8, torch.bool]))
    need = offset + sum(max(size - 1, 0) * stride for size, stride in zip(shape, strides, strict=True)) + 1
    return (torch.arange(need) % 2).to(kind).as_strided(shape, strides, offset)


@given(st.lists(views(), min_size=1, max_size=8), st.sampled_from(sorted(FORMS)))
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_views_of_any_strides(tmp_path: Path, tensors: list[Tensor], form: str) -> None:
    path = saved(tmp_path, {str(at): one for at, one in enumerate(tensors)}, form)
    assert_same(read(path)[1], torch.load(path, weights_only=True))
