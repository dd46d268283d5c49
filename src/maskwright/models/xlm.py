"""XLM: a BERT that is told each token's language.

Lample and Conneau, *Cross-lingual Language Model Pretraining* (arXiv 1901.07291); facebookresearch/XLM
`xlm/model/transformer.py`. It differs from BERT in its embeddings, where a table of languages stands in
place of that of segments (and no table at all where there is one language); in its head, which is the token
table and a bias alone; and in having no pooler. Positions may begin again inside a sequence, as in
translation language modelling (section 3.3), and they may be fixed sinusoids.
"""

from typing import Any, Literal

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from maskwright.batch import Batch
from maskwright.config import Config as Configuration
from maskwright.errors import BadInput
from maskwright.layers.dropout import DropoutStream, dropout
from maskwright.layers.lookup import lookup
from maskwright.layers.network import Network
from maskwright.layers.norm import Norm
from maskwright.layers.positions import LearnedPositions, SinusoidalPositions
from maskwright.layers.summary import Summary
from maskwright.layers.transformer_layer import Layer
from maskwright.layers.weight_names import Published, WeightName, weight_and_bias

READS = frozenset({"token_ids", "cu_seqlens", "max_seqlen", "position_ids"})


class XlmConfig(Configuration):
    """The shape of an XLM. Names are those of BERT's; `config_json` translates them."""

    model_type: Literal["xlm"] = "xlm"
    """Which network this is."""
    vocab_size: int = Field(default=95000, ge=1)
    """V, rows of the token table."""
    hidden_size: int = Field(default=1024, ge=1)
    """H."""
    num_hidden_layers: int = Field(default=12, ge=0)
    """L."""
    num_attention_heads: int = Field(default=8, ge=1)
    """A; divides H."""
    hidden_act: Literal["gelu", "relu"] = "gelu"
    """gelu (erf) or relu."""
    hidden_dropout_prob: float = Field(default=0.1, ge=0, le=0.99)
    """Dropout of embeddings and of each sub-layer's output."""
    attention_probs_dropout_prob: float = Field(default=0.1, ge=0, le=0.99)
    """Dropout of attention weights."""
    max_position_embeddings: int = Field(default=512, ge=1)
    """Longest sequence."""
    sinusoidal_embeddings: bool = False
    """Whether positions are fixed sinusoids."""
    n_langs: int = Field(default=15, ge=1)
    """Languages; with one there is no table of them."""
    use_lang_emb: bool = True
    """Whether there is a table of languages; the published models of 17 and 100 languages have none."""
    languages: tuple[str, ...] = ()
    """Their names in the order of their ids; or none."""
    initializer_range: float = Field(default=0.02, gt=0)
    """Standard deviation of the truncated normal that weights start from."""
    layer_norm_eps: float = Field(default=1e-12, gt=0)
    """Added to the variance in norms."""
    pad_token_id: int = Field(default=2, ge=0)
    """Written to config.json for others; nothing here pads."""

    @property
    def intermediate_size(self) -> int:
        """Width of the feed-forward network, always 4H."""
        return 4 * self.hidden_size

    @property
    def longest(self) -> int:
        """The most tokens that a sequence may have."""
        return self.max_position_embeddings

    @property
    def knows_languages(self) -> bool:
        """Whether there is a table of languages."""
        return self.n_langs > 1 and self.use_lang_emb

    @model_validator(mode="after")
    def _fits(self) -> "XlmConfig":
        if self.hidden_size % self.num_attention_heads:
            raise ValueError(
                f"hidden_size {self.hidden_size} is not a multiple of num_attention_heads {self.num_attention_heads}"
            )
        if self.languages and len(set(self.languages)) != self.n_langs:
            raise ValueError(
                f"languages are {len(set(self.languages))} names, n_langs is {self.n_langs}: name each once"
            )
        return self


SIZES: dict[str, dict[str, Any]] = {
    name: {"num_hidden_layers": layers, "hidden_size": hidden, "num_attention_heads": heads}
    for name, layers, hidden, heads in [
        ("tiny", 2, 128, 2),
        ("translation", 6, 1024, 8),
        ("base", 12, 1024, 8),
        ("large", 16, 1280, 16),
        ("english", 12, 2048, 16),
    ]
}
"""The paper's for translation and for 15 languages (section 5.1); the released ones for 17 or 100, and for English."""
DEFAULT_VOCABULARY = 95000


