"""BERT: a bidirectional Transformer encoder over a flat batch of tokens.

Devlin et al., *BERT: Pre-training of Deep Bidirectional Transformers for Language Understanding*
(arXiv 1810.04805); google-research/bert `modeling.py`. Token, position and segment embeddings are
summed and normalised; each of L layers is self-attention and a feed-forward network, each followed by
dropout, residual and norm (post-norm); the pooler is a tanh projection of the first token, [CLS].
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

READS = frozenset({"token_ids", "cu_seqlens", "max_seqlen", "position_ids", "token_type_ids"})


class BertConfig(Configuration):
    """The shape of a BERT. Names are those of a Hugging Face `config.json`."""

    model_type: Literal["bert"] = "bert"
    """Which network this is."""
    vocab_size: int = Field(default=30522, ge=1)
    """V, rows of the token table."""
    hidden_size: int = Field(default=768, ge=1)
    """H."""
    num_hidden_layers: int = Field(default=12, ge=0)
    """L."""
    num_attention_heads: int = Field(default=12, ge=1)
    """A; divides H."""
    intermediate_size: int = Field(default=3072, ge=1)
    """Width of the feed-forward network, 4H as published."""
    hidden_act: ActivationName = "gelu"
    """gelu (erf) or gelu_tanh (what Google's code computes)."""
    hidden_dropout_prob: float = Field(default=0.1, ge=0, le=0.99)
    """Dropout of embeddings and of each sub-layer's output."""
    attention_probs_dropout_prob: float = Field(default=0.1, ge=0, le=0.99)
    """Dropout of attention weights."""
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

    @model_validator(mode="after")
    def _heads_divide(self) -> "BertConfig":
        if self.hidden_size % self.num_attention_heads:
            raise ValueError(
                f"hidden_size {self.hidden_size} is not a multiple of num_attention_heads {self.num_attention_heads}"
            )
        return self


SIZES: dict[str, dict[str, Any]] = {
    name: {
        "num_hidden_layers": layers,
        "hidden_size": hidden,
        "num_attention_heads": hidden // 64,
        "intermediate_size": 4 * hidden,
    }
    for name, layers, hidden in [
        ("tiny", 2, 128),
        ("mini", 4, 256),
        ("small", 4, 512),
        ("medium", 8, 512),
        ("base", 12, 768),
        ("large", 24, 1024),
    ]
}
"""As published: base and large in the paper, the others in google-research/bert's README and 1908.08962."""
DEFAULT_VOCABULARY = 30522


def bert(config: BertConfig, position: nn.Module | None = None) -> Network:
    """Embeddings, L layers, pooler. Pass `position` for another kind of positions."""
    hidden = config.hidden_size
    return Network(
        config,
        name="BERT",
        reads=READS,
        weight_names=weight_names(config),
        embeddings=Embeddings(
            config.vocab_size,
            hidden,
            config.type_vocab_size,
            position or LearnedPositions(config.max_position_embeddings, hidden),
            eps=config.layer_norm_eps,
            rate=config.hidden_dropout_prob,
        ),
        layers=[Layer(config) for _ in range(config.num_hidden_layers)],
        pooler=nn.Linear(hidden, hidden),
    )


PUBLISHED = {
    "bert": Published(
        name="BERT",
        paper="arXiv 1810.04805",
        prefix="bert.",
        heads={"cls.predictions.": "mlm", "cls.seq_relationship.": "nsp"},
        head_names={"cls.predictions.": "cls.predictions.", "cls.seq_relationship.": "cls.seq_relationship."},
        classes={
            ("mlm", "nsp"): "BertForPreTraining",
            ("mlm",): "BertForMaskedLM",
            ("nsp",): "BertForNextSentencePrediction",
            (): "BertModel",
        },
        without_pooler=frozenset({"BertForMaskedLM"}),
        summary=Summary("pooled", "classifier"),
        tasks="Bert",
        tied={
            "cls.predictions.decoder.weight": "bert.embeddings.word_embeddings.weight",
            "cls.predictions.decoder.bias": "cls.predictions.bias",
        },
        wanted={"position_embedding_type": "absolute"},
    )
}


def config_json(config: BertConfig) -> dict[str, Any]:
    """The `config.json` of a folder that stock `transformers` loads."""
    act = published_activation(config.hidden_act)
    return {**config.model_dump(), "hidden_act": act, "position_embedding_type": "absolute"}


def weight_names(config: BertConfig) -> list[WeightName]:
    """Our names beside those of Hugging Face's `BertModel`, in the order of the network."""
    return [
        *embedding_names(),
        *[name for i in range(config.num_hidden_layers) for name in layer_names(i)],
        *weight_and_bias("pooler", "pooler.dense"),
    ]


def embedding_names() -> list[WeightName]:
    """The tables and their norm, as RoBERTa and ALBERT have them too."""
    return [
        WeightName("embeddings.token", ("embeddings.word_embeddings.weight",)),
        WeightName("embeddings.position.weight", ("embeddings.position_embeddings.weight",)),
        WeightName("embeddings.token_type", ("embeddings.token_type_embeddings.weight",)),
        *weight_and_bias("embeddings.norm", "embeddings.LayerNorm"),
    ]


def layer_names(i: int) -> list[WeightName]:
    """Layer `i`, as RoBERTa has it too."""
    here, there = f"layers.{i}", f"encoder.layer.{i}"
    self_ = f"{there}.attention.self"
    return [
        *weight_and_bias(f"{here}.query_key_value", f"{self_}.query", f"{self_}.key", f"{self_}.value"),
        *weight_and_bias(f"{here}.attention_output", f"{there}.attention.output.dense"),
        *weight_and_bias(f"{here}.attention_norm", f"{there}.attention.output.LayerNorm"),
        *weight_and_bias(f"{here}.intermediate", f"{there}.intermediate.dense"),
        *weight_and_bias(f"{here}.output", f"{there}.output.dense"),
        *weight_and_bias(f"{here}.output_norm", f"{there}.output.LayerNorm"),
    ]


Config, network = BertConfig, bert
