"""Evaluation where memory is short."""

import pytest
import torch

from maskwright.batch import Batch
from maskwright.layers.dropout import DropoutStream
from maskwright.objectives.tally import Tally
from maskwright.training.evaluation import evaluate
from maskwright.training.optimizers import Optimizer, OptimizerConfig
from tests.models.networks import network, small
from tests.training.works import Examples, Given

EXAMPLES = Examples(3, 21)
HELD_OUT = [EXAMPLES.batch(range(14)), EXAMPLES.batch(range(14, 21))]


class Short(Given):
    """Has memory for so many sequences at once."""

    def __init__(self, room: int) -> None:
        super().__init__(network(small("bert"), ("mlm", "nsp")), [], HELD_OUT)
        self.room, self.seen = room, list[int]()

    def tallies(self, batch: Batch, stream: DropoutStream | None) -> dict[str, Tally]:
        if batch.num_sequences > self.room:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 1 GiB")
        self.seen.append(batch.num_sequences)
        return super().tallies(batch, stream)


def test_a_batch_that_does_not_fit_is_looked_at_in_halves() -> None:
    work = Short(4)
    optimizer = Optimizer(work.module, OptimizerConfig(), torch.float64)
    expected, found = evaluate(Given(work.module, [], HELD_OUT), optimizer), evaluate(work, optimizer)
    assert expected is not None and found is not None
    assert work.seen == [4, 3, 4, 3, 4, 3]
    for name in ("mlm", "nsp"):
        assert found.losses[name] == pytest.approx(expected.losses[name], rel=1e-12)
        assert found.accuracy[name] == expected.accuracy[name]


def test_one_sequence_that_does_not_fit_is_an_error() -> None:
    work = Short(0)
    with pytest.raises(torch.OutOfMemoryError):
        evaluate(work, Optimizer(work.module, OptimizerConfig(), torch.float64))
