"""XLNet: a Transformer-XL that predicts tokens in random orders, each from those before it in the order.

Yang et al., *XLNet: Generalized Autoregressive Pretraining for Language Understanding* (arXiv 1906.08237);
zihangdai/xlnet `modeling.py`. It differs from BERT in having no positions but distances, seen by attention; segments
too are relative (the same, or another); attention may reach back into a memory of the text before; and there are two
streams of the same weights: one of contents, which know their token, and one of predictions, which know only where
they stand. Without an order it is a plain bidirectional encoder. [CLS] stands at the end.
"""

from typing import Any, Literal

from pydantic import Field, model_validator
from torch import nn

from maskwright.config import Config as Configuration
from maskwright.errors import BadInput
from maskwright.layers.activations import ActivationName, published_activation
from maskwright.layers.sight import FirstTarget
from maskwright.layers.summary import Summary
from maskwright.layers.two_stream_network import TwoStreamNetwork
from maskwright.layers.weight_names import Published, WeightName, weight_and_bias

READS = frozenset(
    {"token_ids", "cu_seqlens", "max_seqlen", "position_ids", "token_type_ids", "ranks", "lane_ids", "backward"}
)


class XlnetConfig(Configuration):
    """The shape of an XLNet. Names are those of a Hugging Face `config.json`, but for `first_target`."""

    model_type: Literal["xlnet"] = "xlnet"
    """Which network this is."""
    vocab_size: int = Field(default=32000, ge=1)
    """V, rows of the token table."""
    d_model: int = Field(default=1024, ge=2)
    """H; even."""
    n_layer: int = Field(default=24, ge=0)
    """L."""
    n_head: int = Field(default=16, ge=1)
    """A; divides H."""
    d_inner: int = Field(default=4096, ge=1)
    """Width of the feed-forward network, 4H as published."""
    ff_activation: ActivationName = "gelu"
    """gelu (erf, what transformers computes) or gelu_tanh (what Google's code computes)."""
    untie_r: bool = True
    """Whether each layer has attention biases of its own, as published; else all share them."""
    attn_type: Literal["bi"] = "bi"
    """bi: attention looks both ways; `uni`, a one-directional Transformer-XL, is not built."""
    dropout: float = Field(default=0.1, ge=0, le=0.99)
    """Of embeddings, distances, attention weights, activations and each sub-layer's output."""
    mem_len: int | None = Field(default=None, ge=0)
    """The most tokens of memory; none or 0: there is none."""
    reuse_len: int | None = Field(default=None, ge=0)
    """Tokens at a sequence's beginning that go into the memory; none or 0: all."""
    bi_data: bool = False
    """Whether half of the training text runs backwards."""
    clamp_len: int = Field(default=-1, ge=-1)
    """Greater distances are taken for this one; -1 or 0: none are."""
    same_length: bool = False
    """Of the originals, for attention of one direction; has no effect with attn_type bi."""
    initializer_range: float = Field(default=0.02, gt=0)
    """Standard deviation of the truncated normal that weights start from."""
    layer_norm_eps: float = Field(default=1e-12, gt=0)
    """Added to the variance in norms."""
    pad_token_id: int = Field(default=5, ge=0)
    """Written to config.json for others; nothing here pads."""
    first_target: FirstTarget = "nothing"
    """What a prediction attends to that may see nothing: nothing; google: everything, itself too, as the originals."""

    @property
    def hidden_size(self) -> int:
        """H."""
        return self.d_model

    @property
    def num_hidden_layers(self) -> int:
        """L."""
        return self.n_layer

    @property
    def num_attention_heads(self) -> int:
        """A."""
        return self.n_head

    @property
    def intermediate_size(self) -> int:
        """Width of the feed-forward network."""
        return self.d_inner

    @property
    def type_vocab_size(self) -> int:
        """Segments of a text as it is laid out: A, B, and that of [CLS]. The network compares any number."""
        return 3

    @property
    def longest(self) -> int:
        """The most tokens that a sequence may have: distances have no end, attention's memory has."""
        return 1 << 20

    @property
    def remembers(self) -> int:
        """The most tokens of memory."""
        return self.mem_len or 0

    @model_validator(mode="after")
    def _fits(self) -> "XlnetConfig":
        if self.d_model % self.n_head or self.d_model % 2:
            raise ValueError(f"d_model {self.d_model} is not even, or not a multiple of n_head {self.n_head}")
        return self


