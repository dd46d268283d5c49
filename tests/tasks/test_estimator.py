"""Estimators where scikit-learn takes them: copies, pipelines, folds, grids; and what they learn."""

import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.exceptions import NotFittedError
from sklearn.metrics import accuracy_score, r2_score
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.validation import check_is_fitted

import maskwright as mw
from maskwright.checkpoints.folder import write_folder
from maskwright.errors import BadInput
from maskwright.inference.loading import load
from maskwright.models import network_of
from tests.checkpoints import made_up

TEXTS = {"animal": ("the cat sat on a mat", "a cat and a cat"), "place": ("the river of paris", "paris , france")}
FAST: dict[str, Any] = {"epochs": 8, "rate": 3e-2, "settings": {"training.batch_sequences": 8}}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An encoder as it begins."""
    encoder = network_of(made_up.config()).initialise(0)
    return write_folder(
        tmp_path_factory.mktemp("encoder") / "model",
        names=encoder.weight_names(),
        parameters=dict(encoder.named_parameters()),
        config=made_up.config(),
        tokenizer=made_up.tokenizer(),
    )


def labelled(count: int = 8) -> tuple[list[str], list[str]]:
    rows = [(f"{text} {'. ' * (i % 3)}", name) for i in range(count) for name, texts in TEXTS.items() for text in texts]
    return [text for text, _ in rows], [name for _, name in rows]


@pytest.fixture(scope="module")
def fitted(model: Path) -> mw.Classifier:
    return mw.Classifier(model, **FAST).fit(*labelled())


def test_a_classifier_learns_and_gives_probabilities_of_its_classes(fitted: mw.Classifier) -> None:
    texts, labels = labelled(2)
    assert fitted.classes_.tolist() == ["animal", "place"]
    said, shares = fitted.predict(texts), fitted.predict_proba(texts)
    assert fitted.score(texts, labels) == accuracy_score(labels, said) == 1.0
    assert shares.shape == (8, 2) and shares.sum(-1) == pytest.approx(1)
    assert (fitted.classes_[shares.argmax(-1)] == said).all()
    answers = load(fitted.model_folder_).predict(texts)  # type: ignore[union-attr]
    assert [one.label for one in answers] == said.tolist()
    assert shares[:, 0] == pytest.approx([one.shares["animal"] for one in answers], abs=1e-6)
    assert sorted(file.name for file in fitted.model_folder_.parent.iterdir()) == ["model"]  # and nothing of the run


def test_the_same_state_gives_the_same_model_and_a_copy_is_not_fitted(model: Path, fitted: mw.Classifier) -> None:
    copy = clone(fitted)
    assert copy.get_params() == fitted.get_params() and copy is not fitted
    with pytest.raises(NotFittedError):
        check_is_fitted(copy)
    with pytest.raises(BadInput, match="has learned nothing yet: call fit first"):
        copy.predict(["a cat"])
    texts, labels = labelled()
    assert (copy.fit(texts, labels).predict_proba(texts) == fitted.predict_proba(texts)).all()
    other = clone(fitted).set_params(random_state=1).fit(texts, labels)
    assert (other.predict_proba(texts) != fitted.predict_proba(texts)).any()
    assert repr(mw.Classifier("m", epochs=2)) == "Classifier(model='m', epochs=2)"
    with pytest.raises(ValueError, match="Classifier has no parameter 'epoch': it has model, epochs, rate"):
        copy.set_params(epoch=1)


def test_a_pickle_holds_the_model(fitted: mw.Classifier) -> None:
    texts, _ = labelled(1)
    again = pickle.loads(pickle.dumps(fitted))
    assert (again.predict_proba(texts) == fitted.predict_proba(texts)).all()
    assert pickle.loads(pickle.dumps(clone(fitted))).get_params() == fitted.get_params()


def test_it_stands_in_a_pipeline_in_folds_and_in_a_grid(model: Path) -> None:
    texts, labels = labelled()
    lower = FunctionTransformer(lambda texts: [text.lower() for text in texts])
    whole = Pipeline([("lower", lower), ("classify", mw.Classifier(model, **FAST))])
    shouted = [text.upper() for text in texts]
    assert cross_val_score(whole, shouted, labels, cv=2, error_score="raise").tolist() == [1.0, 1.0]
    grid = GridSearchCV(whole, {"classify__rate": [1e-9, 3e-2]}, cv=2, error_score="raise").fit(shouted, labels)
    assert grid.best_params_ == {"classify__rate": 3e-2} and grid.score(shouted, labels) == 1.0
    assert grid.cv_results_["mean_test_score"][0] < 1
    assert is_classifier(whole) and is_regressor(mw.Regressor(model)) and not is_classifier(mw.Tagger(model))


def test_classes_of_any_kind_come_back_as_they_were(model: Path) -> None:
    texts, labels = labelled()
    numbers = np.array([{"animal": 7, "place": -1}[name] for name in labels])
    found = mw.Classifier(model, **FAST).fit(np.array(texts), pd.Series(numbers))
    assert found.classes_.tolist() == [-1, 7] and (found.predict(pd.Series(texts)) == numbers).all()
    config = (found.model_folder_ / "config.json").read_text()
    assert '"-1"' in config and '"7"' in config


def test_pairs_come_as_tuples_arrays_and_frames(model: Path) -> None:
    texts, labels = labelled()
    pairs = [("a long text", text) for text in texts]
    found = mw.Classifier(model, **FAST).fit(pairs, labels)
    shares = found.predict_proba(pairs)
    assert found.score(pairs, labels) == 1.0
    assert (found.predict_proba(np.array(pairs)) == shares).all()
    assert (found.predict_proba(pd.DataFrame(pairs, columns=["a", "b"])) == shares).all()


def test_what_is_put_aside_is_not_learned_from_and_judged(model: Path, tmp_path: Path) -> None:
    texts, labels = labelled()
    found = mw.Classifier(model, **FAST, validation_fraction=0.25, out=tmp_path / "kept").fit(texts, labels)
    assert found.validation_score_ == 1.0 and found.model_folder_ == tmp_path / "kept" / "run" / "model"
    lines = [(tmp_path / "kept" / f"{name}.jsonl").read_text().splitlines() for name in ("train", "dev")]
    assert [len(part) for part in lines] == [24, 8] and sum("animal" in line for line in lines[1]) == 4
    assert not hasattr(mw.Classifier(model, **FAST).fit(texts, labels), "validation_score_")


def test_a_regressor_learns_numbers(model: Path) -> None:
    texts, labels = labelled()
    numbers = np.array([{"animal": 2.0, "place": -1.0}[name] for name in labels])
    found = mw.Regressor(model, **{**FAST, "epochs": 12}).fit(texts, numbers)
    said = found.predict(texts)
    assert (
        said.shape == (32,)
        and found.score(texts, numbers) == pytest.approx(r2_score(numbers, said))
        and found.score(texts, numbers) > 0.8
    )
    weights = np.arange(32.0)
    assert found.score(texts, numbers, weights) == pytest.approx(r2_score(numbers, said, sample_weight=weights))


def test_a_tagger_learns_tags(model: Path) -> None:
    kinds = {"cat": "B-ANIMAL", "paris": "B-PLACE", "france": "B-PLACE"}
    words = [text.split() for text in labelled()[0]]
    tags = [[kinds.get(word, "O") for word in sentence] for sentence in words]
    found = mw.Tagger(model, **FAST).fit(words, tags)
    assert found.score(words, tags) == 1.0 and found.predict(words[:2]) == tags[:2]
    scores = cross_val_score(mw.Tagger(model, **FAST), words, tags, cv=2, error_score="raise")
    assert scores.shape == (2,)


@pytest.mark.parametrize(
    ("texts", "labels", "message"),
    [
        (["a", "b"], ["x", "x"], "y has the single class 'x'"),
        (["a", " "], ["x", "y"], r"X\[1\] has an empty text"),
        (["a", 3], ["x", "y"], r"X\[1\] is 3: a text or a pair of texts"),
        (["a", ("a", "b")], ["x", "y"], r"X\[0\] and X\[1\] are a text and a pair"),
        (["a"], ["x", "y"], "X has 1 examples and y 2"),
        ("a text", ["x"], "X is one text"),
        ([], [], "X is empty"),
        (["a", "b"], [[1, 0], [0, 1]], "y has 2 dimensions"),
    ],
)
def test_what_cannot_be_learned_from_is_refused_by_its_place(
    texts: Any, labels: Any, message: str, model: Path
) -> None:
    with pytest.raises(BadInput, match=message):
        mw.Classifier(model).fit(texts, labels)


def test_bad_parameters_are_refused(model: Path) -> None:
    with pytest.raises(BadInput, match=r"y\[1\] is nan: a number to learn is finite"):
        mw.Regressor(model).fit(["a", "b"], [1.0, float("nan")])
    with pytest.raises(BadInput, match="unknown key training.batch"):
        mw.Classifier(model, settings={"training.batch": 3}).fit(["a", "b"], ["x", "y"])
    with pytest.raises(BadInput, match="validation_fraction 1: choose"):
        mw.Classifier(model, validation_fraction=1).fit(["a", "b"], ["x", "y"])


def test_it_is_there_without_scikit_learn_and_costs_an_import_nothing() -> None:
    script = (
        "import sys, maskwright as mw; assert 'torch' not in sys.modules and 'maskwright.tasks' not in sys.modules;"
        "sys.modules['sklearn'] = None; print(mw.Classifier('m').get_params()['epochs'])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "3\n"
