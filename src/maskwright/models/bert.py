"""BERT: a bidirectional Transformer encoder over a flat batch of tokens.

Devlin et al., *BERT: Pre-training of Deep Bidirectional Transformers for Language Understanding*
(arXiv 1810.04805); google-research/bert `modeling.py`. Token, position and segment embeddings are
summed and normalised; each of L layers is self-attention and a feed-forward network, each followed by
dropout, residual and norm (post-norm); the pooler is a tanh projection of the first token, [CLS].
"""

from typing import Any

import torch
import torch.nn.functional as F
from pydantic import Field, model_validator
from torch import Tensor, nn

from maskwright.batch import Batch
from maskwright.config import Config
from maskwright.errors import BadInput
from maskwright.layers.activations import ACTIVATIONS, ActivationName
from maskwright.layers.attention import Layout, attention, layout, plain
from maskwright.layers.dropout import DropoutStream, dropout, dropout_add
from maskwright.layers.initial import start
from maskwright.layers.lookup import lookup
from maskwright.layers.norm import Norm
from maskwright.layers.row_attention import Rows, row_attention, some_rows
from maskwright.layers.weight_names import WeightName, weight_and_bias

READS = frozenset({"token_ids", "cu_seqlens", "max_seqlen", "position_ids", "token_type_ids"})


class BertConfig(Config):
    """The shape of a BERT. Names are those of a Hugging Face `config.json`."""

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

    @model_validator(mode="after")
    def _heads_divide(self) -> "BertConfig":
        if self.hidden_size % self.num_attention_heads:
            raise ValueError(
                f"hidden_size {self.hidden_size} is not a multiple of num_attention_heads {self.num_attention_heads}"
            )
        return self

    @property
    def longest(self) -> int:
        """Tokens of the longest sequence."""
        return self.max_position_embeddings


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


class LearnedPositions(nn.Module):
    """A trained vector for each position, as in BERT."""

    def __init__(self, positions: int, hidden_size: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(positions, hidden_size))

    def forward(self, position_ids: Tensor) -> Tensor:
        """(T,) -> (T, H)."""
        return lookup(self.weight, position_ids)


