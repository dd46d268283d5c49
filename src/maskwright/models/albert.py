"""ALBERT: a BERT whose layers are one layer, used again and again.

Lan et al., *ALBERT: A Lite BERT for Self-supervised Learning of Language Representations* (arXiv
1909.11942); google-research/albert `modeling.py`. It differs from BERT in three things. Tables are E
wide, and a projection brings them to H (section 3.1, factorised embeddings). Layers share their weights:
all of them, attention alone, the feed-forward network alone, or none (table 4). And the second task is to
tell the order of two segments (`heads["sop"]`). The head for masked tokens ends at width E.
"""

from typing import Any, Literal

from pydantic import Field, model_validator
from torch import nn

from maskwright.config import Config as Configuration
from maskwright.layers.activations import ActivationName, published_activation
from maskwright.layers.embeddings import Embeddings
from maskwright.layers.network import Network
from maskwright.layers.positions import LearnedPositions
from maskwright.layers.summary import Summary
from maskwright.layers.transformer_layer import Layer
from maskwright.layers.weight_names import Published, WeightName, weight_and_bias
from maskwright.models.bert import embedding_names

READS = frozenset({"token_ids", "cu_seqlens", "max_seqlen", "position_ids", "token_type_ids"})
Sharing = Literal["all", "attention", "feed_forward", "none"]


class AlbertConfig(Configuration):
    """The shape of an ALBERT. Names are those of a Hugging Face `config.json`, but for `shared`."""

    model_type: Literal["albert"] = "albert"
    """Which network this is."""
    vocab_size: int = Field(default=30000, ge=1)
    """V, rows of the token table."""
    embedding_size: int = Field(default=128, ge=1)
    """E, width of the tables."""
    hidden_size: int = Field(default=768, ge=1)
    """H."""
    num_hidden_layers: int = Field(default=12, ge=1)
    """L."""
    shared: Sharing = "all"
    """What layers share: all, attention, feed_forward or none."""
    num_hidden_groups: int = Field(default=1, ge=1)
    """Layers are shared within so many groups of neighbours; more than 1 goes with shared = all."""
    inner_group_num: int = Field(default=1, ge=1)
    """Different layers that one of the L is made of, one behind another."""
    num_attention_heads: int = Field(default=12, ge=1)
    """A; divides H."""
    intermediate_size: int = Field(default=3072, ge=1)
    """Width of the feed-forward network, 4H as published."""
    hidden_act: ActivationName = "gelu_tanh"
    """gelu_tanh (published as gelu_new), or gelu (erf)."""
    hidden_dropout_prob: float = Field(default=0.1, ge=0, le=0.99)
    """Dropout of embeddings and of each sub-layer's output; 0 in version 2 of the published models."""
    attention_probs_dropout_prob: float = Field(default=0.1, ge=0, le=0.99)
    """Dropout of attention weights; 0 in version 2 of the published models."""
    max_position_embeddings: int = Field(default=512, ge=1)
    """Longest sequence."""
    type_vocab_size: int = Field(default=2, ge=1)
    """Segments."""
    initializer_range: float = Field(default=0.02, gt=0)
    """Standard deviation of the truncated normal that weights start from."""
    layer_norm_eps: float = Field(default=1e-12, gt=0)
    """Added to the variance in norms."""
    pad_token_id: int = Field(default=0, ge=0)
    """Written to config.json for others; nothing here pads."""

    @property
    def longest(self) -> int:
        """The most tokens that a sequence may have."""
        return self.max_position_embeddings

    @property
    def depth(self) -> int:
        """How many layers a token goes through."""
        return self.num_hidden_layers * self.inner_group_num

    @property
    def different(self) -> tuple[int, int]:
        """How many different attentions there are, and how many different feed-forward networks."""
        owners = [_owners(self, i) for i in range(self.depth)]
        return len({attention for attention, _ in owners}), len({feed_forward for _, feed_forward in owners})

    def group_of(self, number: int) -> int:
        """The group of the layer `number` of L, as `modeling.py` and `AlbertTransformer` compute it."""
        return int(number / (self.num_hidden_layers / self.num_hidden_groups))

    @model_validator(mode="after")
    def _fits(self) -> "AlbertConfig":
        if self.hidden_size % self.num_attention_heads:
            raise ValueError(
                f"hidden_size {self.hidden_size} is not a multiple of num_attention_heads {self.num_attention_heads}"
            )
        if self.num_hidden_groups > self.num_hidden_layers:
            raise ValueError(
                f"num_hidden_groups {self.num_hidden_groups} is more than num_hidden_layers {self.num_hidden_layers}"
            )
        if self.shared != "all" and self.num_hidden_groups > 1:
            raise ValueError(f"num_hidden_groups {self.num_hidden_groups} goes with shared = all, not {self.shared}")
        return self


SIZES: dict[str, dict[str, Any]] = {
    name: {
        "num_hidden_layers": layers,
        "hidden_size": hidden,
        "num_attention_heads": heads,
        "intermediate_size": 4 * hidden,
        "embedding_size": min(128, hidden),
        "hidden_dropout_prob": dropout,
        "attention_probs_dropout_prob": dropout,
    }
    for name, layers, hidden, heads, dropout in [
        ("tiny", 2, 128, 2, 0.1),
        ("base", 12, 768, 12, 0.1),
        ("large", 24, 1024, 16, 0.1),
        ("xlarge", 24, 2048, 16, 0.1),
        ("xxlarge", 12, 4096, 64, 0.0),
    ]
}
"""Table 1 of the paper and google-research/albert's README; dropout as in version 1."""
DEFAULT_VOCABULARY = 30000


