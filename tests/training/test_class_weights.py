"""Weighted classes beside torch's loss and scikit-learn's weights, over any micro-batches."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.utils.class_weight import compute_class_weight

from maskwright.batch import Batch
from maskwright.checkpoints.task_part import TaskPart
from maskwright.errors import BadInput
from maskwright.objectives.class_weights import Weighs, class_weights
from maskwright.training.evaluation import Window, totals
from maskwright.training.finetuning import Finetuning, finetuning
from maskwright.training.gradients import gradients
from maskwright.training.optimizers import Optimizer, OptimizerConfig
from maskwright.training.signals import Stop
from maskwright.training.training_config import TrainingConfig
from maskwright.training.work import whole
from tests.models.networks import draw_weights, small
from tests.parity import draw_batch
from tests.training.works import Given

NAMES = ("O", "B-人", "I-人")
WEIGHTS = {"B-人": 0.02, "I-人": 0.03, "O": 0.001}
"""Small, so that the weights of a step sum to less than 1."""


def pieces(asks: str) -> list[Batch]:
    """Three micro-batches of 3, 1 and 2 sequences, with labels of whole ones, or of some tokens."""
    made: list[Batch] = []
    for place, lengths in enumerate(([7, 3, 12], [5], [4, 9])):
        draws = np.random.default_rng(place)
        batch = replace(draw_batch(draws, lengths, 50, 2), predict_rows=None, predict_ids=None, pair_labels=None)
        count = len(lengths) if asks == "class" else 5
        rows = None if asks == "class" else torch.arange(0, sum(lengths))[:count]
        labels = torch.from_numpy(draws.integers(0, 3, count if rows is None else len(rows)))
        made.append(replace(batch, predict_rows=rows, labels=labels))
    return made


def network(asks: str) -> Finetuning:
    encoder = small(hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    model = finetuning(encoder, TaskPart("class" if asks == "class" else "tags", NAMES), 0)
    draw_weights(model, 0)
    return model.double()


@pytest.mark.parametrize("asks", ["class", "tags"])
def test_the_gradient_of_a_step_is_that_of_torch_s_mean(asks: str) -> None:
    """`cross_entropy(weight=..., reduction="mean")` of all micro-batches joined."""
    ours, theirs, batches = network(asks), network(asks), pieces(asks)
    weights = class_weights(WEIGHTS, NAMES, np.zeros(0, np.int64))
    assert weights is not None and isinstance(ours.head, Weighs)
    ours.head.class_weights = weights
    optimizer = Optimizer(ours, OptimizerConfig(), torch.float64)
    config = TrainingConfig(clip=None)
    sums, _, _ = gradients(Given(ours, batches), optimizer, whole(batches), config, 0, Stop())  # type: ignore[arg-type]

    scores, labels = [theirs.scores(batch) for batch in batches], [batch.labels for batch in batches]
    assert all(label is not None for label in labels)
    right = torch.cat([label for label in labels if label is not None])
    loss = torch.nn.functional.cross_entropy(torch.cat(scores), right, weight=weights, reduction="mean")
    loss.backward()
    assert sum(weights[right]) < 1
    assert sums.means().loss == pytest.approx(float(loss.detach()), rel=1e-12)
    hits = torch.cat(scores).argmax(-1) == right
    assert sums.means().accuracy["task"] == pytest.approx(float((weights[right] * hits).sum() / weights[right].sum()))
    moved = {name: parameter for name, parameter in theirs.named_parameters() if parameter.requires_grad}
    assert optimizer.flat.gradient_of.keys() == moved.keys()
    for name, parameter in moved.items():
        wanted = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
        torch.testing.assert_close(optimizer.flat.gradient_of[name], wanted, rtol=1e-9, atol=1e-13)


@pytest.mark.parametrize("asks", ["class", "tags"])
def test_weights_of_one_change_no_bit_of_the_loss(asks: str) -> None:
    model, batch = network(asks), pieces(asks)[0]
    plain = totals(model.tallies(batch))
    assert isinstance(model.head, Weighs)
    model.head.class_weights = class_weights({"O": 1.0}, NAMES, np.zeros(0, np.int64))
    assert totals(model.tallies(batch)) == plain


def test_balanced_weights_are_scikit_learn_s() -> None:
    labels = np.random.default_rng(0).choice(4, 200, p=[0.7, 0.2, 0.07, 0.03])
    ours = class_weights("balanced", ("a", "b", "c", "d"), labels)
    assert ours is not None
    np.testing.assert_allclose(ours, compute_class_weight("balanced", classes=np.arange(4), y=labels), rtol=1e-15)
    without = class_weights("balanced", ("a", "b", "c", "d", "e"), labels)
    assert without is not None and without[:4].equal(ours) and without[4] == 1  # no example has e
    assert class_weights("none", ("a", "b"), labels) is None


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"B-": 2.0}, r"names 'B-', which is no class of the examples: did you mean 'B-人'\?"),
        ({"x": 2.0}, r"there are O, B-人, I-人"),
        ({"O": 0.0}, r"loss.class_weights.O is 0.0: a weight is above 0"),
        ({"O": float("nan")}, r"is nan"),
    ],
)
def test_a_table_of_weights_names_classes(table: dict[str, float], said: str) -> None:
    with pytest.raises(BadInput, match=said):
        class_weights(table, NAMES, np.zeros(0, np.int64))


def test_an_empty_step_divides_by_one() -> None:
    window = Window()
    window.add("task", 0.0, 0, 0)
    assert window.means().loss == 0.0


@pytest.mark.parametrize("asks", ["classes", "number"])
def test_what_is_no_class_has_no_weights(asks: str) -> None:
    """Its count stays that of its answers, whatever is set."""
    part = TaskPart("classes", ("a", "b")) if asks == "classes" else TaskPart("number", ("number",))
    model = finetuning(small(), part, 0)
    labels = torch.ones(3, 2) if asks == "classes" else torch.ones(3)
    assert model.counts(replace(pieces("class")[0], labels=labels)) == {"task": labels.numel()}
