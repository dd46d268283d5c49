"""A layer of XLNet: relative attention and a feed-forward network, for one stream or two, with the same weights.

Yang et al. (arXiv 1906.08237), section 2.3 and appendix A.2; zihangdai/xlnet `modeling.py`, `two_stream_rel_attn` and
`positionwise_ffn`. Norms stand behind (post-norm), as in BERT; unlike BERT's, projections of the attention have no
biases, and what comes out of the activation is dropped out too.
"""

from torch import Tensor, nn

from maskwright.layers.activations import ACTIVATIONS, ActivationName
from maskwright.layers.dropout import DropoutStream, dropout, dropout_add
from maskwright.layers.layout import Layout
from maskwright.layers.norm import Norm
from maskwright.layers.relative_attention import Biases, Keys, RelativeAttention
from maskwright.layers.sight import Sight


class TwoStreamLayer(nn.Module):
    """The content stream knows each token; the query stream, of the rows to predict, knows only where it stands."""

    def __init__(
        self,
        hidden: int,
        heads: int,
        inner: int,
        activation: ActivationName,
        *,
        biases: Biases,
        eps: float,
        rate: float,
    ) -> None:
        super().__init__()
        self.attention = RelativeAttention(hidden, heads, biases, rate)
        self.attention_norm = Norm(hidden, eps)
        self.activation = ACTIVATIONS[activation]
        self.intermediate = nn.Linear(hidden, inner)
        self.output = nn.Linear(inner, hidden)
        self.output_norm = Norm(hidden, eps)
        self.dropout = rate

    def forward(self, x: Tensor, where: Layout, keys: Keys, sight: Sight, stream: DropoutStream | None) -> Tensor:
        """Rows of either stream (R, H) -> (R, H); what they look at is in `keys`."""
        x = self.attention_norm(dropout_add(x, self.attention(x, where, keys, sight, stream), self.dropout, stream))
        inner = dropout(self.activation(self.intermediate(x)), self.dropout, stream)
        return self.output_norm(dropout_add(x, self.output(inner), self.dropout, stream))