SIZES: dict[str, dict[str, Any]] = {
    name: {"n_layer": layers, "d_model": hidden, "n_head": hidden // 64, "d_inner": 4 * hidden}
    for name, layers, hidden in [("tiny", 2, 128), ("base", 12, 768), ("large", 24, 1024)]
}
"""base and large as published (zihangdai/xlnet's README); tiny is BERT's."""
DEFAULT_VOCABULARY = 32000


def xlnet(config: XlnetConfig, position: nn.Module | None = None) -> TwoStreamNetwork:
    """Token table and L layers. BadInput for another kind of positions: there are none."""
    if position is not None:
        raise BadInput("XLNet has distances in place of positions: start.positions must be random")
    return TwoStreamNetwork(config, name="XLNet", reads=READS, weight_names=weight_names(config))


PUBLISHED = {
    "xlnet": Published(
        name="XLNet",
        paper="1906.08237",
        prefix="transformer.",
        heads={"lm_loss.": "plm"},
        head_names={"cls.predictions.bias": "lm_loss.bias"},
        has_pooler=False,
        classes={("plm",): "XLNetLMHeadModel", (): "XLNetModel"},
        summary=Summary("last_dense", "logits_proj", "sequence_summary.summary"),
        tasks="XLNet",
        tied={"lm_loss.weight": "transformer.word_embedding.weight"},
        keys={"first_target": "maskwright_first_target"},
    )
}


def config_json(config: XlnetConfig) -> dict[str, Any]:
    """The `config.json` of a folder that stock `transformers` loads.

    It makes each layer's biases its own whatever `untie_r` says, and computes the same with copies of them.
    """
    keys = PUBLISHED["xlnet"].keys
    data = {keys.get(name, name): value for name, value in config.model_dump().items()}
    if config.first_target == "nothing":
        del data["maskwright_first_target"]
    return {
        **data,
        "ff_activation": published_activation(config.ff_activation),
        "d_head": config.d_model // config.n_head,
    }


def weight_names(config: XlnetConfig) -> list[WeightName]:
    """Our names beside those of Hugging Face's `XLNetModel`, in the order of the network."""
    names = [WeightName("token", ("word_embedding.weight",)), WeightName("mask", ("mask_emb",))]
    for i in range(config.n_layer):
        here, there = f"layers.{i}", f"layer.{i}"
        for ours, letter in (("query", "q"), ("key", "k"), ("value", "v"), ("position", "r"), ("output", "o")):
            names.append(WeightName(f"{here}.attention.{ours}", (f"{there}.rel_attn.{letter}",)))
        names.append(WeightName(f"{here}.attention.segments", (f"{there}.rel_attn.seg_embed",)))
        owner = here if config.untie_r else "layers.0"
        for ours, letter in (("content", "w"), ("position", "r"), ("segment", "s")):
            names.append(WeightName(f"{owner}.attention.biases.{ours}", (f"{there}.rel_attn.r_{letter}_bias",)))
        names += weight_and_bias(f"{here}.attention_norm", f"{there}.rel_attn.layer_norm")
        names += weight_and_bias(f"{here}.intermediate", f"{there}.ff.layer_1")
        names += weight_and_bias(f"{here}.output", f"{there}.ff.layer_2")
        names += weight_and_bias(f"{here}.output_norm", f"{there}.ff.layer_norm")
    return names


Config, network = XlnetConfig, xlnet
