"""GPT-2: a GPT whose layers begin with their norms, for longer texts and from bytes.

Radford et al., *Language Models are Unsupervised Multitask Learners* (2019), section 2.3; openai/gpt-2 `src/model.py`.
It differs from GPT in its norms, which stand before each half of a layer, with one more behind the last; in the start
of what ends such a half, smaller by the root of their number; in 1,024 positions; and in byte-level BPE.
"""

import math
from typing import Any, Literal

from pydantic import Field, model_validator
from torch import nn

from maskwright.config import Config as Configuration
from maskwright.layers.activations import ActivationName, published_activation
from maskwright.layers.network import Network
from maskwright.layers.norm import Norm
from maskwright.layers.positions import LearnedPositions
from maskwright.layers.pre_norm_layer import PreNormLayer
from maskwright.layers.summary import Summary
from maskwright.layers.token_embeddings import TokenEmbeddings
from maskwright.layers.weight_names import Published, WeightName, weight_and_bias
from maskwright.models.openai_gpt import KEYS, layer_names

READS = frozenset({"token_ids", "cu_seqlens", "max_seqlen", "position_ids"})


class Gpt2Config(Configuration):
    """The shape of a GPT-2. Names are those of BERT's; `config_json` translates them."""

    model_type: Literal["gpt2"] = "gpt2"
    """Which network this is."""
    vocab_size: int = Field(default=50257, ge=1)
    """V, rows of the token table."""
    hidden_size: int = Field(default=768, ge=1)
    """H."""
    num_hidden_layers: int = Field(default=12, ge=0)
    """L."""
    num_attention_heads: int = Field(default=12, ge=1)
    """A; divides H."""
    n_inner: int | None = Field(default=None, ge=1)
    """Width of the feed-forward network; none: 4H, as published."""
    hidden_act: ActivationName = "gelu_tanh"
    """gelu_tanh (published as gelu_new), or gelu (erf)."""
    embedding_dropout_prob: float = Field(default=0.1, ge=0, le=0.99)
    """Dropout of embeddings."""
    hidden_dropout_prob: float = Field(default=0.1, ge=0, le=0.99)
    """Dropout of each sub-layer's output."""
    attention_probs_dropout_prob: float = Field(default=0.1, ge=0, le=0.99)
    """Dropout of attention weights."""
    max_position_embeddings: int = Field(default=1024, ge=1)
    """Longest sequence."""
    initializer_range: float = Field(default=0.02, gt=0)
    """Standard deviation of the truncated normal that weights start from."""
    layer_norm_eps: float = Field(default=1e-5, gt=0)
    """Added to the variance in norms."""

    @property
    def intermediate_size(self) -> int:
        """Width of the feed-forward network."""
        return self.n_inner or 4 * self.hidden_size

    @property
    def longest(self) -> int:
        """The most tokens that a sequence may have."""
        return self.max_position_embeddings

    @model_validator(mode="after")
    def _heads_divide(self) -> "Gpt2Config":
        if self.hidden_size % self.num_attention_heads:
            raise ValueError(
                f"hidden_size {self.hidden_size} is not a multiple of num_attention_heads {self.num_attention_heads}"
            )
        return self


SIZES: dict[str, dict[str, Any]] = {
    name: {"num_hidden_layers": layers, "hidden_size": hidden, "num_attention_heads": hidden // 64}
    for name, layers, hidden in [
        ("tiny", 2, 128),
        ("small", 12, 768),
        ("medium", 24, 1024),
        ("large", 36, 1280),
        ("xl", 48, 1600),
    ]
}
"""As in the paper, table 2, under the names they are published by."""
DEFAULT_VOCABULARY = 50257


def gpt2(config: Gpt2Config, position: nn.Module | None = None) -> Network:
    """Embeddings, L layers, norm. Pass `position` for another kind of positions."""
    return Network(
        config,
        name="GPT-2",
        reads=READS,
        weight_names=weight_names(config),
        embeddings=TokenEmbeddings(
            config.vocab_size,
            config.hidden_size,
            position or LearnedPositions(config.max_position_embeddings, config.hidden_size),
            rate=config.embedding_dropout_prob,
        ),
        layers=[PreNormLayer(config) for _ in range(config.num_hidden_layers)],
        final=Norm(config.hidden_size, config.layer_norm_eps),
        causal=True,
        residual=1 / math.sqrt(max(1, 2 * config.num_hidden_layers)),
    )


PUBLISHED = {
    "gpt2": Published(
        name="GPT-2",
        paper="Radford et al. 2019",
        prefix="transformer.",
        heads={},
        head_names={},
        always=("lm",),
        has_pooler=False,
        classes={("lm",): "GPT2LMHeadModel", (): "GPT2Model"},
        summary=Summary("last", "score", bias=False),
        tasks="GPT2",
        tied={"lm_head.weight": "transformer.wte.weight"},
        keys={**KEYS, "hidden_act": "activation_function"},
        wanted={"scale_attn_weights": True, "scale_attn_by_inverse_layer_idx": False},
    )
}


def config_json(config: Gpt2Config) -> dict[str, Any]:
    """The `config.json` of a folder that stock `transformers` loads."""
    keys = PUBLISHED["gpt2"].keys
    data = {keys.get(name, name): value for name, value in config.model_dump().items()}
    return {**data, "activation_function": published_activation(config.hidden_act)}


def weight_names(config: Gpt2Config) -> list[WeightName]:
    """Our names beside those of Hugging Face's `GPT2Model`, in the order of the network."""
    return [
        WeightName("embeddings.token", ("wte.weight",)),
        WeightName("embeddings.position.weight", ("wpe.weight",)),
        *[name for i in range(config.num_hidden_layers) for name in layer_names(i)],
        *weight_and_bias("final", "ln_f"),
    ]


Config, network = Gpt2Config, gpt2
