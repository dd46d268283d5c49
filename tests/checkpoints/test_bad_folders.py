"""Spoilt, foreign and hostile model folders: one line that names the file, the key or the tensor, and the way out."""

import json
import re
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from maskwright.checkpoints.folder import read_folder
from maskwright.errors import BadInput
from tests.checkpoints import made_up
from tests.models.networks import network

Spoil = Callable[[Path], object]


@pytest.fixture
def model(tmp_path: Path) -> Path:
    made_up.folder(tmp_path / "model")
    return tmp_path / "model"


def refusal(path: Path) -> str:
    with pytest.raises(BadInput) as caught:
        found = read_folder(path)
        there = network(found.config, tuple(found.heads))
        found.fill(there.weight_names(), there)
    message = str(caught.value)
    assert "\n" not in message and str(path) in message
    return message


def set_config(**changes: Any) -> Spoil:
    return lambda path: made_up.change_config(path, **changes)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"model_type": "gptj"}, "model_type is \"gptj\": there is no network 'gptj'"),
        ({"model_type": "../bert"}, 'model_type is "../bert": there is no network'),
        ({"model_type": ["bert"]}, "model_type is ["),
        ({"maskwright_pairs": "xyz"}, 'maskwright_pairs is "xyz": there are nsp and sop'),
        ({"position_embedding_type": "relative_key"}, 'position_embedding_type is "relative_key": only "absolute"'),
        ({"is_decoder": True}, "is_decoder is true: only false is BERT's"),
        ({"is_decoder": 1}, "is_decoder is 1"),
        ({"add_cross_attention": True}, "add_cross_attention is true"),
        ({"pruned_heads": {"0": [1]}}, 'pruned_heads is {"0": [1]}'),
        ({"tie_word_embeddings": False}, "only a decoder that is the token table is read"),
        ({"quantization_config": {"bits": 8}}, "quantised weights are not read"),
        ({"auto_map": {"AutoModel": "evil.py--Evil"}}, "code of its own"),
        ({"hidden_act": "swish"}, 'hidden_act is "swish": there are gelu, gelu_new'),
        ({"hidden_act": ["gelu"]}, "hidden_act is"),
        ({"hidden_size": 10}, "hidden_size 10 is not a multiple of num_attention_heads 4"),
        ({"num_hidden_layers": 1_000_000_000}, "num_hidden_layers is 1000000000: a whole number up to 1,024"),
        ({"num_hidden_layers": -1}, "num_hidden_layers is -1"),
        ({"num_hidden_layers": True}, "num_hidden_layers is true"),
        ({"num_hidden_layers": "12"}, 'num_hidden_layers is "12"'),
        ({"num_hidden_layers": 2.0}, "num_hidden_layers is 2.0"),
        ({"num_hidden_layers": float("nan")}, "num_hidden_layers is NaN"),
        ({"num_attention_heads": 0}, "num_attention_heads"),
        ({"vocab_size": 10**18}, "vocab_size is 1000000000000000000: a whole number up to 10,000,000"),
        ({"layer_norm_eps": "1e-12"}, "layer_norm_eps is"),
        ({"layer_norm_eps": float("inf")}, "layer_norm_eps is Infinity"),
        ({"hidden_dropout_prob": 2}, "hidden_dropout_prob is 2: a number from 0 to 1"),
        ({"architectures": "BertModel"}, "architectures is"),
    ],
    ids=str,
)
def test_a_config_that_is_no_bert(model: Path, changes: dict[str, Any], words: str) -> None:
    if changes == {"hidden_size": 10}:
        changes = {**changes, "num_attention_heads": 4}
    made_up.change_config(model, **changes)
    message = refusal(model)
    assert words in message and str(model / "config.json") in message


def test_harmless_keys_are_passed_over(model: Path) -> None:
    made_up.change_config(
        model,
        directionality="bidi",
        pooler_type="first_token_transform",
        id2label={"0": "x"},
        trust_remote_code=True,
        _attn_implementation_internal="someone/else",
        vocab_file="/etc/passwd",
        torch_dtype="float16",
        pad_token_id=None,
    )
    assert read_folder(model).heads == ["mlm", "nsp"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"", "no readable JSON"),
        (b"[1]", "a JSON object was expected"),
        (b'{"vocab_size": 5, "vocab_size": 6}', "the key 'vocab_size' stands twice"),
        (b"[" * 200_000, "no readable JSON"),
        ("\ufeff{}".encode("utf-16"), "no readable JSON"),
        (b'{"a": "' + b"x" * (17 * 2**20) + b'"}', "more than 16,777,216 bytes"),
    ],
    ids=["empty", "list", "twice", "deep", "utf-16", "long"],
)
def test_a_config_that_is_no_config(model: Path, text: bytes, words: str) -> None:
    (model / "config.json").write_bytes(text)
    assert words in refusal(model)