def sinusoids(positions: int, hidden_size: int) -> Tensor:
    """(positions, H) of *Attention is all you need*, section 3.5: sines in even columns, cosines in odd ones."""
    angles = torch.arange(positions, dtype=torch.float64)[:, None] / 10000 ** (
        torch.arange(0, hidden_size, 2, dtype=torch.float64) / hidden_size
    )
    table = torch.empty(positions, hidden_size, dtype=torch.float64)
    table[:, 0::2] = angles.sin()
    table[:, 1::2] = angles.cos()[:, : hidden_size // 2]
    return table.float()


class SinusoidalPositions(nn.Module):
    """Fixed sinusoids, scaled; not trained, but saved, so that others can load the model."""

    def __init__(self, positions: int, hidden_size: int, scale: float = 1.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(scale * sinusoids(positions, hidden_size), requires_grad=False)

    def forward(self, position_ids: Tensor) -> Tensor:
        """(T,) -> (T, H)."""
        return self.weight.index_select(0, position_ids)


class Embeddings(nn.Module):
    """token + position + segment, norm, dropout."""

    def __init__(self, config: BertConfig, position: nn.Module | None = None) -> None:
        super().__init__()
        hidden = config.hidden_size
        self.token = nn.Parameter(torch.empty(config.vocab_size, hidden))
        self.position = position or LearnedPositions(config.max_position_embeddings, hidden)
        self.token_type = nn.Parameter(torch.empty(config.type_vocab_size, hidden))
        self.norm = Norm(hidden, config.layer_norm_eps)
        self.dropout = config.hidden_dropout_prob

    def forward(self, batch: Batch, stream: DropoutStream | None) -> Tensor:
        """-> (T, H)."""
        types = torch.zeros_like(batch.token_ids) if batch.token_type_ids is None else batch.token_type_ids
        # the order of the sum is that of the references, so that float32 results agree to the last bits
        x = lookup(self.token, batch.token_ids) + lookup(self.token_type, types)
        x = x + self.position(batch.position_ids)
        return dropout(self.norm(x), self.dropout, stream)


class Layer(nn.Module):
    """Self-attention and feed-forward network, each with dropout, residual and norm after it."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        hidden, inner, eps = config.hidden_size, config.intermediate_size, config.layer_norm_eps
        self.heads = config.num_attention_heads
        self.query_key_value = nn.Linear(hidden, 3 * hidden)  # rows of query, then key, then value
        self.attention_output = nn.Linear(hidden, hidden)
        self.attention_norm = Norm(hidden, eps)
        self.intermediate = nn.Linear(hidden, inner)
        self.activation = ACTIVATIONS[config.hidden_act]
        self.output = nn.Linear(inner, hidden)
        self.output_norm = Norm(hidden, eps)
        self.hidden_dropout = config.hidden_dropout_prob
        self.attention_dropout = config.attention_probs_dropout_prob

    def forward(self, x: Tensor, where: Layout, stream: DropoutStream | None, rows: Rows | None = None) -> Tensor:
        """(T, H) -> (T, H); of some rows alone (R, H), which look at all."""
        if rows is None:
            context = attention(self.query_key_value(x), where, self.heads, self.attention_dropout, stream)
        else:
            weight, bias, hidden = self.query_key_value.weight, self.query_key_value.bias, x.shape[1]
            key_value = F.linear(x, weight[hidden:], bias[hidden:])
            x = x.index_select(0, rows.index)
            query = F.linear(x, weight[:hidden], bias[:hidden])
            context = row_attention(query, key_value, rows, where, self.heads, self.attention_dropout, stream)
        x = self.attention_norm(dropout_add(x, self.attention_output(context), self.hidden_dropout, stream))
        inner = self.activation(self.intermediate(x))
        return self.output_norm(dropout_add(x, self.output(inner), self.hidden_dropout, stream))


class Bert(nn.Module):
    """Embeddings, L layers, pooler. Pass `position` for another kind of positions."""

    def __init__(self, config: BertConfig, position: nn.Module | None = None) -> None:
        super().__init__()
        self.config = config
        self.embeddings = Embeddings(config, position)
        self.layers = nn.ModuleList(Layer(config) for _ in range(config.num_hidden_layers))
        self.pooler = nn.Linear(config.hidden_size, config.hidden_size)

    @property
    def token_table(self) -> Tensor:
        """(V, H), what a head's decoder is tied to."""
        return self.embeddings.token

    def forward(self, batch: Batch, stream: DropoutStream | None = None, rows: Tensor | None = None) -> Tensor:
        """The last layer's output, (T, H). Without a `stream` nothing is dropped.

        rows   (R,) int64, ascending: then (R, H), the same at these rows; what nobody reads is not computed
        """
        where = self._layout(batch)
        x = self.embeddings(batch, stream)
        if rows is not None and not len(self.layers):
            return x.index_select(0, rows)
        for place, layer in enumerate(self.layers, 1):
            is_last = place == len(self.layers)
            x = layer(x, where, stream, some_rows(rows, where) if rows is not None and is_last else None)
        return x

    def hidden_states(self, batch: Batch, stream: DropoutStream | None = None) -> list[Tensor]:
        """L + 1 tensors (T, H): the embeddings' output, then each layer's."""
        where = self._layout(batch)
        states = [self.embeddings(batch, stream)]
        for layer in self.layers:
            states.append(layer(states[-1], where, stream))
        return states

    def _layout(self, batch: Batch) -> Layout:
        """Where the batch's sequences lie; BadInput where the batch is not for this network."""
        batch.check_read_by("BERT", READS)
        if batch.max_seqlen > self.config.max_position_embeddings:
            raise BadInput(
                f"a sequence of {batch.max_seqlen} tokens is longer than the model's "
                f"{self.config.max_position_embeddings} positions: shorten it, or ask for truncation"
            )
        return layout(batch.cu_seqlens, batch.num_tokens, batch.max_seqlen, self.embeddings.token.dtype)

    def pooled(self, last: Tensor, batch: Batch) -> Tensor:
        """(T, H) -> (N, H): tanh projection of each sequence's first token; of zeros where there is none."""
        if batch.num_tokens == 0:
            return self.pool(last.new_zeros(batch.num_sequences, last.shape[1]), batch)
        return self.pool(last.index_select(0, batch.first_rows), batch)

    def pool(self, first: Tensor, batch: Batch) -> Tensor:
        """The same from the first tokens alone, (N, H) -> (N, H)."""
        return torch.tanh(self.pooler(first * (batch.cu_seqlens.diff() > 0)[:, None]))

    @torch.no_grad()
    def attention_weights(self, batch: Batch) -> list[Tensor]:
        """For each sequence its attention weights in all layers, (L, A, S_i, S_i)."""
        where = self._layout(batch)
        x = self.embeddings(batch, None)
        weights: list[list[Tensor]] = []
        for layer in self.layers:
            assert isinstance(layer, Layer)
            weights.append(plain(layer.query_key_value(x), where, layer.heads)[1])
            x = layer(x, where, None)
        return [torch.stack(of_layers) for of_layers in zip(*weights, strict=True)]

    def weight_names(self) -> list[WeightName]:
        """Every parameter beside its name in a Hugging Face `BertModel`."""
        return _weight_names(self.config.num_hidden_layers)

    def initialise(self, seed: int) -> "Bert":
        """Start all weights: matrices and tables from a truncated normal (two deviations), biases 0, gains 1.

        `modeling.py` `create_initializer`. Fixed positions keep their values.
        """
        start(self, self.config.initializer_range, seed)
        return self


def config_json(config: BertConfig) -> dict[str, Any]:
    """The `config.json` of a folder that stock `transformers` loads."""
    act = {"gelu_tanh": "gelu_new"}.get(config.hidden_act, config.hidden_act)
    return {"model_type": "bert", **config.model_dump(), "hidden_act": act, "position_embedding_type": "absolute"}


def _weight_names(num_layers: int) -> list[WeightName]:
    """Our names beside those of Hugging Face's `BertModel`, in the order of the network."""
    names = [
        WeightName("embeddings.token", ("embeddings.word_embeddings.weight",)),
        WeightName("embeddings.position.weight", ("embeddings.position_embeddings.weight",)),
        WeightName("embeddings.token_type", ("embeddings.token_type_embeddings.weight",)),
        *weight_and_bias("embeddings.norm", "embeddings.LayerNorm"),
    ]
    for i in range(num_layers):
        here, there = f"layers.{i}", f"encoder.layer.{i}"
        self_ = f"{there}.attention.self"
        names += weight_and_bias(f"{here}.query_key_value", f"{self_}.query", f"{self_}.key", f"{self_}.value")
        names += weight_and_bias(f"{here}.attention_output", f"{there}.attention.output.dense")
        names += weight_and_bias(f"{here}.attention_norm", f"{there}.attention.output.LayerNorm")
        names += weight_and_bias(f"{here}.intermediate", f"{there}.intermediate.dense")
        names += weight_and_bias(f"{here}.output", f"{there}.output.dense")
        names += weight_and_bias(f"{here}.output_norm", f"{there}.output.LayerNorm")
    return names + weight_and_bias("pooler", "pooler.dense")
