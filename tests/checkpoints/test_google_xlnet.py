"""Google's XLNet checkpoints, put together byte by byte, beside the class of transformers they belong to."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers

import maskwright as mw
from maskwright.checkpoints.google_xlnet import read_google_xlnet
from maskwright.errors import BadInput
from maskwright.inference.importing import import_model
from maskwright.lab.certificate import compare
from tests.checkpoints import made_up
from tests.checkpoints.bundle_bytes import FLOAT, INT64, Tensor, write

SIZES = {"n_token": 64, "d_model": 12, "n_layer": 2, "n_head": 3, "d_head": 4, "d_inner": 20}
LAYER = {
    **{f"rel_attn/{letter}/kernel": f"rel_attn.{letter}" for letter in "qkvor"},
    "rel_attn/LayerNorm/gamma": "rel_attn.layer_norm.weight",
    "rel_attn/LayerNorm/beta": "rel_attn.layer_norm.bias",
    "ff/layer_1/kernel": "ff.layer_1.weight",
    "ff/layer_1/bias": "ff.layer_1.bias",
    "ff/layer_2/kernel": "ff.layer_2.weight",
    "ff/layer_2/bias": "ff.layer_2.bias",
    "ff/LayerNorm/gamma": "ff.layer_norm.weight",
    "ff/LayerNorm/beta": "ff.layer_norm.bias",
}
Change = Callable[[list[Tensor]], list[Tensor]]


def published(folder: Path, change: Change = list, *, untied: bool = True, **settings: Any) -> dict[str, torch.Tensor]:
    """Write what Google would publish of a random network; returns its weights in transformers."""
    torch.manual_seed(4)
    numbers = {"vocab_size" if key == "n_token" else key: value for key, value in SIZES.items()}
    model = transformers.XLNetLMHeadModel(transformers.XLNetConfig(**numbers))
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    weights = {name: tensor.detach() for name, tensor in model.state_dict().items()}
    if not untied:
        for letter in "wrs":
            weights[f"transformer.layer.1.rel_attn.r_{letter}_bias"] = weights[
                f"transformer.layer.0.rel_attn.r_{letter}_bias"
            ]
    named = {
        "model/transformer/word_embedding/lookup_table": weights["transformer.word_embedding.weight"],
        "model/transformer/mask_emb/mask_emb": weights["transformer.mask_emb"],
        "model/lm_loss/bias": weights["lm_loss.bias"],
    }
    for i in range(2):
        for google, there in LAYER.items():
            tensor = weights[f"transformer.layer.{i}.{there}"]
            named[f"model/transformer/layer_{i}/{google}"] = (
                tensor.T if google.startswith("ff") and google.endswith("kernel") else tensor
            )
    for name in ("r_w_bias", "r_r_bias", "r_s_bias", "seg_embed"):
        layers = torch.stack([weights[f"transformer.layer.{i}.rel_attn.{name}"] for i in range(2)])
        named[f"model/transformer/{name}"] = layers if untied or name == "seg_embed" else layers[0]
    made = [
        Tensor(name, FLOAT, tuple(tensor.shape), np.ascontiguousarray(tensor.numpy()).tobytes())
        for name, tensor in sorted(named.items())
    ]
    write(folder / "xlnet_model.ckpt", change(made))
    data = {**SIZES, "ff_activation": "gelu", "untie_r": untied, **settings}
    (folder / "xlnet_config.json").write_text(json.dumps({k: v for k, v in data.items() if v is not None}))
    return weights


@pytest.mark.parametrize("untied", [True, False])
def test_the_network_of_transformers(tmp_path: Path, untied: bool) -> None:
    weights = published(tmp_path, untied=untied)
    read = read_google_xlnet(tmp_path)
    assert set(weights) - set(read.tensors) == {"lm_loss.weight"} and read.left_out == []
    for name, tensor in read.tensors.items():
        assert torch.equal(tensor, weights[name]) and tensor.is_contiguous(), name
    assert read.config["architectures"] == ["XLNetLMHeadModel"] and read.config["ff_activation"] == "gelu_new"
    model = transformers.XLNetLMHeadModel(transformers.XLNetConfig(**read.config))
    lost, surplus = model.load_state_dict(read.tensors, strict=False)
    assert set(lost) <= {"lm_loss.weight"} and surplus == []


@pytest.mark.parametrize("untied", [True, False])
def test_import(tmp_path: Path, untied: bool) -> None:
    """A folder that both load, with a certificate that they say the same."""
    (tmp_path / "google").mkdir()
    weights = published(tmp_path / "google", untied=untied)
    made_up.tokenizer_for("xlnet").save(tmp_path / "tokenizer")
    certificate = import_model(
        tmp_path / "google", tmp_path / "ours", tokenizer=tmp_path / "tokenizer", compare=compare
    )
    assert max(certificate["reference"]["differences"].values()) < 1e-5 and certificate["heads"] == ["plm"]
    assert certificate["network"] == "XLNet" and certificate["left_out"] == {}
    encoder = mw.load(tmp_path / "ours")
    assert torch.equal(encoder.model.encoder.token_table, weights["transformer.word_embedding.weight"])
    assert encoder.config.ff_activation == "gelu_tanh" and encoder.config.untie_r == untied
    _, report = transformers.XLNetLMHeadModel.from_pretrained(tmp_path / "ours", output_loading_info=True)
    assert not report["missing_keys"] and not report["unexpected_keys"]


def test_what_training_and_fine_tuning_left_behind(tmp_path: Path) -> None:
    def trained(tensors: list[Tensor]) -> list[Tensor]:
        slots = [t._replace(name=f"{t.name}/{slot}") for t in tensors for slot in ("adam_m", "adam_v")]
        others = [
            Tensor("global_step", INT64, (), bytes(8)),
            Tensor("model/sequnece_summary/summary/bias", FLOAT, (2,), bytes(8)),
        ]
        return sorted([*(t for t in tensors if "lm_loss" not in t.name), *slots, *others])

    published(tmp_path, trained)
    read = read_google_xlnet(tmp_path)
    assert read.config["architectures"] == ["XLNetModel"]
    assert {"global_step", "model/sequnece_summary/summary/bias"} < set(read.left_out)


def without(name: str) -> Change:
    return lambda tensors: [t for t in tensors if t.name != name]


def changed(name: str, **changes: Any) -> Change:
    return lambda tensors: [t._replace(**changes) if t.name == name else t for t in tensors]


QUERY = "model/transformer/layer_1/rel_attn/q/kernel"
BAD: dict[str, tuple[Change, dict[str, Any], str]] = {
    "a weight less": (without(QUERY), {}, f"{QUERY} is missing"),
    "a layer more": (list, {"n_layer": 1}, "layer_1/.* has no place in the XLNet"),
    "a layer less": (list, {"n_layer": 3}, "layer_2/.* is missing"),
    "another width": (list, {"d_inner": 21}, "has the shape 12 x 20, its configuration asks for 12 x 21"),
    "tied": (list, {"untie_r": False}, "r_w_bias has the shape 2 x 3 x 4, its configuration asks for 3 x 4"),
    "whole numbers": (changed("model/lm_loss/bias", dtype=3), {}, "holds int32: floating-point"),
    "another head width": (list, {"d_head": 5}, "d_head is 5: only d_model / n_head"),
    "no size": (list, {"n_token": None}, "n_token is None"),
    "another activation": (list, {"ff_activation": "swish"}, "ff_activation is 'swish': there are gelu, relu"),
    "no word on biases": (list, {"untie_r": None}, "untie_r is None: true or false"),
}


@pytest.mark.parametrize("case", BAD)
def test_not_a_pair(tmp_path: Path, case: str) -> None:
    change, settings, wish = BAD[case]
    published(tmp_path, change, **settings)
    with pytest.raises(BadInput, match=wish) as caught:
        read_google_xlnet(tmp_path)
    assert "\n" not in str(caught.value)
