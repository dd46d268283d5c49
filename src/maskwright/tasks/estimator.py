"""Fine-tuning as scikit-learn has it: `fit`, `predict`, `score`, and parameters that can be read, set and copied.

    import maskwright as mw

    classifier = mw.Classifier("runs/my-bert/model", epochs=3).fit(texts, labels)
    classifier.predict(["A fine film."])

They stand in a Pipeline, in cross_val_score and in GridSearchCV (with n_jobs=1). Training is `tasks.finetune`, one run
for each fit. Parameters, the same in all three:

    model                the folder of the encoder
    epochs               passes over the examples
    rate                 the highest learning rate
    validation_fraction  share of the examples that is put aside and not learned from; 0: all are learned from
    max_length           tokens of a text; longer ones are cut. None: 512, or the model's positions where fewer
    random_state         names every draw; None is 0
    out                  a folder to keep the run in (out/run, with its model); None: only the model is kept, as long as
                         the estimator is. A folder holds one run: leave it None in searches
    settings             other keys of the recipe by their dotted names: {"training.batch_sequences": 16}

A pickle of a fitted one holds the files of its model's folder.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self, cast

import numpy as np
import numpy.typing as npt

from maskwright.errors import BadInput
from maskwright.tasks import fitting
from maskwright.tasks.examples import Labelled, Tagged
from maskwright.tasks.metrics import entities
from maskwright.tasks.predictions import Prediction

Array = npt.NDArray[Any]
RATE = 5e-5
Settings = Mapping[str, Any] | None


class Classifier:
    """One class of several for a text or a pair of texts.

    After fit: `classes_`, sorted; `model_folder_`, of the model; `validation_score_`, the accuracy on what was put
    aside, where something was.
    """

    get_params = fitting.get_params
    set_params = fitting.set_params
    __repr__ = fitting.shown
    __sklearn_is_fitted__ = fitting.is_fitted

    def __init__(
        self,
        model: str | Path,
        *,
        epochs: float = 3,
        rate: float = RATE,
        validation_fraction: float = 0.0,
        max_length: int | None = None,
        random_state: Any = None,
        out: str | Path | None = None,
        settings: Settings = None,
    ) -> None:
        self.model, self.epochs, self.rate, self.validation_fraction = model, epochs, rate, validation_fraction
        self.max_length, self.random_state, self.out, self.settings = max_length, random_state, out, settings

    def __sklearn_tags__(self) -> Any:
        return fitting.tags_of("classifier")

    def fit(self, X: Any, y: Any) -> Self:
        """Learn the classes of texts. BadInput for a single class, and as `fitting.text_rows` says."""
        rows, said = fitting.text_rows(X), _one_each(y)
        fitting.refuse_unequal(rows, said)
        self.classes_, places = np.unique(said, return_inverse=True)
        if len(self.classes_) < 2:
            raise BadInput(f"y has the single class {str(self.classes_[0])!r}: there is nothing to tell apart")
        self._labels = _names_of(self.classes_)
        rows = [row | {"label": self._labels[at]} for row, at in zip(rows, places.tolist(), strict=True)]
        _learn(self, "classification", rows, places.tolist())
        return self

    def predict(self, X: Any) -> Array:
        """(N,) the likeliest class of each text."""
        shares = self.predict_proba(X)
        return self.classes_[shares.argmax(-1)]

    def predict_proba(self, X: Any) -> Array:
        """(N, C) the probability of each class, in the order of `classes_`."""
        found = cast("list[Prediction]", _answers(self, _texts(X)))
        return np.array([[one.shares[name] for name in self._labels] for one in found], np.float64)

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """The share of texts whose class is right."""
        said, given = self.predict(X), _one_each(y)
        fitting.refuse_unequal(said, given)
        return float(np.average(said == given, weights=sample_weight))


class Regressor:
    """A number for a text or a pair of texts.

    After fit: `model_folder_`, of the model; `validation_score_` as `score`, of what was put aside.
    """

    get_params = fitting.get_params
    set_params = fitting.set_params
    __repr__ = fitting.shown
    __sklearn_is_fitted__ = fitting.is_fitted

    def __init__(
        self,
        model: str | Path,
        *,
        epochs: float = 3,
        rate: float = RATE,
        validation_fraction: float = 0.0,
        max_length: int | None = None,
        random_state: Any = None,
        out: str | Path | None = None,
        settings: Settings = None,
    ) -> None:
        self.model, self.epochs, self.rate, self.validation_fraction = model, epochs, rate, validation_fraction
        self.max_length, self.random_state, self.out, self.settings = max_length, random_state, out, settings

    def __sklearn_tags__(self) -> Any:
        return fitting.tags_of("regressor")

    def fit(self, X: Any, y: Any) -> Self:
        """Learn the numbers of texts. BadInput for one that is not finite, and as `fitting.text_rows` says."""
        rows, said = fitting.text_rows(X), fitting.finite(_one_each(y))
        fitting.refuse_unequal(rows, said)
        rows = [row | {"label": number} for row, number in zip(rows, said, strict=True)]
        _learn(self, "regression", rows, [0] * len(rows))
        return self

    def predict(self, X: Any) -> Array:
        """(N,) a number for each text."""
        return np.array([one.label for one in cast("list[Prediction]", _answers(self, _texts(X)))], np.float64)

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """The coefficient of determination, R²: 1 is perfect, 0 what the mean of `y` reaches."""
        said, given = self.predict(X), np.array(fitting.finite(_one_each(y)))
        fitting.refuse_unequal(said, given)
        weights = np.ones(len(given)) if sample_weight is None else np.asarray(sample_weight, np.float64)
        spread = (weights * (given - np.average(given, weights=weights)) ** 2).sum()
        off = (weights * (given - said) ** 2).sum()
        return float(1 - off / spread) if spread else float(off == 0)


class Tagger:
    """A tag for each word: X has lists of words, y lists of tags.

    After fit: `model_folder_`, of the model; `validation_score_` as `score`, of what was put aside.
    """

    get_params = fitting.get_params
    set_params = fitting.set_params
    __repr__ = fitting.shown
    __sklearn_is_fitted__ = fitting.is_fitted

    def __init__(
        self,
        model: str | Path,
        *,
        epochs: float = 3,
        rate: float = RATE,
        validation_fraction: float = 0.0,
        max_length: int | None = None,
        random_state: Any = None,
        out: str | Path | None = None,
        settings: Settings = None,
    ) -> None:
        self.model, self.epochs, self.rate, self.validation_fraction = model, epochs, rate, validation_fraction
        self.max_length, self.random_state, self.out, self.settings = max_length, random_state, out, settings

    def __sklearn_tags__(self) -> Any:
        return fitting.tags_of(None)

    def fit(self, X: Any, y: Any) -> Self:
        """Learn the tags of words. BadInput for a sentence with more or fewer tags than words."""
        sentences, tags = list(X), list(y)
        fitting.refuse_unequal(sentences, tags)
        rows = [{"words": list(words), "tags": list(its)} for words, its in zip(sentences, tags, strict=True)]
        for place, row in enumerate(rows):
            if len(row["words"]) != len(row["tags"]) or not row["words"]:
                raise BadInput(f"X[{place}] has {len(row['words'])} words and y[{place}] {len(row['tags'])} tags")
        _learn(self, "tagging", rows, [0] * len(rows))
        return self

    def predict(self, X: Any) -> list[list[str]]:
        """The tags of the words of each sentence."""
        examples = [Tagged(tuple(words), None, f"X[{place}]") for place, words in enumerate(X)]
        return _answers(self, examples)

    def score(self, X: Any, y: Any) -> float:
        """F1 of what the tags mark, as conlleval has it."""
        return entities.scores([list(tags) for tags in y], self.predict(X))["f1"]


def _learn(estimator: Any, shape: Any, rows: Sequence[fitting.Row], groups: Sequence[int]) -> None:
    """Fit, and judge by what was put aside if anything was."""
    how = fitting.wanted(estimator)
    chosen = set(fitting.aside(groups, estimator.validation_fraction, fitting.seed_of(how.random_state)))
    train, dev = ([row for at, row in enumerate(rows) if (at in chosen) == inside] for inside in (False, True))
    columns = {"pair": "pair"} if "pair" in rows[0] else {}
    estimator.fitted_ = fitting.fit(how, shape, train, dev, columns)
    estimator.model_folder_ = estimator.fitted_.folder
    if dev and shape == "tagging":
        estimator.validation_score_ = estimator.score([row["words"] for row in dev], [row["tags"] for row in dev])
    elif dev:
        texts = [tuple(row[key] for key in ("text", "pair") if key in row) for row in dev]
        said = [row["label"] for row in dev]
        if shape == "classification":
            said = [estimator.classes_[estimator._labels.index(name)] for name in said]
        estimator.validation_score_ = estimator.score(texts, said)


def _texts(X: Any) -> list[Labelled]:
    rows = fitting.text_rows(X)
    return [Labelled(row["text"], row.get("pair"), None, f"X[{place}]") for place, row in enumerate(rows)]


def _answers(estimator: Any, examples: Sequence[Any]) -> list[Any]:
    """In order. BadInput for an estimator that has learned nothing."""
    if not fitting.is_fitted(estimator):
        raise BadInput(f"this {type(estimator).__name__} has learned nothing yet: call fit first")
    return estimator.fitted_.answers(examples, estimator.max_length)


def _one_each(y: Any) -> Array:
    """(N,) answers. BadInput for a table of them."""
    found = np.asarray(y.to_numpy() if hasattr(y, "to_numpy") else y)
    if found.ndim == 2 and found.shape[1] == 1:
        found = found[:, 0]
    if found.ndim != 1:
        raise BadInput(f"y has {found.ndim} dimensions: one answer for each example was expected")
    return found


def _names_of(classes: Array) -> list[str]:
    """What classes are called in the model's folder: as they are shown, or where that will not do by their place."""
    names = [str(one).strip() for one in classes.tolist()]
    return names if all(names) and len(set(names)) == len(names) else [str(place) for place in range(len(names))]
