"""A step of pairs in micro-batches has the gradient of all of them joined, with dropout too."""

import copy
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import Tensor

from maskwright.batch import Batch
from maskwright.draws import generator
from maskwright.layers.dropout import DropoutStream
from maskwright.objectives.text_vectors import LossName, TextVectors
from maskwright.tasks.inputs import TransformerInputs
from maskwright.tokenizers.pairs import EncodedPair
from maskwright.training.finetuning import Finetuning, bi_encoder
from maskwright.training.gradients import gradients
from maskwright.training.joined_step import JoinedWork
from maskwright.training.labelled_sequences import Epochs, LabelledSequences
from maskwright.training.optimizers import Optimizer, OptimizerConfig
from maskwright.training.signals import Stop
from maskwright.training.training_config import TrainingConfig
from maskwright.training.work import Joined, whole
from tests.checkpoints import made_up
from tests.models.networks import draw_weights, small

PAIRS, SIZE = 12, 10


def network(loss: LossName, rate: float) -> Finetuning:
    config = small("bert", hidden_dropout_prob=rate, attention_probs_dropout_prob=0.0)
    made = bi_encoder(config, TextVectors("mean", loss, 5.0))
    draw_weights(made, 0)
    return made.double()


def pairs(loss: LossName) -> LabelledSequences:
    rng = generator(0, "pairs")
    drawn = [rng.integers(5, 50, rng.integers(1, 9)) for _ in range(2 * PAIRS)]
    encoded = [EncodedPair(ids, np.zeros_like(ids), ids, ids, ()) for ids in drawn]
    texts = np.arange(2 * PAIRS).reshape(-1, 2)
    texts[3, 0] = texts[5, 0]
    labels = texts if loss == "infonce" else rng.normal(size=PAIRS).astype(np.float32)
    return LabelledSequences(encoded, labels, TransformerInputs(made_up.tokenizer(), segments=2), sizes=[2] * PAIRS)


def nothing() -> Iterator[Batch]:
    return iter(())


def gradient(model: Finetuning, loss: LossName, micro: int) -> tuple[Tensor, list[float]]:
    """Of the first step, as the loop computes it; and the sums that it logs."""
    work = JoinedWork(model, Epochs(pairs(loss), batch=SIZE, micro=2 * micro, seed=0).batches, nothing)
    assert isinstance(work, Joined)
    optimizer = Optimizer(model, OptimizerConfig(), torch.float64)
    config = TrainingConfig(clip=None, precision="float32", seed=3)
    sums, _, _ = gradients(work, optimizer, whole(work.batches(0)), config, 0, Stop())
    return optimizer.flat.gradient.clone(), sums.sums["task"]


@pytest.mark.parametrize("loss", ["infonce", "cosent", "cosine"])
def test_micro_batches_change_nothing(loss: LossName) -> None:
    model = network(loss, 0.0)
    whole, of_whole = gradient(copy.deepcopy(model), loss, SIZE)
    for micro in (1, 4):
        parts, of_parts = gradient(copy.deepcopy(model), loss, micro)
        assert torch.allclose(parts, whole, atol=1e-12) and of_parts == pytest.approx(of_whole, abs=1e-9)
    assert whole.abs().max() > 1e-4


def test_both_passes_drop_the_same() -> None:
    """Beside the vectors of all micro-batches in one graph, each drawn as the loop draws it."""
    model = network("infonce", 0.2)
    found, _ = gradient(copy.deepcopy(model), "infonce", 4)
    batches = Epochs(pairs("infonce"), batch=SIZE, micro=8, seed=0).batches(0)
    assert len(batches) == 3
    vectors = [model.scores(batch, DropoutStream(3, "dropout", 0, place)) for place, batch in enumerate(batches)]
    labels = torch.cat([batch.labels for batch in batches if batch.labels is not None])
    head = model.head
    assert isinstance(head, TextVectors)
    head.compare(torch.cat(vectors), labels).losses.mean().backward()
    wanted = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    flat = Optimizer(model, OptimizerConfig(), torch.float64).flat
    flat.gradient.copy_(found)
    assert len(wanted) > 10
    assert all(torch.allclose(flat.gradient_of[name], grad, atol=1e-12) for name, grad in wanted.items())


def test_a_pooler_that_nobody_reads_stays_as_it_is() -> None:
    model = network("infonce", 0.0)
    trained = {name for name, p in model.named_parameters() if p.requires_grad}
    assert "encoder.pooler.weight" not in trained and "encoder.layers.0.output.weight" in trained