QUERY = "bert.encoder.layer.1.attention.self.query.weight"


def drop(*names: str) -> Callable[[dict[str, Tensor]], object]:
    return lambda tensors: [tensors.pop(name) for name in names]


def put(
    name: str, make: Callable[[Tensor], Tensor], source: str | None = None
) -> Callable[[dict[str, Tensor]], object]:
    return lambda tensors: tensors.update({name: make(tensors[source or name])})


TABLE = "bert.embeddings.word_embeddings.weight"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (drop(QUERY), f"the tensor {QUERY} is missing; the folder is not whole"),
        (drop(QUERY, QUERY.replace("weight", "bias")), f"{QUERY} is missing and 1 more"),
        (drop("cls.predictions.bias"), "cls.predictions.bias is missing"),
        (drop("bert.pooler.dense.bias"), "bert.pooler.dense.bias is missing"),
        (
            drop("bert.pooler.dense.bias", "bert.pooler.dense.weight"),
            "bert.pooler.* are missing, though config.json says",
        ),
        (drop("cls.seq_relationship.weight", "cls.seq_relationship.bias"), "cls.seq_relationship.* are missing"),
        (put(QUERY, lambda t: t[:8]), f"{QUERY} has the shape 8 x 16, config.json asks for 16 x 16"),
        (put(QUERY, lambda t: t.flatten()), f"{QUERY} has the shape 256, config.json"),
        (put(TABLE, lambda t: t[:-1]), f"{TABLE} has the shape 80 x 16, config.json asks for 81 x 16"),
        (put(QUERY, lambda t: t * float("nan")), f"{QUERY} holds infinity or NaN"),
        (put(QUERY, lambda t: t / 0), f"{QUERY} holds infinity or NaN"),
        (put(QUERY, lambda t: t.double() * 1e300), f"{QUERY} holds infinity or NaN"),
        (put(QUERY, lambda t: t.to(torch.int8)), f"{QUERY} is I8: only F64, F32, F16, BF16 are read"),
        (put("bert.encoder.layer.2.output.dense.bias", torch.clone, QUERY), "has no place in a BERT of 2 layers"),
        (put("bert.adapter.down", torch.clone, QUERY), "bert.adapter.down has no place"),
        (put("../../etc/x", torch.clone, QUERY), "../../etc/x has no place"),
        (put(QUERY.removeprefix("bert."), torch.clone, QUERY), "are the same weight: keep one"),
        (put("cls.predictions.decoder.weight", lambda t: t + 1, TABLE), "a decoder of its own is not BERT's"),
        (put("cls.predictions.decoder.weight", lambda t: t[:-1].clone(), TABLE), "a decoder of its own is not BERT's"),
        (
            put("cls.predictions.decoder.bias", lambda t: t + 1, "cls.predictions.bias"),
            "differs from cls.predictions.bias",
        ),
    ],
)
def test_wrong_tensors(model: Path, change: Callable[[dict[str, Tensor]], object], words: str) -> None:
    made_up.change_tensors(model, change)
    assert words in refusal(model)


def header_of(path: Path) -> tuple[bytes, bytes]:
    raw = path.read_bytes()
    length = struct.unpack("<Q", raw[:8])[0]
    return raw[8 : 8 + length], raw[8 + length :]


def with_header(path: Path, header: bytes) -> None:
    _, data = header_of(path)
    path.write_bytes(struct.pack("<Q", len(header)) + header + data)


def twice(path: Path) -> None:
    header, _ = header_of(path)
    entry = json.dumps(json.loads(header)[QUERY])
    with_header(path, header.rstrip()[:-1] + f', "{QUERY}": {entry}}}'.encode())


