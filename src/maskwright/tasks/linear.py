"""A linear model of whole texts' vectors, fitted by scikit-learn: how a bag of words learns a task.

Classes: multinomial logistic regression; where a text may be of several, one logistic regression for each class;
numbers: ridge regression. Nothing is drawn, and it is found in one go. A pair's vector is u, v, |u - v| and u v side by
side, u and v being those of its texts: a linear model of u and v alone could not say whether they are alike (Conneau et
al., arXiv 1705.02364, figure 1; the baselines of GLUE, 1804.07461).
"""

import json
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from pydantic import Field
from torch import Tensor

from maskwright.checkpoints.config_file import read_json
from maskwright.checkpoints.task_folder import TASK, TASK_WEIGHTS
from maskwright.checkpoints.task_part import MOST_LABELS, TaskPart
from maskwright.checkpoints.tensor_file import read_tensors_of, write_tensors
from maskwright.config import Config, checked, plain
from maskwright.errors import BadInput
from maskwright.tasks.predictions import Prediction, read
from maskwright.tokenizers.pairs import Text

Doubles = npt.NDArray[np.float64]
Matrix = Any
"""(N, F) float64, of numpy or sparse of scipy."""
MOST_STEPS = 1000
SIDES = 4
"""Parts of a pair's vector."""
NEVER = -1e4
"""The bias of a class that no training example has: its share of the probability is 0."""


class LinearConfig(Config):
    """How a linear model is fitted."""

    c: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    """How little large weights cost: scikit-learn's C of logistic regression; ridge's alpha is 1 / (2 c)."""


class LinearFile(Config):
    """What task.json says of a linear model."""

    asks: Literal["class", "classes", "number"]
    """What is asked, see `TaskPart`."""
    labels: tuple[str, ...] = Field(min_length=1, max_length=MOST_LABELS)
    """The names of the answers, in the order of the scores."""
    pairs: bool
    """It is asked of pairs of texts."""


class Linear(NamedTuple):
    """Scores are features times weights, plus bias; of two classes the first has zeros.

    weight   (C, F) float64
    bias     (C,) float64
    """

    weight: Doubles
    bias: Doubles

    def scores(self, features: Matrix) -> Tensor:
        """(N, F) -> (N, C) float64."""
        return torch.from_numpy(np.asarray(features @ self.weight.T + self.bias, np.float64))


class LinearTask(NamedTuple):
    """What a linear model answers.

    pairs   of pairs of texts, and not of single ones
    """

    part: TaskPart
    pairs: bool
    linear: Linear

    def write(self, folder: Path) -> None:
        """Write task.json and task.safetensors into a folder that is being made."""
        said = plain(LinearFile(asks=self.part.asks, labels=self.part.labels, pairs=self.pairs))  # type: ignore[arg-type]
        (folder / TASK).write_text(json.dumps(said, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        tensors = {name: torch.from_numpy(values) for name, values in self.linear._asdict().items()}
        write_tensors(folder / TASK_WEIGHTS, tensors)

    def answers(self, vectors: Callable[[list[str]], Matrix], texts: Sequence[Text]) -> list[Prediction]:
        """A class, classes or a number for each text."""
        if not texts:
            return []
        return read(self.linear.scores(features(vectors, texts, pairs=self.pairs)), self.part)


class Fitted(NamedTuple):
    """A linear model, and whether its weights had come to rest."""

    linear: Linear
    converged: bool


def read_linear(folder: Path, size: int) -> LinearTask | None:
    """The task in a folder of texts' vectors of that size; None where there is none.

    BadInput in a line for what is missing or out of place.
    """
    if not (folder / TASK).is_file():
        return None
    said = checked(LinearFile, read_json(folder / TASK), str(folder / TASK))
    rows, columns = len(said.labels), size * (SIDES if said.pairs else 1)
    wanted = {"weight": (torch.float64, (rows, columns)), "bias": (torch.float64, (rows,))}
    found = read_tensors_of(folder / TASK_WEIGHTS, wanted, TASK)
    linear = Linear(found["weight"].numpy(), found["bias"].numpy())
    return LinearTask(TaskPart(said.asks, said.labels), said.pairs, linear)


def no_place(where: str, shape: str) -> str:
    """Why a bag of words does not learn that shape of task, and what does."""
    able = "a word2vec, an ELMo or a Transformer" if shape in ("tagging", "segmentation") else "a Transformer"
    return (
        f"{where} is a bag of words, one vector for a whole text: it learns classification and regression; for {shape} "
        f"take {able}"
    )


def features(vectors: Callable[[list[str]], Matrix], texts: Sequence[Text], *, pairs: bool) -> Matrix:
    """(N, F) of texts, or (N, 4 F) of pairs of texts. BadInput for a text among pairs, and for a pair among texts.

    vectors   makes (N, F) of texts
    """
    if not pairs:
        if pair := next((text for text in texts if not isinstance(text, str)), None):
            raise BadInput(f"{pair!r:.80} is a pair, and this model learned from single texts: give it such")
        return vectors([text for text in texts if isinstance(text, str)])
    if (lone := next((text for text in texts if isinstance(text, str)), None)) is not None:
        raise BadInput(f"{lone!r:.80} is a single text, and this model learned from pairs: give it such")
    u, v = (vectors([text[side] for text in texts]) for side in (0, 1))
    if isinstance(u, np.ndarray):
        return np.concatenate([u, v, np.abs(u - v), u * v], 1)
    from scipy.sparse import hstack

    return hstack([u, v, abs(u - v), u.multiply(v)], format="csr")


def fit(given: Matrix, labels: npt.NDArray[Any], part: TaskPart, config: LinearConfig) -> Fitted:
    """The model of examples.

    given    (N, F) features
    labels   (N,) classes, (N, C) ones and zeros, or (N,) numbers, as `tasks.texts.labels` makes them
    """
    if part.asks == "number":
        from sklearn.linear_model import Ridge

        ridge: Any = Ridge(alpha=1 / (2 * config.c)).fit(given, labels.astype(np.float64))
        return Fitted(Linear(np.atleast_2d(ridge.coef_), np.atleast_1d(ridge.intercept_)), converged=True)
    if part.asks == "class":
        return _logistic(given, labels, len(part.labels), config.c)
    found = [_logistic(given, column.astype(np.int64), 2, config.c) for column in labels.T]
    rows = Linear(np.stack([one.linear.weight[1] for one in found]), np.array([one.linear.bias[1] for one in found]))
    return Fitted(rows, all(one.converged for one in found))


def _logistic(given: Matrix, labels: npt.NDArray[np.int64], classes: int, c: float) -> Fitted:
    """Of these classes, those that no label names included."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    weight, bias = np.zeros((classes, given.shape[1])), np.full(classes, NEVER)
    there = np.unique(labels)
    if len(there) == 1:  # all alike: always that, whatever the text
        bias[there] = -NEVER
        return Fitted(Linear(weight, bias), converged=True)
    model: Any = LogisticRegression(C=c, max_iter=MOST_STEPS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # `converged` says it
        model.fit(given, labels)
    if len(there) == 2:
        weight[there[1]], bias[there] = model.coef_[0], (0, model.intercept_[0])
    else:
        weight[there], bias[there] = model.coef_, model.intercept_
    return Fitted(Linear(weight, bias), converged=bool((model.n_iter_ < MOST_STEPS).all()))
