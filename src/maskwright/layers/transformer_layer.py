"""The layer of a Transformer encoder with its norms behind (post-norm), as BERT has it.

*Attention is all you need* (arXiv 1706.03762), section 3.1; google-research/bert `modeling.py` `transformer_model`.
Self-attention and a feed-forward network, each followed by dropout, residual and norm.
"""

from collections.abc import Callable
from typing import Protocol

from torch import Tensor, nn

from maskwright.layers.activations import ACTIVATIONS, ActivationName
from maskwright.layers.attention import attention
from maskwright.layers.dropout import Decided, DropoutStream, dropout_add
from maskwright.layers.layout import Layout
from maskwright.layers.norm import Norm
from maskwright.layers.onednn import mapped, through
from maskwright.layers.row_attention import Rows, row_attention


class LayerShape(Protocol):
    """What a layer takes from a network's configuration."""

    @property
    def hidden_size(self) -> int:
        """H."""
        ...

    @property
    def num_attention_heads(self) -> int:
        """A."""
        ...

    @property
    def intermediate_size(self) -> int:
        """Width of the feed-forward network."""
        ...

    @property
    def hidden_act(self) -> ActivationName:
        """Of the feed-forward network."""
        ...

    @property
    def hidden_dropout_prob(self) -> float:
        """Of each half's output."""
        ...

    @property
    def attention_probs_dropout_prob(self) -> float:
        """Of attention weights."""
        ...

    @property
    def layer_norm_eps(self) -> float:
        """Added to the variance in norms."""
        ...


class Layer(nn.Module):
    """Self-attention and feed-forward network, each with dropout, residual and norm after it.

    attention_of      a layer whose attention, and the norm behind it, this one shares
    feed_forward_of   likewise; a gradient is then the sum over all layers that share
    """

    def __init__(
        self, shape: LayerShape, attention_of: "Layer | None" = None, feed_forward_of: "Layer | None" = None
    ) -> None:
        super().__init__()
        hidden, inner, eps = shape.hidden_size, shape.intermediate_size, shape.layer_norm_eps
        self.heads = shape.num_attention_heads
        self.attend: Callable[..., Tensor] = attention
        if attention_of is None:
            self.query_key_value = nn.Linear(hidden, 3 * hidden)  # rows of query, then key, then value
            self.attention_output = nn.Linear(hidden, hidden)
            self.attention_norm = Norm(hidden, eps)
        else:
            self.query_key_value = attention_of.query_key_value
            self.attention_output = attention_of.attention_output
            self.attention_norm = attention_of.attention_norm
        self.activation = ACTIVATIONS[shape.hidden_act]
        if feed_forward_of is None:
            self.intermediate = nn.Linear(hidden, inner)
            self.output = nn.Linear(inner, hidden)
            self.output_norm = Norm(hidden, eps)
        else:
            self.intermediate = feed_forward_of.intermediate
            self.output = feed_forward_of.output
            self.output_norm = feed_forward_of.output_norm
        self.hidden_dropout = shape.hidden_dropout_prob
        self.attention_dropout = shape.attention_probs_dropout_prob

    def queries_keys_values(self, x: Tensor) -> Tensor:
        """(T, H) -> (T, 3H), what attention is given."""
        return through(self.query_key_value, x)

    def forward(self, x: Tensor, where: Layout, stream: DropoutStream | None, rows: Rows | None = None) -> Tensor:
        """(T, H) -> (T, H); of some rows alone (R, H), which look at all."""
        if rows is None:
            context = self.attend(through(self.query_key_value, x), where, self.heads, self.attention_dropout, stream)
        else:
            weight, bias, hidden = self.query_key_value.weight, self.query_key_value.bias, x.shape[1]
            key_value = mapped(x, weight[hidden:], bias[hidden:])
            x = x.index_select(0, rows.index)
            query = mapped(x, weight[:hidden], bias[:hidden])
            context = row_attention(query, key_value, rows, where, self.heads, self.attention_dropout, stream)
        return self.after_attention(x, context, stream)

    def after_attention(self, x: Tensor, context: Tensor, stream: DropoutStream | Decided | None) -> Tensor:
        """The layer's output (R, H) from what went into it and what attention gave, both (R, H)."""
        x = self.attention_norm(dropout_add(x, through(self.attention_output, context), self.hidden_dropout, stream))
        inner = self.activation(through(self.intermediate, x))
        return self.output_norm(dropout_add(x, through(self.output, inner), self.hidden_dropout, stream))
