"""Counts of parameters beside transformers' own, beside their formulas, and beside the published numbers."""

import re

import pytest
import torch
import transformers

from maskwright.inference.parameters import count, letters, published
from maskwright.models.bert import SIZES, BertConfig, config_json
from tests.models.networks import small


def stock(config: BertConfig, kind: str) -> int:
    with torch.device("meta"):
        return getattr(transformers, kind)(transformers.BertConfig(**config_json(config))).num_parameters()


@pytest.mark.parametrize("size", [*SIZES, "odd"])
def test_counts_are_those_of_transformers(size: str) -> None:
    config = published(size) or small(type_vocab_size=3, hidden_act="relu", num_hidden_layers=3)
    both = count(config)
    assert both.encoder == stock(config, "BertModel")
    assert both.everything == stock(config, "BertForPreTraining")
    assert count(config, ["mlm"], pooler=False).everything == stock(config, "BertForMaskedLM")
    assert count(config, ["nsp"]).everything == stock(config, "BertForNextSentencePrediction")


@pytest.mark.parametrize("size", [*SIZES, "odd"])
def test_every_row_is_its_formula(size: str) -> None:
    config = published(size) or small(type_vocab_size=3, num_hidden_layers=0)
    values = letters(config)
    for row in count(config).rows:
        expression = re.sub(r"(?<=[\w)]) (?=[\w(])", "*", row.formula.replace("²", " H"))
        assert eval(expression, {}, values) == row.parameters, row


def test_base_is_as_published() -> None:
    """Devlin et al. round 109,482,240 to 110M, and 335,141,888 to 340M."""
    base, large = count(BertConfig()), count(BertConfig(**SIZES["large"]))
    assert base.components() == {
        "embeddings": 23_835_648,
        "attention": 28_311_552,
        "feed-forward": 56_623_104,
        "norms": 38_400,
        "biases": 82_944,
        "pooler": 590_592,
        "head": 624_188,
    }
    assert (base.weights, base.encoder, base.everything) == (108_808_704, 109_482_240, 110_106_428)
    assert (large.weights, large.encoder, large.everything) == (333_871_104, 335_141_888, 336_226_108)
    assert sum(row.parameters for row in base.rows) == base.everything


def test_names_of_sizes() -> None:
    assert published("bert-tiny") == published("tiny") == published("bert:tiny")
    assert published("tiny", 100) == BertConfig(vocab_size=100, **SIZES["tiny"])
    assert published("huge") is None
