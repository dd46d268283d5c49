"""A table of vectors as an encoder: each token has its row, wherever it stands (word2vec, arXiv 1301.3781).

Tokens without a vector are rows of zeros and stay so, whatever is trained.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from maskwright.batch import Batch
from maskwright.layers.dropout import DropoutStream
from maskwright.layers.lookup import lookup
from maskwright.training.word2vec import TableConfig

READS = frozenset({"token_ids", "cu_seqlens", "max_seqlen", "position_ids"})


class VectorTable(nn.Module):
    """(V, H), and which of its rows are there."""

    counts: Tensor
    """(V,) int64, how often each token was seen when vectors were learned; 0: it has none."""

    def __init__(self, config: TableConfig) -> None:
        super().__init__()
        self.config = config
        self.vectors = nn.Parameter(torch.zeros(config.vocab_size, config.hidden_size))
        self.register_buffer("counts", torch.zeros(config.vocab_size, dtype=torch.int64))

    def forward(self, batch: Batch, stream: DropoutStream | None = None, rows: Tensor | None = None) -> Tensor:
        """(T, H); with `rows` (R,) at these rows alone."""
        batch.check_read_by("word2vec", READS)
        ids = batch.token_ids if rows is None else batch.token_ids.index_select(0, rows)
        return lookup(self.vectors, ids) * (self.counts[ids] > 0)[:, None]

    def hidden_states(self, batch: Batch, stream: DropoutStream | None = None) -> list[Tensor]:
        """One tensor (T, H): there are no layers."""
        return [self(batch, stream)]

    def counted(self, batch: Batch) -> Tensor:
        """(T,) bool, tokens that have a vector."""
        return self.counts[batch.token_ids] > 0

    @torch.no_grad()
    def take(self, tensors: Mapping[str, Tensor]) -> "VectorTable":
        """The same with the vectors and counts of a folder (`training.word2vec.table_shapes`)."""
        self.vectors.copy_(tensors["vectors"])
        self.counts.copy_(tensors["counts"])
        return self
