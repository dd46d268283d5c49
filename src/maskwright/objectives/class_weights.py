"""Classes that weigh more than others, since there are few examples of them or since to miss them costs more.

As torch's `cross_entropy(weight=w)` has it: the loss of an example of the class c is w_c times its cross-entropy, and
the mean is taken over the sum of the weights, not over the examples:

    loss = sum_i w_{y_i} CE_i / sum_i w_{y_i}
"""

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Literal, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
import torch
from pydantic import Field
from torch import Tensor
from torch.nn.functional import cross_entropy

from maskwright.batch import Batch
from maskwright.config import Config
from maskwright.errors import BadInput
from maskwright.objectives.tally import Tally


class LossConfig(Config):
    """What each answer counts."""

    class_weights: Literal["none", "balanced"] | dict[str, float] = Field(default="none")
    """none: all classes or tags alike; balanced: each class as much as each other, examples of rare ones more; or a
    table of some names with their weights, all others 1."""


@runtime_checkable
class Weighs(Protocol):
    """A head whose classes may weigh differently."""

    class_weights: Tensor | None
    """(C,) float64 on the CPU; None: all alike."""


def class_weights(
    asked: Literal["none", "balanced"] | Mapping[str, float], names: tuple[str, ...], labels: npt.NDArray[np.int64]
) -> Tensor | None:
    """(C,) weights of classes, None for all alike; BadInput for a name that is none of them or no weight above 0.

    names    of the C classes, in the order of their numbers
    labels   (M,) those of the training examples

    balanced is scikit-learn's `compute_class_weight`: n / (C n_c), where C counts the classes that there are; one that
    no example has weighs 1.

    >>> class_weights("balanced", ("ham", "spam"), np.array([0, 0, 0, 1])).tolist()
    [0.6666666666666666, 2.0]
    >>> class_weights({"垃圾": 3.0}, ("好", "垃圾"), np.array([0, 1])).tolist()
    [1.0, 3.0]
    """
    if asked == "none":
        return None
    if asked == "balanced":
        counts = np.bincount(labels, minlength=len(names))
        there = counts > 0
        weights = np.ones(len(names))
        weights[there] = len(labels) / (there.sum() * counts[there])
        return torch.from_numpy(weights)
    for name, weight in asked.items():
        if name not in names:
            near = get_close_matches(name, names, 1)
            meant = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(names[:20])}"
            raise BadInput(f"loss.class_weights names {name!r}, which is no class of the examples: {meant}")
        if not 0 < weight < float("inf"):
            raise BadInput(f"loss.class_weights.{name} is {weight}: a weight is above 0; 1 changes nothing")
    return torch.tensor([float(asked.get(name, 1.0)) for name in names], dtype=torch.float64)


def class_tally(scores: Tensor, batch: Batch, weights: Tensor | None) -> Tally:
    """Summed cross-entropy in nats and hits of (M, C) scores, each answer weighted as its class is."""
    assert batch.labels is not None
    precise, labels = scores.to(torch.promote_types(scores.dtype, torch.float32)), batch.labels
    hits = scores.argmax(-1) == labels
    if weights is None:
        return Tally(cross_entropy(precise, labels, reduction="sum"), len(labels), hits.sum())
    ours = weights.to(precise.device, precise.dtype)
    loss = cross_entropy(precise, labels, weight=ours, reduction="sum")
    return Tally(loss, class_count(batch, weights), (ours[labels] * hits).sum())


def class_count(batch: Batch, weights: Tensor | None) -> float:
    """Answers asked for; with weights the sum of theirs."""
    if batch.labels is None:
        return 0
    return len(batch.labels) if weights is None else float(weights[batch.labels.cpu()].sum())