def albert(config: AlbertConfig, position: nn.Module | None = None) -> Network:
    """Embeddings, projection, layers that share, pooler. Pass `position` for another kind of positions, E wide."""
    width, hidden = config.embedding_size, config.hidden_size
    layers: list[Layer] = []
    for i in range(config.depth):
        attention, feed_forward = _owners(config, i)
        layers.append(
            Layer(
                config,
                attention_of=layers[attention] if attention < i else None,
                feed_forward_of=layers[feed_forward] if feed_forward < i else None,
            )
        )
    return Network(
        config,
        name="ALBERT",
        reads=READS,
        weight_names=weight_names(config),
        embeddings=Embeddings(
            config.vocab_size,
            width,
            config.type_vocab_size,
            position or LearnedPositions(config.max_position_embeddings, width),
            eps=config.layer_norm_eps,
            rate=config.hidden_dropout_prob,
        ),
        projection=nn.Linear(width, hidden),
        layers=layers,
        pooler=nn.Linear(hidden, hidden),
    )


def _owners(config: AlbertConfig, layer: int) -> tuple[int, int]:
    """Whose attention and whose feed-forward network layer `layer` of the depth has: the first layer with the same.

    >>> [_owners(AlbertConfig(num_hidden_layers=4, num_hidden_groups=2), i) for i in range(4)]
    [(0, 0), (0, 0), (2, 2), (2, 2)]
    >>> [_owners(AlbertConfig(num_hidden_layers=3, shared="attention"), i) for i in range(3)]
    [(0, 0), (0, 1), (0, 2)]
    """
    number, inner = divmod(layer, config.inner_group_num)
    group = config.group_of(number)
    first = next(i for i in range(number + 1) if config.group_of(i) == group) * config.inner_group_num + inner
    return (
        first if config.shared in ("all", "attention") else layer,
        first if config.shared in ("all", "feed_forward") else layer,
    )


PUBLISHED = {
    "albert": Published(
        name="ALBERT",
        paper="arXiv 1909.11942",
        prefix="albert.",
        heads={"predictions.": "mlm", "sop_classifier.": "sop"},
        head_names={
            "cls.predictions.transform.": "predictions.",
            "cls.predictions.bias": "predictions.bias",
            "cls.seq_relationship.": "sop_classifier.classifier.",
        },
        classes={
            ("mlm", "sop"): "AlbertForPreTraining",
            ("mlm",): "AlbertForMaskedLM",
            (): "AlbertModel",
        },
        without_pooler=frozenset({"AlbertForMaskedLM"}),
        summary=Summary("pooled", "classifier"),
        tasks="Albert",
        tied={
            "predictions.decoder.weight": "albert.embeddings.word_embeddings.weight",
            "predictions.decoder.bias": "predictions.bias",
        },
        keys={"shared": "maskwright_shared"},
        absent={
            "hidden_size": 4096,
            "num_attention_heads": 64,
            "intermediate_size": 16384,
            "hidden_dropout_prob": 0.0,
            "attention_probs_dropout_prob": 0.0,
        },
        wanted={"position_embedding_type": "absolute"},
    )
}


def config_json(config: AlbertConfig) -> dict[str, Any]:
    """The `config.json` of a folder that stock `transformers` loads.

    It knows no sharing of a half: then each layer is a group of its own, which it computes the same with.
    `maskwright_shared` tells us what they were.
    """
    data = config.model_dump()
    shared = data.pop("shared")
    if shared != "all":
        data |= {"num_hidden_groups": config.num_hidden_layers, "maskwright_shared": shared}
    return {**data, "hidden_act": published_activation(config.hidden_act), "position_embedding_type": "absolute"}


def from_config_json(found: dict[str, Any]) -> dict[str, Any]:
    """Our fields from those of a `config.json`, the reverse of `config_json`."""
    return {**found, "num_hidden_groups": 1} if found.get("shared", "all") != "all" else found


def weight_names(config: AlbertConfig) -> list[WeightName]:
    """Our names beside those of Hugging Face's `AlbertModel`, in the order of the network."""
    names = [*embedding_names(), *weight_and_bias("projection", "encoder.embedding_hidden_mapping_in")]
    groups = range(config.num_hidden_layers)
    for i in groups:
        group = config.group_of(i) if config.shared == "all" else i
        for inner in range(config.inner_group_num):
            layer = i * config.inner_group_num + inner
            attention, feed_forward = _owners(config, layer)
            if config.shared == "all" and attention != layer:
                continue
            there = f"encoder.albert_layer_groups.{group}.albert_layers.{inner}"
            names += layer_names(f"layers.{attention}", f"layers.{feed_forward}", there)
    return [*names, *weight_and_bias("pooler", "pooler")]


def layer_names(attention: str, feed_forward: str, there: str) -> list[WeightName]:
    """One layer, whose halves may be those of others."""
    self_ = f"{there}.attention"
    return [
        *weight_and_bias(f"{attention}.query_key_value", f"{self_}.query", f"{self_}.key", f"{self_}.value"),
        *weight_and_bias(f"{attention}.attention_output", f"{self_}.dense"),
        *weight_and_bias(f"{attention}.attention_norm", f"{self_}.LayerNorm"),
        *weight_and_bias(f"{feed_forward}.intermediate", f"{there}.ffn"),
        *weight_and_bias(f"{feed_forward}.output", f"{there}.ffn_output"),
        *weight_and_bias(f"{feed_forward}.output_norm", f"{there}.full_layer_layer_norm"),
    ]


Config, network = AlbertConfig, albert
