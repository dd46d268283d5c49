"""GPT: a Transformer that reads from left to right and predicts each next token.

Radford et al., *Improving Language Understanding by Generative Pre-Training* (2018); openai/finetune-transformer-lm
`train.py`. It differs from BERT in what a token sees, which is itself and those before it; in its objective, which
asks for every token; in having no segments, no norm behind its embeddings, no pooler, and a head that is the token
table alone. Layers are BERT's, with their norms behind.
"""

from typing import Any, Literal

from pydantic import Field, model_validator
from torch import nn

from maskwright.config import Config as Configuration
from maskwright.layers.network import Network
from maskwright.layers.positions import LearnedPositions
from maskwright.layers.summary import Summary
from maskwright.layers.token_embeddings import TokenEmbeddings
from maskwright.layers.transformer_layer import Layer
from maskwright.layers.weight_names import Published, WeightName, weight_and_bias

READS = frozenset({"token_ids", "cu_seqlens", "max_seqlen", "position_ids"})


class OpenAIGptConfig(Configuration):
    """The shape of a GPT. Names are those of BERT's; `config_json` translates them."""

    model_type: Literal["openai-gpt"] = "openai-gpt"
    """Which network this is."""
    vocab_size: int = Field(default=40478, ge=1)
    """V, rows of the token table."""
    hidden_size: int = Field(default=768, ge=1)
    """H."""
    num_hidden_layers: int = Field(default=12, ge=0)
    """L."""
    num_attention_heads: int = Field(default=12, ge=1)
    """A; divides H."""
    hidden_act: Literal["gelu_tanh", "relu"] = "gelu_tanh"
    """gelu_tanh (published as gelu) or relu."""
    embedding_dropout_prob: float = Field(default=0.1, ge=0, le=0.99)
    """Dropout of embeddings."""
    hidden_dropout_prob: float = Field(default=0.1, ge=0, le=0.99)
    """Dropout of each sub-layer's output."""
    attention_probs_dropout_prob: float = Field(default=0.1, ge=0, le=0.99)
    """Dropout of attention weights."""
    max_position_embeddings: int = Field(default=512, ge=1)
    """Longest sequence."""
    initializer_range: float = Field(default=0.02, gt=0)
    """Standard deviation of the truncated normal that weights start from."""
    layer_norm_eps: float = Field(default=1e-5, gt=0)
    """Added to the variance in norms."""

    @property
    def intermediate_size(self) -> int:
        """Width of the feed-forward network, always 4H."""
        return 4 * self.hidden_size

    @property
    def longest(self) -> int:
        """The most tokens that a sequence may have."""
        return self.max_position_embeddings

    @model_validator(mode="after")
    def _heads_divide(self) -> "OpenAIGptConfig":
        if self.hidden_size % self.num_attention_heads:
            raise ValueError(
                f"hidden_size {self.hidden_size} is not a multiple of num_attention_heads {self.num_attention_heads}"
            )
        return self


SIZES: dict[str, dict[str, Any]] = {
    name: {"num_hidden_layers": layers, "hidden_size": hidden, "num_attention_heads": hidden // 64}
    for name, layers, hidden in [("tiny", 2, 128), ("mini", 4, 256), ("small", 4, 512), ("base", 12, 768)]
}
"""base is the paper's (section 4.1); the others are BERT's small ones, to compare with."""
DEFAULT_VOCABULARY = 40478


def gpt(config: OpenAIGptConfig, position: nn.Module | None = None) -> Network:
    """Embeddings and L layers. Pass `position` for another kind of positions."""
    return Network(
        config,
        name="GPT",
        reads=READS,
        weight_names=weight_names(config),
        embeddings=TokenEmbeddings(
            config.vocab_size,
            config.hidden_size,
            position or LearnedPositions(config.max_position_embeddings, config.hidden_size),
            rate=config.embedding_dropout_prob,
        ),
        layers=[Layer(config) for _ in range(config.num_hidden_layers)],
        causal=True,
    )


KEYS = {
    "hidden_size": "n_embd",
    "num_hidden_layers": "n_layer",
    "num_attention_heads": "n_head",
    "embedding_dropout_prob": "embd_pdrop",
    "hidden_dropout_prob": "resid_pdrop",
    "attention_probs_dropout_prob": "attn_pdrop",
    "max_position_embeddings": "n_positions",
    "layer_norm_eps": "layer_norm_epsilon",
}
"""Our fields by their names in the configurations of GPT and GPT-2."""
PUBLISHED = {
    "openai-gpt": Published(
        name="GPT",
        paper="Radford et al. 2018",
        prefix="transformer.",
        heads={},
        head_names={},
        always=("lm",),
        has_pooler=False,
        classes={("lm",): "OpenAIGPTLMHeadModel", (): "OpenAIGPTModel"},
        summary=Summary("last", "score", bias=False),
        tasks="OpenAIGPT",
        tied={"lm_head.weight": "transformer.tokens_embed.weight"},
        keys={**KEYS, "hidden_act": "afn"},
    )
}


def config_json(config: OpenAIGptConfig) -> dict[str, Any]:
    """The `config.json` of a folder that stock `transformers` loads."""
    keys = PUBLISHED["openai-gpt"].keys
    data = {keys.get(name, name): value for name, value in config.model_dump().items()}
    return {**data, "afn": {"gelu_tanh": "gelu", "relu": "relu"}[config.hidden_act]}


def from_config_json(found: dict[str, Any]) -> dict[str, Any]:
    """Our fields from those of a `config.json`: what is called gelu there is its tanh form, and always was."""
    return {**found, "hidden_act": "gelu_tanh"} if found.get("hidden_act") == "gelu" else found


def weight_names(config: OpenAIGptConfig) -> list[WeightName]:
    """Our names beside those of Hugging Face's `OpenAIGPTModel`, in the order of the network."""
    names = [
        WeightName("embeddings.token", ("tokens_embed.weight",)),
        WeightName("embeddings.position.weight", ("positions_embed.weight",)),
    ]
    for i in range(config.num_hidden_layers):
        names += layer_names(i)
    return names


def layer_names(i: int) -> list[WeightName]:
    """Layer `i`, as GPT-2 has it too: its linear maps are published (in, out)."""
    here, there = f"layers.{i}", f"h.{i}"
    linear = {
        "query_key_value": "attn.c_attn", "attention_output": "attn.c_proj", "intermediate": "mlp.c_fc",
        "output": "mlp.c_proj",
    }  # fmt: skip
    names = [*weight_and_bias(f"{here}.attention_norm", f"{there}.ln_1")]
    names += weight_and_bias(f"{here}.output_norm", f"{there}.ln_2")
    for ours, published in linear.items():
        names.append(WeightName(f"{here}.{ours}.weight", (f"{there}.{published}.weight",), transposed=True))
        names.append(WeightName(f"{here}.{ours}.bias", (f"{there}.{published}.bias",)))
    return names


Config, network = OpenAIGptConfig, gpt
