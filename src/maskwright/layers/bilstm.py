"""LSTMs that read a flat batch in both directions, one layer upon another.

PyTorch's own LSTM, given the batch packed: its tokens in the order of `reading_order`. A layer's output at a token is
what the forward LSTM knows there beside what the backward one knows.
"""

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from maskwright import draws
from maskwright.batch import Integers
from maskwright.layers.dropout import DropoutStream, dropout
from maskwright.layers.reading_order import ReadingOrder, reading_order


class BiLstm(nn.Module):
    """(T, I) -> (T, 2 C)."""

    def __init__(self, inputs: int, cells: int, layers: int, rate: float) -> None:
        """inputs   I
        cells    C, of each direction
        layers   one upon another
        rate     of what goes into each layer, in training
        """
        super().__init__()
        self.rate = rate
        self.layers = nn.ModuleList(_BothWays(2 * cells if place else inputs, cells) for place in range(layers))

    def forward(self, x: Tensor, bounds: Integers, stream: DropoutStream | None = None) -> Tensor:
        """Each sequence from zeros. Without a `stream` nothing is dropped.

        bounds   (N+1,) where sequences begin and end
        """
        order = reading_order(bounds, backward=False, device=x.device)
        read = x.index_select(0, order.rows)
        for layer in cast("list[_BothWays]", self.layers):
            read = layer(dropout(read, self.rate, stream), order)
        return read.index_select(0, torch.argsort(order.rows))

    @torch.no_grad()
    def start(self, seed: int) -> None:
        """Start all weights as PyTorch does, uniformly within 1/sqrt(C), each from the seed and its name."""
        for name, parameter in self.named_parameters():
            generator = torch.Generator().manual_seed(draws.key(seed, "start", name) & (2**63 - 1))
            limit = cast("_BothWays", self.layers[0]).lstm.hidden_size ** -0.5
            parameter.copy_(torch.empty(parameter.shape).uniform_(-limit, limit, generator=generator))


class _BothWays(nn.Module):
    """One layer, (T, I) -> (T, 2 C) in the order of reading."""

    def __init__(self, inputs: int, cells: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(inputs, cells, bidirectional=True)

    def forward(self, x: Tensor, order: ReadingOrder) -> Tensor:
        if not len(x):
            return x.new_zeros(0, 2 * self.lstm.hidden_size)
        read: PackedSequence = self.lstm(PackedSequence(x, torch.tensor(order.sizes)))[0]
        return read.data
