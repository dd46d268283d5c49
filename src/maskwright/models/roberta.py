"""RoBERTa: BERT's network, trained longer on more text and without its second task.

Liu et al., *RoBERTa: A Robustly Optimized BERT Pretraining Approach* (arXiv 1907.11692); fairseq
`models/roberta/model.py`, `utils.py` `make_positions`. It differs from BERT in little: the rows of the
position table up to that of padding are never read, so that 514 rows serve 512 tokens; there is one
segment; the vocabulary is byte-level BPE; and no sentence pairs are judged, so that the published
models have a pooler that nothing trained, or none. XLM-RoBERTa (arXiv 1911.02116) is the same network.
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
from maskwright.models.bert import embedding_names, layer_names

READS = frozenset({"token_ids", "cu_seqlens", "max_seqlen", "position_ids", "token_type_ids"})


class RobertaConfig(Configuration):
    """The shape of a RoBERTa. Names are those of a Hugging Face `config.json`."""

    model_type: Literal["roberta", "xlm-roberta"] = "roberta"
    """Which network this is; xlm-roberta is the same under another name."""
    vocab_size: int = Field(default=50265, ge=1)
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
    """gelu (erf), or gelu_tanh."""
    hidden_dropout_prob: float = Field(default=0.1, ge=0, le=0.99)
    """Dropout of embeddings and of each sub-layer's output."""
    attention_probs_dropout_prob: float = Field(default=0.1, ge=0, le=0.99)
    """Dropout of attention weights."""
    max_position_embeddings: int = Field(default=514, ge=1)
    """Rows of the position table: pad_token_id + 1 more than the longest sequence has tokens."""
    type_vocab_size: int = Field(default=1, ge=1)
    """Segments."""
    initializer_range: float = Field(default=0.02, gt=0)
    """Standard deviation of the truncated normal that weights start from."""
    layer_norm_eps: float = Field(default=1e-5, gt=0)
    """Added to the variance in norms."""
    pad_token_id: int = Field(default=1, ge=0)
    """The id of padding: the first token of a sequence has the position behind it."""

    @property
    def longest(self) -> int:
        """The most tokens that a sequence may have."""
        return self.max_position_embeddings - self.pad_token_id - 1

    @model_validator(mode="after")
    def _fits(self) -> "RobertaConfig":
        if self.hidden_size % self.num_attention_heads:
            raise ValueError(
                f"hidden_size {self.hidden_size} is not a multiple of num_attention_heads {self.num_attention_heads}"
            )
        if self.longest < 1:
            raise ValueError(
                f"max_position_embeddings {self.max_position_embeddings} leaves no position for a token: "
                f"those up to pad_token_id {self.pad_token_id} are never read"
            )
        return self


SIZES: dict[str, dict[str, Any]] = {
    name: {
        "num_hidden_layers": layers,
        "hidden_size": hidden,
        "num_attention_heads": hidden // 64,
        "intermediate_size": 4 * hidden,
    }
    for name, layers, hidden in [("tiny", 2, 128), ("base", 12, 768), ("large", 24, 1024)]
}
"""Base and large as in the paper, appendix A."""
DEFAULT_VOCABULARY = 50265
XLM_ROBERTA_VOCABULARY = 250002
"""Of the published XLM-RoBERTa."""


def roberta(config: RobertaConfig, position: nn.Module | None = None) -> Network:
    """Embeddings, L layers, pooler. Pass `position` for another kind of positions, of as many rows."""
    hidden = config.hidden_size
    return Network(
        config,
        name="RoBERTa",
        reads=READS,
        weight_names=weight_names(config),
        embeddings=Embeddings(
            config.vocab_size,
            hidden,
            config.type_vocab_size,
            position or LearnedPositions(config.max_position_embeddings, hidden),
            first_position=config.pad_token_id + 1,
            eps=config.layer_norm_eps,
            rate=config.hidden_dropout_prob,
        ),
        layers=[Layer(config) for _ in range(config.num_hidden_layers)],
        pooler=nn.Linear(hidden, hidden),
    )


def _published(beginning: str, absent: dict[str, Any]) -> Published:
    """`beginning` is that of the names of the classes."""
    return Published(
        name={"": "RoBERTa", "XLM": "XLM-RoBERTa"}[beginning],
        paper={"": "arXiv 1907.11692", "XLM": "arXiv 1911.02116"}[beginning],
        prefix="roberta.",
        heads={"lm_head.": "mlm"},
        head_names={
            "cls.predictions.transform.dense.": "lm_head.dense.",
            "cls.predictions.transform.LayerNorm.": "lm_head.layer_norm.",
            "cls.predictions.bias": "lm_head.bias",
        },
        classes={("mlm",): f"{beginning}RobertaForMaskedLM", (): f"{beginning}RobertaModel"},
        without_pooler=frozenset({f"{beginning}RobertaForMaskedLM"}),
        summary=Summary("dense", "classifier.out_proj", "classifier.dense"),
        tasks=f"{beginning}Roberta",
        tied={
            "lm_head.decoder.weight": "roberta.embeddings.word_embeddings.weight",
            "lm_head.decoder.bias": "lm_head.bias",
        },
        absent={"max_position_embeddings": 512, "type_vocab_size": 2, "layer_norm_eps": 1e-12, **absent},
        wanted={"position_embedding_type": "absolute"},
    )


PUBLISHED = {"roberta": _published("", {}), "xlm-roberta": _published("XLM", {"vocab_size": 30522})}


def config_json(config: RobertaConfig) -> dict[str, Any]:
    """The `config.json` of a folder that stock `transformers` loads."""
    act = published_activation(config.hidden_act)
    return {**config.model_dump(), "hidden_act": act, "position_embedding_type": "absolute"}


def weight_names(config: RobertaConfig) -> list[WeightName]:
    """Our names beside those of Hugging Face's `RobertaModel`, in the order of the network."""
    return [
        *embedding_names(),
        *[name for i in range(config.num_hidden_layers) for name in layer_names(i)],
        *weight_and_bias("pooler", "pooler.dense"),
    ]


Config, network = RobertaConfig, roberta
