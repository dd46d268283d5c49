"""The span boundary objective: predict each token of a hidden span from the two tokens around it.

SpanBERT (Joshi et al. 2020, arXiv 1907.10529, section 3.2): of a span from s to e, token i is predicted from the last
layer at s - 1 and e + 1 and an embedding of its place i - s in the span, through two layers of linear map, GeLU and
norm; the decoder is the token table with a bias of its own. The loss is added to that of masked language modelling.

As facebookresearch/SpanBERT (`pair_bert.py`, `span_masking`): places have 200 numbers, the first 20 tokens of a span
are predicted, and a span that has a special token or nothing at a side is not.
"""

from typing import ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from maskwright.batch import Batch, Integers, Sequences
from maskwright.layers.activations import ACTIVATIONS, ActivationName
from maskwright.layers.cross_entropy import plain, projected_cross_entropy
from maskwright.layers.lookup import lookup
from maskwright.layers.norm import Norm
from maskwright.layers.weight_names import WeightName
from maskwright.objectives.head import Encoder
from maskwright.objectives.tally import Tally
from maskwright.objectives.units import Hidden

PLACES, PLACE_SIZE = 20, 200


def span_fields(hidden: Hidden, sequences: Sequences) -> dict[str, Integers]:
    """span_bounds (P, 2), span_of (M,) and span_places (M,) of a Batch, for what was hidden.

    Spans are runs of neighbouring hidden rows.
    """
    rows, special = hidden.rows, sequences.special
    begins = np.ones(len(rows), np.bool_)
    begins[1:] = np.diff(rows) != 1
    first = np.flatnonzero(begins)
    starts, lengths = rows[first], np.diff(np.append(first, len(rows)))
    left, right = starts - 1, starts + lengths
    # a sequence begins and ends with a special token, so no bound can lie in another one
    bounded = ~(special[np.maximum(left, 0)] | special[np.minimum(right, len(special) - 1)] | special[starts])
    bounded &= (left >= 0) & (right < len(special))
    numbers = np.where(bounded, np.cumsum(bounded) - 1, -1)
    places = np.arange(len(rows)) - np.repeat(first, lengths)
    of = np.repeat(numbers, lengths)
    return {
        "span_bounds": np.stack([left[bounded], right[bounded]], axis=1),
        "span_of": np.where(places < PLACES, of, -1),
        "span_places": places,
    }


class SpanBoundaryHead(nn.Module):
    """left (H), right (H) and place (200) -> two layers of (H) -> scores by the token table.

    embedding_size   width of the token table, where it is not H (ALBERT): then the second layer has it
    """

    weight_names: ClassVar[list[WeightName]] = []  # no published class has them

    def __init__(
        self,
        hidden_size: int,
        vocab_size: int,
        activation: ActivationName,
        layer_norm_eps: float,
        embedding_size: int | None = None,
    ) -> None:
        super().__init__()
        self.place = nn.Parameter(torch.empty(PLACES, PLACE_SIZE))
        self.first = nn.Linear(2 * hidden_size + PLACE_SIZE, hidden_size)
        self.first_norm = Norm(hidden_size, layer_norm_eps)
        self.second = nn.Linear(hidden_size, embedding_size or hidden_size)
        self.second_norm = Norm(embedding_size or hidden_size, layer_norm_eps)
        self.activation = ACTIVATIONS[activation]
        self.bias = nn.Parameter(torch.zeros(vocab_size))

    def forward(self, bounds: Tensor, of: Tensor, places: Tensor) -> Tensor:
        """bounds (P, 2, H), and for each token the span (K,) and its place in it (K,) -> (K, H or E)."""
        # The bounds' part of the first layer is worked out once for each span, not once for each of its tokens.
        width = bounds.shape[1] * bounds.shape[2]
        sides = F.linear(bounds.flatten(1), self.first.weight[:, :width], self.first.bias)
        by_place = F.linear(self.place, self.first.weight[:, width:])
        x = self.first_norm(self.activation(lookup(sides, of) + lookup(by_place, places)))
        return self.second_norm(self.activation(self.second(x)))

    def count(self, batch: Batch) -> int:
        """Hidden tokens that have a bounded span and one of the first places in it."""
        return 0 if batch.span_of is None else int((batch.span_of >= 0).sum())

    def reads(self, batch: Batch) -> Tensor:
        """(2 P,) the tokens around each span."""
        assert batch.span_bounds is not None
        return batch.span_bounds.flatten()

    def tally(self, seen: Tensor, batch: Batch, encoder: Encoder) -> Tally:
        """Summed cross-entropy, in nats, of the tokens of bounded spans."""
        assert batch.span_of is not None and batch.span_places is not None and batch.predict_ids is not None
        which = torch.nonzero(batch.span_of >= 0).squeeze(1)
        x = self(seen.view(-1, 2, seen.shape[1]), batch.span_of[which], batch.span_places[which])
        project = projected_cross_entropy if torch.is_grad_enabled() else plain
        loss_sum, correct = project(x, encoder.token_table, self.bias, batch.predict_ids[which])
        return Tally(loss_sum, which.shape[0], correct)
