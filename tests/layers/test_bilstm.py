"""Our layers of LSTMs over a flat batch beside PyTorch's, one sequence after another."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import Tensor

from maskwright.layers.bilstm import BiLstm
from maskwright.layers.dropout import DropoutStream


def made(layers: int, inputs: int = 5, cells: int = 3) -> tuple[BiLstm, torch.nn.LSTM]:
    """Ours and one of PyTorch's with the same weights."""
    ours = BiLstm(inputs, cells, layers, 0.5)
    ours.start(0)
    theirs = torch.nn.LSTM(inputs, cells, layers, bidirectional=True)
    with torch.no_grad():
        for name, parameter in theirs.named_parameters():
            kind, place = name.replace("_reverse", "").rsplit("_l", 1)
            reverse = "_reverse" if name.endswith("_reverse") else ""
            parameter.copy_(ours.get_parameter(f"layers.{place}.lstm.{kind}_l0{reverse}"))
    return ours.double(), theirs.double()


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("lengths", [[4, 1, 7], [0, 3, 0, 3], [0], [1]])
def test_equal_to_pytorch_on_each_sequence_alone(layers: int, lengths: list[int]) -> None:
    ours, theirs = made(layers)
    bounds = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    x = torch.randn(int(bounds[-1]), 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    apart = [theirs(x[first:end, None])[0][:, 0] for first, end in pairwise(bounds.tolist()) if end > first]
    wanted = torch.cat(apart) if apart else x.new_zeros(0, 6)
    found = ours(x, bounds)
    assert torch.allclose(found, wanted, atol=1e-12)
    if apart:
        found.square().sum().backward()
        wanted.square().sum().backward()
        mine = ours.get_parameter("layers.0.lstm.weight_ih_l0").grad
        assert mine is not None and torch.allclose(mine, theirs.weight_ih_l0.grad, atol=1e-12)


def test_dropout_is_arithmetic() -> None:
    ours, _ = made(2)
    x, bounds = torch.randn(6, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0)), np.array([0, 4, 6])

    def read(seed: int) -> Tensor:
        return ours(x, bounds, DropoutStream(seed, "dropout"))

    assert torch.equal(read(0), read(0))
    assert not torch.equal(read(0), read(1)) and not torch.equal(read(0), ours(x, bounds))


def test_weights_start_from_the_seed_alone() -> None:
    one, other = (made(2)[0] for _ in range(2))
    for (name, ours), theirs in zip(one.named_parameters(), other.parameters()):
        assert torch.equal(ours, theirs) and 0 < float(ours.detach().abs().max()) <= 3**-0.5, name
