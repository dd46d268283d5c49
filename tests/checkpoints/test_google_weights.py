"""Google's checkpoints beside the classes of transformers that the same weights belong to.

They are put together byte by byte (`bundle_bytes`), from the weights of a network of transformers.
"""

from pathlib import Path
from typing import Any

import pytest
import torch

from maskwright.checkpoints.google_names import albert_names, bert_names, google_name, published_name
from maskwright.checkpoints.google_weights import read_google, write_google_bert
from maskwright.checkpoints.tensor_bundle import open_bundle
from maskwright.errors import BadInput
from maskwright.models.bert import BertConfig
from tests.checkpoints.bundle_bytes import BFLOAT16, FLOAT, INT64, Tensor
from tests.checkpoints.google_made_up import SIZES, Change, network, published, table, transformers, variables


@pytest.mark.parametrize("kind", ["bert", "albert"])
def test_the_network_of_transformers(tmp_path: Path, kind: str) -> None:
    weights = published(tmp_path, kind)
    read = read_google(tmp_path)
    missing = set(weights) - set(read.tensors)
    assert all("decoder" in name or name.endswith("position_ids") for name in missing), missing
    assert all(torch.equal(tensor, weights[name]) for name, tensor in read.tensors.items())
    assert all(tensor.dtype == torch.float32 and tensor.is_contiguous() for tensor in read.tensors.values())
    assert read.left_out == []
    assert read.config["hidden_act"] == {"bert": "gelu", "albert": "gelu_new"}[kind]
    model = transformers.AutoModelForPreTraining.from_config(transformers.AutoConfig.for_model(**read.config))
    assert type(model).__name__ == read.config["architectures"][0]
    lost, surplus = model.load_state_dict(read.tensors, strict=False)
    assert (set(lost), surplus) == (missing, [])


@pytest.mark.parametrize("kind", ["bert", "albert"])
def test_names_both_ways(kind: str) -> None:
    names = bert_names(2) if kind == "bert" else albert_names(2, 2)
    assert {name.google: name.published for name in names} == table(kind)
    for google, there in table(kind).items():
        assert published_name(names, google) == there
        assert google_name(names, there) == google
    assert published_name(names, "global_step") is None
    assert google_name(names, "bert.encoder.layer.2.output.dense.bias") is None


def test_what_training_left_behind(tmp_path: Path) -> None:
    def trained(tensors: list[Tensor]) -> list[Tensor]:
        slots = [t._replace(name=f"{t.name}/{slot}") for t in tensors for slot in ("adam_m", "adam_v", "lamb_v")]
        step = Tensor("global_step", INT64, (), bytes(8))
        return [*tensors, *slots, step, Tensor("output_bias", FLOAT, (2,), bytes(8))]

    weights = published(tmp_path, "bert", trained)
    read = read_google(tmp_path / "bert_model.ckpt", tmp_path / "bert_config.json")
    assert len(read.left_out) == 3 * len(read.tensors) + 2
    assert {"global_step", "output_bias", "bert/pooler/dense/kernel/adam_m"} < set(read.left_out)
    assert torch.equal(read.tensors["bert.pooler.dense.weight"], weights["bert.pooler.dense.weight"])


def test_names_of_the_hub_and_half_precision(tmp_path: Path) -> None:
    weights = {name: tensor.detach() for name, tensor in network("albert").state_dict().items()}
    halves = [t._replace(name=f"module/{t.name}") for t in variables("albert", weights, BFLOAT16)]
    published(tmp_path, "albert", lambda _: halves)
    read = read_google(tmp_path)
    assert len(read.tensors) == len(table("albert"))
    assert all(torch.equal(tensor, weights[name].bfloat16().float()) for name, tensor in read.tensors.items())


@pytest.mark.parametrize(
    ("lost", "architecture"),
    [
        (("cls/",), "BertModel"),
        (("cls/seq_relationship", "bert/pooler"), "BertForMaskedLM"),
        (("cls/predictions",), "BertForNextSentencePrediction"),
    ],
)
def test_heads_may_be_absent(tmp_path: Path, lost: tuple[str, ...], architecture: str) -> None:
    published(tmp_path, "bert", lambda tensors: [t for t in tensors if not t.name.startswith(lost)])
    read = read_google(tmp_path)
    assert read.config["architectures"] == [architecture]
    assert len(read.tensors) == sum(not name.startswith(lost) for name in table("bert"))


def without(name: str) -> Change:
    return lambda tensors: [t for t in tensors if t.name != name]


def changed(name: str, **changes: Any) -> Change:
    return lambda tensors: [t._replace(**changes) if t.name == name else t for t in tensors]


