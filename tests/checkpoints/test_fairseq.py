"""fairseq's RoBERTa becomes the RobertaForMaskedLM it is: names, config, dictionary."""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import RobertaConfig, RobertaForMaskedLM

from maskwright.checkpoints.fairseq import byte_level_tokens, read_dictionary, roberta_config, roberta_tensors
from maskwright.checkpoints.tensor_file import read_tensors
from maskwright.checkpoints.torch_files.guarded import read_torch_file
from maskwright.errors import BadInput

ARGS: dict[str, Any] = {
    "arch": "roberta_base", "task": "masked_lm", "encoder_layers": 2, "encoder_embed_dim": 16,
    "encoder_ffn_embed_dim": 32, "encoder_attention_heads": 4, "max_positions": 20, "activation_fn": "gelu",
    "dropout": 0.1, "attention_dropout": 0.2, "untie_weights_roberta": False, "update_freq": [1], "lr": [0.0005],
}  # fmt: skip


@pytest.fixture
def reference() -> RobertaForMaskedLM:
    config = RobertaConfig(
        vocab_size=40, hidden_size=16, num_hidden_layers=2, num_attention_heads=4, intermediate_size=32,
        max_position_embeddings=22, type_vocab_size=1, layer_norm_eps=1e-5, attention_probs_dropout_prob=0.2,
    )  # fmt: skip
    torch.manual_seed(3)
    network = RobertaForMaskedLM(config).eval()
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if parameter.dim() == 1:
                parameter.normal_(1 if name.endswith("weight") else 0)
        network.roberta.embeddings.token_type_embeddings.weight.zero_()
    return network


def fairseq_state(network: RobertaForMaskedLM, *, version: str = "0.9") -> dict[str, Tensor]:
    """The same network as fairseq names it: the assignments of transformers' own script, read backwards."""
    side, norm = ("encoder", "layernorm_embedding") if version == "0.12" else ("decoder", "emb_layer_norm")
    body, head = f"{side}.sentence_encoder", f"{side}.lm_head"
    embeddings = network.roberta.embeddings
    parts: dict[str, Any] = {f"{body}.{norm}": embeddings.LayerNorm}
    state: dict[str, Tensor] = {
        f"{body}.embed_tokens.weight": embeddings.word_embeddings.weight,
        f"{body}.embed_positions.weight": embeddings.position_embeddings.weight,
        f"{head}.weight": network.lm_head.decoder.weight,
        f"{head}.bias": network.lm_head.bias,
    }
    for at, layer in enumerate(network.roberta.encoder.layer):
        place = f"{body}.layers.{at}"
        inner = layer.attention.self
        if version == "0.6":
            for kind in ("weight", "bias"):
                joint = [getattr(part, kind) for part in (inner.query, inner.key, inner.value)]
                state[f"{place}.self_attn.in_proj_{kind}"] = torch.cat(joint)
        else:
            parts[f"{place}.self_attn.k_proj"] = inner.key
            parts[f"{place}.self_attn.v_proj"] = inner.value
            parts[f"{place}.self_attn.q_proj"] = inner.query
        parts[f"{place}.self_attn.out_proj"] = layer.attention.output.dense
        parts[f"{place}.self_attn_layer_norm"] = layer.attention.output.LayerNorm
        parts[f"{place}.fc1"] = layer.intermediate.dense
        parts[f"{place}.fc2"] = layer.output.dense
        parts[f"{place}.final_layer_norm"] = layer.output.LayerNorm
    parts[f"{head}.dense"], parts[f"{head}.layer_norm"] = network.lm_head.dense, network.lm_head.layer_norm
    for name, part in parts.items():
        state |= {f"{name}.weight": part.weight, f"{name}.bias": part.bias}
    state |= {"classification_heads.mnli.dense.weight": torch.ones(3, 3)} if version == "0.9" else {}
    state |= {f"{body}.version": torch.tensor([3.0])} if version == "0.12" else {}
    return {name: tensor.detach() for name, tensor in state.items()}


def checkpoint(state: Mapping[str, Tensor], version: str) -> dict[str, Any]:
    args = argparse.Namespace(**ARGS)
    told = {"args": None, "cfg": {"_name": None, "model": args}} if version == "0.12" else {"args": args}
    return {**told, "model": dict(state), "optimizer_history": [{"num_updates": 7}], "extra_state": {"epoch": 1}}


