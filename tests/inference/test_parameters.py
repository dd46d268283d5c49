"""Counts of parameters beside transformers' own, beside their formulas, and beside the published numbers."""

import re
from typing import Any

import pytest
import torch
import transformers

from maskwright.inference.parameters import count, letters, published, sizes, usual_heads
from maskwright.models import module_of
from maskwright.models import published as published_network
from maskwright.models.bert import SIZES, BertConfig
from tests.models.networks import small

ODD = [
    small(type_vocab_size=3, hidden_act="relu", num_hidden_layers=3),
    small(num_hidden_layers=0),
    small("roberta", type_vocab_size=2, num_hidden_layers=3),
    small("xlm-roberta"),
    small("albert", num_hidden_layers=5, num_hidden_groups=3, inner_group_num=2),
    *[small("albert", num_hidden_layers=3, shared=mode) for mode in ("attention", "feed_forward", "none")],
    small("xlm", num_hidden_layers=3),
    small("xlm", n_langs=1),
    small("xlm", use_lang_emb=False),
    *[small("xlnet", untie_r=untied) for untied in (True, False)],
    small("xlnet", n_layer=0),
]
ALL: list[Any] = [*(size for size in sizes() if not size.startswith("elmo-")), *ODD]


def shape(given: Any) -> Any:
    return published(given) if isinstance(given, str) else given


def stock(config: Any, kind: str) -> int:
    """What its class has; copies of what we share are not counted again."""
    module = module_of(config.model_type)
    data = module.config_json(config)
    with torch.device("meta"):
        total = getattr(transformers, kind)(transformers.AutoConfig.for_model(**data)).num_parameters()
    if not getattr(config, "untie_r", True):
        total -= (config.num_hidden_layers - 1) * 3 * config.hidden_size
    if getattr(config, "shared", "all") in ("attention", "feed_forward"):
        attention = 4 * config.hidden_size**2 + 6 * config.hidden_size
        feed_forward = config.intermediate_size * (2 * config.hidden_size + 1) + 3 * config.hidden_size
        total -= (config.num_hidden_layers - 1) * {"attention": attention}.get(config.shared, feed_forward)
    return total


@pytest.mark.parametrize("given", ALL, ids=str)
def test_counts_are_those_of_transformers(given: Any) -> None:
    config = shape(given)
    there = published_network(config.model_type)
    for heads, kind in there.classes.items():
        counted = count(config, heads, pooler=kind not in there.without_pooler)
        assert counted.everything == stock(config, kind), kind
    assert count(config).encoder == stock(config, there.classes[()])
    assert count(config) == count(config, usual_heads(config))


@pytest.mark.parametrize("given", ALL, ids=str)
def test_every_row_is_its_formula(given: Any) -> None:
    config = shape(given)
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


@pytest.mark.parametrize(
    ("name", "millions", "near"),
    [
        ("bert-base", 110, 0.01),
        ("bert-large", 340, 0.02),
        ("roberta-base", 125, 0.01),
        ("roberta-large", 355, 0.01),
        ("albert-base", 12, 0.03),
        ("albert-large", 18, 0.02),
        ("albert-xlarge", 60, 0.03),
        ("albert-xxlarge", 235, 0.06),  # 222.6M by any count of what the paper describes and its code makes
        ("xlm-roberta-base", 278, 0.01),  # the size of its released file
    ],
)
def test_sizes_are_as_the_papers_round_them(name: str, millions: int, near: float) -> None:
    assert count(published(name)).encoder / 1e6 == pytest.approx(millions, rel=near)


@pytest.mark.parametrize(
    ("shared", "embedding_size", "millions"),
    [("all", 128, 12), ("attention", 128, 64), ("feed_forward", 128, 38), ("none", 128, 89)]
    + [("all", 768, 31), ("attention", 768, 83), ("feed_forward", 768, 57), ("none", 768, 108)],
)
def test_what_sharing_saves_is_as_in_table_4_of_albert(shared: str, embedding_size: int, millions: int) -> None:
    config = published("albert-base").with_changes(shared=shared, embedding_size=embedding_size)
    assert count(config).encoder / 1e6 == pytest.approx(millions, rel=0.03)


def test_names_of_sizes() -> None:
    assert published("bert-tiny") == published("tiny") == published("bert:tiny")
    assert published("tiny", 100) == BertConfig(vocab_size=100, **SIZES["tiny"])
    assert published("xlm-base").model_type == "xlm" and published("xlm-roberta-base").model_type == "xlm-roberta"
    for name in ("huge", "bert-huge", "gpt-base", "", "-", "base-bert", "../bert-base", "xlm_roberta-base"):
        assert published(name) is None