QUERY, BIAS = "bert/encoder/layer_1/attention/self/query/kernel", "cls/predictions/output_bias"
BAD: dict[str, tuple[Change, dict[str, Any], str]] = {
    "a weight less": (without(QUERY), {}, f"{QUERY} is missing"),
    "a part of a head less": (without(BIAS), {}, f"{BIAS} is missing"),
    "a layer more": (list, {"num_hidden_layers": 1}, "layer_1/.* has no place in the BERT"),
    "a layer less": (list, {"num_hidden_layers": 3}, "layer_2/.* is missing"),
    "another width": (list, {"intermediate_size": 21}, r"has the shape 12 x 20, its configuration asks for 12 x 21"),
    "an ALBERT": (list, {"embedding_size": 12}, "has no place in the ALBERT"),
    "not transposed": (changed("bert/encoder/layer_0/output/dense/kernel", shape=(12, 20)), {}, "12 x 20, .* 20 x 12"),
    "whole numbers": (changed(BIAS, dtype=3), {}, "holds int32: floating-point"),
    "damaged": (changed(BIAS, crc=1), {}, f"{BIAS} differs from its checksum"),
    "a weight twice": (
        lambda tensors: [*tensors, tensors[0]._replace(name="module/" + tensors[0].name)],
        {},
        "keep one",
    ),
    "text for a size": (list, {"hidden_size": "12"}, "hidden_size is '12': a whole number"),
    "no size": (list, {"vocab_size": None}, "vocab_size is None"),
    "a size of 10**9": (list, {"num_hidden_layers": 10**9}, "from 1 to 1,024"),
    "yes for a size": (list, {"num_hidden_layers": True}, "num_hidden_layers is True"),
    "another activation": (list, {"hidden_act": "swish"}, "hidden_act is 'swish': there are gelu, relu"),
    "no activation": (list, {"hidden_act": []}, r"hidden_act is \[\]"),
    "a rate of 2": (list, {"hidden_dropout_prob": 2}, "hidden_dropout_prob is 2"),
}


@pytest.mark.parametrize("case", BAD)
def test_not_a_pair(tmp_path: Path, case: str) -> None:
    change, settings, wish = BAD[case]
    published(tmp_path, "bert", change, **settings)
    with pytest.raises(BadInput, match=wish) as caught:
        read_google(tmp_path)
    assert "\n" not in str(caught.value)


def test_no_configuration_or_two(tmp_path: Path) -> None:
    published(tmp_path, "bert")
    (tmp_path / "albert_config.json").write_text("{}")
    with pytest.raises(BadInput, match="has both of bert_config.json and albert_config.json: name the one"):
        read_google(tmp_path)
    for name in ("bert_config.json", "albert_config.json"):
        (tmp_path / name).unlink()
    with pytest.raises(BadInput, match="has neither of"):
        read_google(tmp_path)


def test_out_and_in_again(tmp_path: Path) -> None:
    weights = published(tmp_path, "bert")
    read = read_google(tmp_path)
    out = write_google_bert(tmp_path / "out", read.tensors, BertConfig(**SIZES))
    assert sorted(path.name for path in out.iterdir()) == [
        "bert_config.json",
        "bert_model.ckpt.data-00000-of-00001",
        "bert_model.ckpt.index",
        "checkpoint",
    ]
    theirs, ours = open_bundle(tmp_path), open_bundle(out)
    assert theirs.names() == ours.names()
    assert all(ours.read(name).tobytes() == theirs.read(name).tobytes() for name in ours.names())
    again = read_google(out)
    assert all(torch.equal(tensor, weights[name]) for name, tensor in again.tensors.items())
    assert again.config == read.config
    with pytest.raises(BadInput, match="exists already"):
        write_google_bert(out, read.tensors, BertConfig(**SIZES))
    encoder = {name: tensor for name, tensor in read.tensors.items() if name.startswith("bert.")}
    write_google_bert(out, encoder, BertConfig(**SIZES), replace=True)
    assert read_google(out).config["architectures"] == ["BertModel"]


def test_what_cannot_be_written(tmp_path: Path) -> None:
    published(tmp_path, "bert")
    tensors, config = read_google(tmp_path).tensors, BertConfig(**SIZES)
    bias = "cls.predictions.bias"
    for bad, wish in (
        ({**tensors, "bert.encoder.layer.2.output.dense.bias": tensors[bias]}, "has no place in Google's BERT"),
        ({name: tensor for name, tensor in tensors.items() if name != bias}, f"{bias} is missing"),
        ({**tensors, bias: tensors[bias][1:]}, r"has the shape \(30,\), the configuration asks for \(31,\)"),
    ):
        with pytest.raises(BadInput, match=wish):
            write_google_bert(tmp_path / "out", bad, config)
    assert not (tmp_path / "out").exists()