def reshaped(shape: list[int]) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        header = json.loads(header_of(path)[0])
        header[QUERY]["shape"] = shape
        with_header(path, json.dumps(header).encode())

    return change


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:-100]), "not a whole safetensors file"),
        (lambda path: path.write_bytes(path.read_bytes()[:200]), "cut short"),
        (lambda path: path.write_bytes(b""), "not a safetensors file"),
        (lambda path: path.write_bytes(path.read_bytes() + b"x"), "not a whole safetensors file"),
        (lambda path: path.write_bytes(struct.pack("<Q", 2**62) + b"{}"), "not a safetensors file"),
        (lambda path: path.write_bytes(b"PK\x03\x04" + b"\x00" * 400), "safetensors file"),
        (lambda path: with_header(path, b"{" * 1000), "no readable JSON"),
        (lambda path: with_header(path, b'{"a": 1}'), "not a whole safetensors file"),
        (twice, f"the key '{QUERY}' stands twice"),
        (reshaped([2**62, 2**62]), "not a whole safetensors file"),
        (reshaped([0, 2**62]), "safetensors"),
        (reshaped([-16, -16]), "not a whole safetensors file"),
    ],
)
def test_spoilt_safetensors(model: Path, spoil: Spoil, words: str) -> None:
    spoil(model / "model.safetensors")
    assert words in refusal(model)


def test_every_truncation_is_found(model: Path) -> None:
    whole = (model / "model.safetensors").read_bytes()
    for length in [*range(0, 40, 7), *range(40, len(whole), len(whole) // 25), len(whole) - 1]:
        (model / "model.safetensors").write_bytes(whole[:length])
        assert "model.safetensors" in refusal(model)


@pytest.mark.parametrize("name", ["pytorch_model.bin", "tf_model.h5", "bert_model.ckpt"])
def test_pickles_are_not_even_opened(model: Path, name: str) -> None:
    (model / "model.safetensors").rename(model / name)
    (model / name).chmod(0)
    message = refusal(model)
    assert name in message
    assert ("maskwright import" if name.endswith(".bin") else "safe_serialization=True") in message


def test_missing_files(model: Path, tmp_path: Path) -> None:
    (model / "model.safetensors").unlink()
    assert "model.safetensors is missing" in refusal(model)
    (model / "config.json").unlink()
    assert "config.json: missing" in refusal(model)
    assert "is no model folder" in refusal(tmp_path / "nowhere")
    (tmp_path / "run/model").mkdir(parents=True)
    (tmp_path / "run/model/config.json").write_text("{}")
    assert f"its model is in {tmp_path / 'run/model'}" in refusal(tmp_path / "run")


def shard(model: Path) -> dict[str, Any]:
    tensors = load_file(model / "model.safetensors")
    (model / "model.safetensors").unlink()
    names = sorted(tensors)
    save_file({n: tensors[n] for n in names[:10]}, model / "a.safetensors")
    save_file({n: tensors[n] for n in names[10:]}, model / "b.safetensors")
    return {"weight_map": {n: "a.safetensors" if n in names[:10] else "b.safetensors" for n in names}}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"weight_map": None}, "weight_map, the table of tensors and files, is missing"),
        ({QUERY: "../b.safetensors"}, "a safetensors file beside the index was expected"),
        ({QUERY: "/etc/passwd"}, "a safetensors file beside the index was expected"),
        ({QUERY: "pytorch_model.bin"}, "a safetensors file beside the index was expected"),
        ({QUERY: 3}, "a safetensors file beside the index was expected"),
        ({QUERY: "c.safetensors"}, "c.safetensors: missing, though"),
        ({"cls.more": "b.safetensors"}, "cls.more is missing, though"),
    ],
)
def test_a_wrong_index(model: Path, change: dict[str, Any], words: str) -> None:
    index = shard(model)
    if "weight_map" in change:
        index.update(change)
    else:
        index["weight_map"].update(change)
    (model / "model.safetensors.index.json").write_text(json.dumps(index))
    assert words in refusal(model)


def test_the_same_weight_in_two_shards(model: Path) -> None:
    index = shard(model)
    made_up.change_tensors(model, put(QUERY + "x", torch.clone, QUERY), "b.safetensors")
    tensors = load_file(model / "a.safetensors")
    save_file({**tensors, QUERY: torch.zeros(16, 16)}, model / "a.safetensors")
    (model / "model.safetensors.index.json").write_text(json.dumps(index))
    assert re.search("are the same weight: keep one", refusal(model))
