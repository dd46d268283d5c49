"""What a prediction head is given, and what it gives back. Heads know no network by name."""

from typing import Protocol

from torch import Tensor

from maskwright.batch import Batch
from maskwright.layers.weight_names import WeightName
from maskwright.objectives.tally import Tally


class Encoder(Protocol):
    """What heads ask of the network below them."""

    @property
    def token_table(self) -> Tensor:
        """(V, H) token embeddings, to tie a decoder to."""
        ...

    def pool(self, first: Tensor, batch: Batch) -> Tensor:
        """(N, H) vectors of each sequence's first token -> (N, H), one vector a sequence."""
        ...


class Head(Protocol):
    """An `nn.Module` that predicts something from the last layer, and counts how well."""

    weight_names: list[WeightName]
    """Its parameters beside the names under which others publish them."""

    def count(self, batch: Batch) -> int:
        """How many predictions the batch asks for."""
        ...

    def reads(self, batch: Batch) -> Tensor:
        """(R,) int64, the rows of the batch at which the head looks: the last layer is computed for them alone."""
        ...

    def tally(self, seen: Tensor, batch: Batch, encoder: Encoder) -> Tally:
        """Sums over the predictions of one batch; `seen` is the last layer's output at those rows, (R, H)."""
        ...
