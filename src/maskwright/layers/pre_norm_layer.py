"""The layer of a Transformer with its norms in front (pre-norm), as GPT-2 has it.

Radford et al., *Language Models are Unsupervised Multitask Learners* (2019), section 2.3; openai/gpt-2 `src/model.py`
`block`. Each half takes the norm of what came before, and is added to it; nothing is normed behind.
"""

from collections.abc import Callable

from torch import Tensor, nn

from maskwright.layers.activations import ACTIVATIONS
from maskwright.layers.attention import attention
from maskwright.layers.dropout import Decided, DropoutStream, dropout_add
from maskwright.layers.layout import Layout
from maskwright.layers.norm import Norm
from maskwright.layers.onednn import through
from maskwright.layers.row_attention import Rows
from maskwright.layers.transformer_layer import LayerShape


class PreNormLayer(nn.Module):
    """Self-attention and feed-forward network of what is normed before each, with dropout and residual after."""

    def __init__(self, shape: LayerShape) -> None:
        super().__init__()
        hidden, inner, eps = shape.hidden_size, shape.intermediate_size, shape.layer_norm_eps
        self.heads = shape.num_attention_heads
        self.attend: Callable[..., Tensor] = attention
        self.attention_norm = Norm(hidden, eps)
        self.query_key_value = nn.Linear(hidden, 3 * hidden)  # rows of query, then key, then value
        self.attention_output = nn.Linear(hidden, hidden)
        self.output_norm = Norm(hidden, eps)
        self.intermediate = nn.Linear(hidden, inner)
        self.output = nn.Linear(inner, hidden)
        self.activation = ACTIVATIONS[shape.hidden_act]
        self.hidden_dropout = shape.hidden_dropout_prob
        self.attention_dropout = shape.attention_probs_dropout_prob

    def queries_keys_values(self, x: Tensor) -> Tensor:
        """(T, H) -> (T, 3H), what attention is given."""
        return through(self.query_key_value, self.attention_norm(x))

    def forward(self, x: Tensor, where: Layout, stream: DropoutStream | None, rows: Rows | None = None) -> Tensor:
        """(T, H) -> (T, H). Raises ValueError for `rows`: it computes all."""
        if rows is not None:
            raise ValueError("a pre-norm layer computes all rows: select them behind it")
        context = self.attend(self.queries_keys_values(x), where, self.heads, self.attention_dropout, stream)
        return self.after_attention(x, context, stream)

    def after_attention(self, x: Tensor, context: Tensor, stream: DropoutStream | Decided | None) -> Tensor:
        """The layer's output (T, H) from what went into it and what attention gave, both (T, H)."""
        x = dropout_add(x, through(self.attention_output, context), self.hidden_dropout, stream)
        inner = self.activation(through(self.intermediate, self.output_norm(x)))
        return dropout_add(x, through(self.output, inner), self.hidden_dropout, stream)