@pytest.mark.parametrize("version", ["0.6", "0.9", "0.12"])
def test_a_checkpoint_gives_the_numbers_of_transformers(
    tmp_path: Path, reference: RobertaForMaskedLM, version: str
) -> None:
    state = fairseq_state(reference, version=version)
    old = version != "0.12"
    torch.save(checkpoint(state, version), tmp_path / "checkpoint.pt", _use_new_zipfile_serialization=not old)
    imported = read_torch_file(tmp_path / "checkpoint.pt", out=tmp_path / "model.safetensors")
    assert imported.dropped == ("optimizer_history", "extra_state")
    tensors = roberta_tensors(read_tensors(imported.path))
    config = roberta_config(imported.values, tensors)

    network = RobertaForMaskedLM(RobertaConfig(**config)).eval()
    report = network.load_state_dict(tensors, strict=False)
    # What transformers ties to others by itself.
    assert not report.unexpected_keys
    assert set(report.missing_keys) <= {"lm_head.decoder.weight", "lm_head.decoder.bias"}
    for (name, ours), (_, theirs) in zip(network.named_parameters(), reference.named_parameters(), strict=True):
        assert torch.equal(ours, theirs), name
    ids = torch.tensor([[0, 5, 6, 39, 7, 2, 1, 1]])
    assert torch.equal(network(ids).logits, reference(ids).logits)
    for key, value in config.items():
        assert getattr(reference.config, key) == value or key == "architectures", key


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda state: state.pop("decoder.sentence_encoder.embed_tokens.weight"), "the token table, is missing"),
        (
            lambda state: state.update({"decoder.sentence_encoder.layer_norm.weight": torch.ones(16)}),
            "normalises before",
        ),
        (
            lambda state: state.update({"decoder.sentence_encoder.layers.0.gate.weight": torch.ones(1)}),
            "no place in RoBERTa",
        ),
        (lambda state: state.update({"encoder.layers.0.fc1.weight": torch.ones(1)}), "no place in RoBERTa"),
        (lambda state: state.update({"decoder.lm_head.extra": torch.ones(1)}), "no place in RoBERTa"),
        (lambda state: state.update({"encoder.lm_head.bias": torch.ones(1)}), "under two of fairseq's names"),
        (lambda state: state.update({"decoder.lm_head.weight": torch.ones(40, 16)}), "a decoder of its own"),
        (
            lambda state: state.update(
                {"decoder.sentence_encoder.layers.9.self_attn.in_proj_weight": torch.ones(16, 16)}
            ),
            "cannot be cut apart",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_other_networks(reference: RobertaForMaskedLM, spoil: Any, words: str) -> None:
    state = fairseq_state(reference)
    spoil(state)
    with pytest.raises(BadInput, match=words):
        roberta_tensors(state)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"encoder_layers": 3}, "encoder_layers is 3 among the arguments, 2 in the tensors"),
        ({"encoder_embed_dim": 32}, "encoder_embed_dim is 32"),
        ({"max_positions": 512}, "max_positions is 512 among the arguments, 20"),
        ({"encoder_attention_heads": 3}, "encoder_attention_heads is 3: a divisor of the width 16"),
        ({"encoder_attention_heads": None}, "encoder_attention_heads is None"),
        ({"encoder_attention_heads": True}, "encoder_attention_heads is True"),
        ({"activation_fn": "swish"}, "activation_fn is swish"),
        ({"activation_fn": ["gelu"]}, "activation_fn is"),
        ({"encoder_normalize_before": True}, "encoder_normalize_before is set"),
        ({"dropout": 2}, "dropout is 2"),
    ],
    ids=str,
)
def test_arguments_that_do_not_fit(reference: RobertaForMaskedLM, changes: dict[str, Any], words: str) -> None:
    tensors = roberta_tensors(fairseq_state(reference))
    with pytest.raises(BadInput, match=words):
        roberta_config({"args": {**ARGS, **changes}}, tensors)


def test_no_arguments_at_all(reference: RobertaForMaskedLM) -> None:
    with pytest.raises(BadInput, match=r"neither args nor cfg\.model"):
        roberta_config({"cfg": {"model": None}}, roberta_tensors(fairseq_state(reference)))


def test_a_layer_that_is_missing(reference: RobertaForMaskedLM) -> None:
    state = {name: tensor for name, tensor in fairseq_state(reference).items() if ".layers.0." not in name}
    with pytest.raises(BadInput, match="the checkpoint is not whole"):
        roberta_config({"args": ARGS}, roberta_tensors(state))


def test_a_dictionary_gives_ids_in_fairseqs_order(tmp_path: Path) -> None:
    """As in roberta.base: <s> 0, <pad> 1, </s> 2, <unk> 3, the first word 4, <mask> behind the filling words."""
    (tmp_path / "dict.txt").write_text("13 850314647\n的 7\n\u3000 5\na b 3\nmadeupword0000 0\n", encoding="utf-8")
    tokens = read_dictionary(tmp_path / "dict.txt", 10)
    assert tokens == ["<s>", "<pad>", "</s>", "<unk>", "13", "的", "\u3000", "a b", "madeupword0000", "<mask>"]
    assert byte_level_tokens(tokens, {".": 13, "Ġ": 220})[4:6] == [".", "的"]
    with pytest.raises(BadInput, match="the piece number 13"):
        byte_level_tokens(tokens, {"Ġ": 220})


def test_a_line_that_replaces_another(tmp_path: Path) -> None:
    (tmp_path / "dict.txt").write_bytes(b"<s> 0 #fairseq:overwrite\r\na 1\r\n<mask> 0\r\n")
    assert read_dictionary(tmp_path / "dict.txt") == ["<s>NOTUSED", "<pad>", "</s>", "<unk>", "<s>", "a", "<mask>"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"a 1\na 2\n", "line 2: 'a' stands twice"),
        (b"<s> 1\n", "'<s>' stands twice"),
        (b"a 1\nb\n", "line 2: 'b' is no line"),
        (b"a 1\n\nb 2\n", "line 2: '' is no line"),
        (b"a x\n", "is no line of a dictionary"),
        (b"a 1 #fairseq:other\n", "is no line of a dictionary"),
        (b"\xff 1\n", "byte 0 is not UTF-8"),
        (b"a 1\n", "6 tokens, 4 first ones and <mask> among them, where the token table has 7 rows"),
    ],
    ids=str,
)
def test_dictionaries_that_are_none(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "dict.txt").write_bytes(content)
    with pytest.raises(BadInput, match=words):
        read_dictionary(tmp_path / "dict.txt", 7)


def test_a_dictionary_that_is_missing(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="No such file"):
        read_dictionary(tmp_path / "dict.txt")