class XlmEmbeddings(nn.Module):
    """token + position + language, norm, dropout."""

    def __init__(self, config: XlmConfig, position: nn.Module | None = None) -> None:
        super().__init__()
        places, hidden = config.max_position_embeddings, config.hidden_size
        fixed = config.sinusoidal_embeddings
        self.token = nn.Parameter(torch.empty(config.vocab_size, hidden))
        self.position = position or (SinusoidalPositions if fixed else LearnedPositions)(places, hidden)
        self.language = nn.Parameter(torch.empty(config.n_langs, hidden)) if config.knows_languages else None
        self.norm = Norm(hidden, config.layer_norm_eps)
        self.dropout = config.hidden_dropout_prob

    def forward(self, batch: Batch, stream: DropoutStream | None) -> Tensor:
        """-> (T, H)."""
        # the order of the sum is that of the references, so that float32 results agree to the last bits
        x = lookup(self.token, batch.token_ids) + self.position(batch.position_ids)
        if self.language is not None:
            if batch.language_ids is None:
                raise BadInput("an XLM of several languages reads language_ids, and the batch has none")
            x = x + lookup(self.language, batch.language_ids)
        return dropout(self.norm(x), self.dropout, stream)


def xlm(config: XlmConfig, position: nn.Module | None = None) -> Network:
    """Embeddings and L layers. Pass `position` for another kind of positions."""
    return Network(
        config,
        name="XLM",
        reads=READS | {"language_ids"} if config.knows_languages else READS,
        weight_names=weight_names(config),
        embeddings=XlmEmbeddings(config, position),
        layers=[Layer(config) for _ in range(config.num_hidden_layers)],
    )


PUBLISHED = {
    "xlm": Published(
        name="XLM",
        paper="arXiv 1901.07291",
        prefix="transformer.",
        heads={"pred_layer.": "mlm"},
        head_names={"cls.predictions.bias": "pred_layer.proj.bias"},
        has_pooler=False,
        classes={("mlm",): "XLMWithLMHeadModel", (): "XLMModel"},
        summary=Summary("first", "sequence_summary.summary"),
        tasks="XLM",
        tied={"pred_layer.proj.weight": "transformer.embeddings.weight"},
        keys={
            "hidden_size": "emb_dim",
            "num_hidden_layers": "n_layers",
            "num_attention_heads": "n_heads",
            "hidden_act": "gelu_activation",
            "hidden_dropout_prob": "dropout",
            "attention_probs_dropout_prob": "attention_dropout",
            "initializer_range": "init_std",
            "languages": "lang2id",
        },
        old_keys={"vocab_size": "n_words", "pad_token_id": "pad_index"},
        absent={"vocab_size": 30145, "hidden_size": 2048, "num_attention_heads": 16, "n_langs": 1},
        wanted={"causal": False, "asm": False, "is_encoder": True},
    )
}


def config_json(config: XlmConfig) -> dict[str, Any]:
    """The `config.json` of a folder that stock `transformers` loads."""
    keys = PUBLISHED["xlm"].keys
    data = {keys.get(name, name): value for name, value in config.model_dump().items()}
    data |= {"gelu_activation": config.hidden_act == "gelu", "embed_init_std": config.initializer_range}
    del data["lang2id"]
    if config.languages:
        data["lang2id"] = {name: i for i, name in enumerate(config.languages)}
        data["id2lang"] = {str(i): name for i, name in enumerate(config.languages)}
    return data


def weight_names(config: XlmConfig) -> list[WeightName]:
    """Our names beside those of Hugging Face's `XLMModel`, in the order of the network."""
    names = [
        WeightName("embeddings.token", ("embeddings.weight",)),
        WeightName("embeddings.position.weight", ("position_embeddings.weight",)),
    ]
    if config.knows_languages:
        names.append(WeightName("embeddings.language", ("lang_embeddings.weight",)))
    names += weight_and_bias("embeddings.norm", "layer_norm_emb")
    for i in range(config.num_hidden_layers):
        here, attention = f"layers.{i}", f"attentions.{i}"
        names += weight_and_bias(
            f"{here}.query_key_value", f"{attention}.q_lin", f"{attention}.k_lin", f"{attention}.v_lin"
        )
        names += weight_and_bias(f"{here}.attention_output", f"{attention}.out_lin")
        names += weight_and_bias(f"{here}.attention_norm", f"layer_norm1.{i}")
        names += weight_and_bias(f"{here}.intermediate", f"ffns.{i}.lin1")
        names += weight_and_bias(f"{here}.output", f"ffns.{i}.lin2")
        names += weight_and_bias(f"{here}.output_norm", f"layer_norm2.{i}")
    return names


Config, network = XlmConfig, xlm
