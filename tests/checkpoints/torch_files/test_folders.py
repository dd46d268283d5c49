"""Folders with pytorch_model.bin, whole or in shards."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor
from transformers import BertConfig, BertForPreTraining

from maskwright.checkpoints.published_weights import find_weights
from maskwright.checkpoints.torch_files.folder import read_torch_folder
from maskwright.errors import BadInput
from maskwright.models.bert import BertConfig as OurConfig
from tests.checkpoints.torch_files.test_good_files import assert_same

SHAPE = OurConfig(vocab_size=50, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32)


@pytest.fixture
def state() -> dict[str, Tensor]:
    config = BertConfig(vocab_size=50, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32)
    torch.manual_seed(0)
    return BertForPreTraining(config).state_dict()


def sharded(folder: Path, state: dict[str, Tensor]) -> dict[str, str]:
    folder.mkdir()
    names = list(state)
    weight_map = {name: f"pytorch_model-0000{1 + at % 2}-of-00002.bin" for at, name in enumerate(names)}
    for file in set(weight_map.values()):
        torch.save({name: state[name] for name in names if weight_map[name] == file}, folder / file)
    write_index(folder, weight_map)
    return weight_map


def write_index(folder: Path, weight_map: object) -> None:
    (folder / "pytorch_model.bin.index.json").write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))


def test_one_file_becomes_model_safetensors(tmp_path: Path, state: dict[str, Tensor]) -> None:
    (tmp_path / "theirs").mkdir()
    torch.save(state, tmp_path / "theirs" / "pytorch_model.bin")
    (imported,) = read_torch_folder(tmp_path / "theirs", out=tmp_path / "ours")
    assert imported.path == tmp_path / "ours" / "model.safetensors"
    assert_same(load_file(imported.path), state)
    assert [file.name for file in (tmp_path / "ours").iterdir()] == ["model.safetensors"]
    assert "bert.encoder.layer.1.output.dense.weight" in find_weights(tmp_path / "ours", SHAPE)


def test_shards_become_shards_with_an_index(tmp_path: Path, state: dict[str, Tensor]) -> None:
    weight_map = sharded(tmp_path / "theirs", state)
    imported = read_torch_folder(tmp_path / "theirs", out=tmp_path / "ours")
    assert {one.path.name for one in imported} == {
        "model-00001-of-00002.safetensors",
        "model-00002-of-00002.safetensors",
    }
    index = json.loads((tmp_path / "ours" / "model.safetensors.index.json").read_text())["weight_map"]
    assert index == {name: file[8:].replace(".bin", ".safetensors") for name, file in weight_map.items()}
    found = {name: tensor for one in imported for name, tensor in load_file(one.path).items()}
    assert_same(found, state)
    for stored in find_weights(tmp_path / "ours", SHAPE).values():
        assert torch.equal(stored.read(), state[stored.name])


@pytest.mark.parametrize(
    ("file", "words"),
    [
        ("../pytorch_model-1.bin", "beside the index"),
        ("/etc/passwd", "beside the index"),
        ("model.safetensors", "beside the index"),
        ("pytorch_model-1.bin\n", "beside the index"),
        ("pytorch_model.tar/x.bin", "beside the index"),
        (7, "beside the index"),
        ("pytorch_model-9.bin", "pytorch_model-9.bin: missing"),
    ],
)
def test_shards_elsewhere(tmp_path: Path, state: dict[str, Tensor], file: object, words: str) -> None:
    weight_map = sharded(tmp_path / "theirs", state)
    write_index(tmp_path / "theirs", {**weight_map, "more": file})
    with pytest.raises(BadInput, match=words):
        read_torch_folder(tmp_path / "theirs", out=tmp_path / "ours")
    assert [file.name for file in tmp_path.iterdir()] == ["theirs"]


@pytest.mark.parametrize("weight_map", [None, {}, [], "x"])
def test_an_index_without_its_table(tmp_path: Path, weight_map: object) -> None:
    (tmp_path / "theirs").mkdir()
    write_index(tmp_path / "theirs", weight_map)
    with pytest.raises(BadInput, match="weight_map, the table of tensors and files, is missing"):
        read_torch_folder(tmp_path / "theirs", out=tmp_path / "ours")


def test_a_bad_shard_leaves_no_folder(tmp_path: Path, state: dict[str, Tensor]) -> None:
    sharded(tmp_path / "theirs", state)
    torch.save(torch.nn.Linear(1, 1), tmp_path / "theirs" / "pytorch_model-00002-of-00002.bin")
    with pytest.raises(
        BadInput, match="pytorch_model-00002-of-00002.bin: it wants to run torch.nn.modules.linear.Linear"
    ):
        read_torch_folder(tmp_path / "theirs", out=tmp_path / "ours")
    assert [file.name for file in tmp_path.iterdir()] == ["theirs"]


def test_a_folder_without_weights(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"has neither pytorch_model\.bin nor"):
        read_torch_folder(tmp_path, out=tmp_path / "ours")
