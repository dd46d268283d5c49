"""Linear models of bags of words beside scikit-learn's own, fitted directly on the same texts."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import Pipeline

import maskwright as mw
from maskwright.checkpoints.task_part import TaskPart
from maskwright.errors import BadInput
from maskwright.inference.bag_of_words import BagOfWords
from maskwright.tasks.data import DataConfig
from maskwright.tasks.finetune_linear import LinearRecipe, finetune_linear
from maskwright.tasks.linear import Linear, LinearConfig, features, fit
from tests.tasks.bags import bag_folder, drawn_texts, liked, table, vectorizer

TRAIN, DEV = drawn_texts(120, 0), drawn_texts(30, 1)
SIZES: dict[int, Callable[[int], str]] = {
    2: lambda score: "good" if score > 0 else "bad",
    3: lambda score: ("bad", "so", "good")[int(np.sign(score)) + 1],
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return bag_folder(tmp_path_factory.mktemp("bag") / "model")


def fitted(folder: Path, out: Path, data: dict[str, Any], c: float = 1.0) -> BagOfWords:
    finetune_linear(LinearRecipe(model=str(folder), data=DataConfig(**data), linear=LinearConfig(c=c)), out)
    found = mw.load(out / "model")
    assert isinstance(found, BagOfWords) and found.task is not None
    return found


def linear_of(ours: BagOfWords) -> Linear:
    assert ours.task is not None
    found: Any = ours.task.model
    assert isinstance(found, Linear)
    return found


def their(model: Any, labels: Any) -> Any:
    """The pipeline whose bags were learned before, as ours were."""
    bags = vectorizer()
    return Pipeline([("bags", bags), ("model", model.fit(bags.transform(TRAIN), labels))])


@pytest.mark.parametrize("c", [1.0, 0.1])
@pytest.mark.parametrize("size", SIZES)
def test_classes_equal_those_of_logistic_regression(folder: Path, tmp_path: Path, size: int, c: float) -> None:
    names = SIZES[size]
    wanted = their(LogisticRegression(C=c, max_iter=1000), [names(liked(text)) for text in TRAIN])
    train, dev = (
        table(tmp_path / f"{i}.csv", [(text, names(liked(text))) for text in part])
        for i, part in enumerate((TRAIN, DEV))
    )
    ours = fitted(folder, tmp_path / "run", {"train": str(train), "dev": str(dev)}, c)
    assert ours.task is not None
    weight, bias = linear_of(ours)
    np.testing.assert_array_equal(weight[-len(wanted["model"].coef_) :], wanted["model"].coef_)
    np.testing.assert_array_equal(bias[-len(wanted["model"].coef_) :], wanted["model"].intercept_)
    answers = ours.predict(DEV)
    assert [answer.label for answer in answers] == wanted.predict(DEV).tolist()
    shares = [[answer.shares[name] for name in wanted.classes_] for answer in answers]
    np.testing.assert_allclose(shares, wanted.predict_proba(DEV), atol=1e-12)


def test_several_classes_equal_one_regression_each(folder: Path, tmp_path: Path) -> None:
    sets = [{word for word in ("fine", "dull", "cast", "plot") if word in text.split()} for text in TRAIN]
    rows = [(text, "|".join(sorted(names))) for text, names in zip(TRAIN, sets, strict=True) if names]
    train = table(tmp_path / "train.csv", rows)
    ours = fitted(folder, tmp_path / "run", {"train": str(train), "dev": str(train), "several": True})
    assert ours.task is not None and ours.task.part.asks == "classes"
    names = ours.task.part.labels
    ones = np.array([[name in label.split("|") for name in names] for _, label in rows], np.int64)
    theirs: Any = OneVsRestClassifier(LogisticRegression(max_iter=1000)).fit(
        vectorizer().transform([r[0] for r in rows]), ones
    )
    np.testing.assert_array_equal(linear_of(ours).weight, np.concatenate([one.coef_ for one in theirs.estimators_]))
    wanted = theirs.predict_proba(vectorizer().transform(DEV))
    found = [[answer.shares[name] for name in names] for answer in ours.predict(DEV)]
    np.testing.assert_allclose(found, wanted, atol=1e-12)


def test_numbers_equal_those_of_ridge(folder: Path, tmp_path: Path) -> None:
    wanted = their(Ridge(alpha=0.25), [float(liked(text)) for text in TRAIN])
    train, dev = (
        table(tmp_path / f"{i}.csv", [(text, liked(text)) for text in part]) for i, part in enumerate((TRAIN, DEV))
    )
    ours = fitted(folder, tmp_path / "run", {"shape": "regression", "train": str(train), "dev": str(dev)}, c=2)
    assert ours.task is not None
    np.testing.assert_array_equal(linear_of(ours).weight[0], wanted["model"].coef_)
    numbers: Any = [answer.label for answer in ours.predict(DEV)]
    np.testing.assert_allclose(numbers, wanted.predict(DEV), atol=1e-12)


def test_the_estimator_of_texts_says_the_same(folder: Path) -> None:
    labels = [SIZES[3](liked(text)) for text in TRAIN]
    wanted = their(LogisticRegression(max_iter=1000), labels)
    ours = mw.Classifier(folder).fit(TRAIN, labels)
    np.testing.assert_allclose(ours.predict_proba(DEV), wanted.predict_proba(DEV), atol=1e-12)


def test_a_pair_is_both_texts_their_difference_and_their_product(folder: Path) -> None:
    encoder = mw.load(folder)
    assert isinstance(encoder, BagOfWords)
    u, v = (vectorizer().transform(texts).toarray() for texts in (TRAIN[:5], TRAIN[5:10]))
    found = features(encoder.bags, list(zip(TRAIN[:5], TRAIN[5:10], strict=True)), pairs=True)
    np.testing.assert_allclose(found.toarray(), np.concatenate([u, v, np.abs(u - v), u * v], 1), atol=1e-15)
    dense = features(lambda texts: encoder.bags(texts).toarray(), [(TRAIN[0], TRAIN[5])], pairs=True)
    np.testing.assert_array_equal(dense, found[:1].toarray())
    with pytest.raises(BadInput, match="is a single text, and this model learned from pairs"):
        features(encoder.bags, ["a film"], pairs=True)
    with pytest.raises(BadInput, match="is a pair, and this model learned from single texts"):
        features(encoder.bags, [("a film", "a story")], pairs=False)


def test_a_class_without_examples_has_no_share(folder: Path) -> None:
    encoder = mw.load(folder)
    assert isinstance(encoder, BagOfWords)
    bags, labels = encoder.bags(TRAIN), np.array([2 if liked(text) > 0 else 0 for text in TRAIN])
    found = fit(bags, labels, TaskPart("class", ("a", "b", "c")), LinearConfig()).linear.scores(bags).softmax(-1)
    assert not found[:, 1].any()
    theirs = LogisticRegression(max_iter=1000).fit(bags, labels)
    np.testing.assert_allclose(found[:, [0, 2]], theirs.predict_proba(bags), atol=1e-12)


def test_whether_two_texts_are_alike_is_learned(folder: Path, tmp_path: Path) -> None:
    """The weights of u and v alone could not tell it."""
    first, second = drawn_texts(400, 2), drawn_texts(400, 3)
    rows = [
        (a, a if i % 2 else b, "same" if i % 2 else "other") for i, (a, b) in enumerate(zip(first, second, strict=True))
    ]
    train = table(tmp_path / "train.csv", rows[:300], ("text", "other", "label"))
    dev = table(tmp_path / "dev.csv", rows[300:], ("text", "other", "label"))
    ours = fitted(folder, tmp_path / "run", {"train": str(train), "dev": str(dev), "pair": "other"})
    answers = ours.predict([(a, b) for a, b, _ in rows[300:]])
    assert np.mean([answer.label == row[2] for answer, row in zip(answers, rows[300:], strict=True)]) > 0.95
