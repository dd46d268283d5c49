"""Calibration beside scikit-learn, scipy's minimiser, and probabilities that are right by construction."""

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from sklearn.metrics import brier_score_loss, log_loss

from maskwright.draws import generator
from maskwright.tasks.evaluation import calibration


def drawn(size: int, classes: int, sharpness: float) -> tuple[np.ndarray, np.ndarray]:
    """Shares that are right when `sharpness` is 1, and classes drawn by the true ones."""
    rng = generator(0, "calibration", classes)
    scores = 1.5 * rng.normal(size=(size, classes))
    true = np.exp(scores) / np.exp(scores).sum(-1, keepdims=True)
    gold = np.array([rng.choice(classes, p=row) for row in true])
    told = np.exp(sharpness * scores)
    return told / told.sum(-1, keepdims=True), gold


@pytest.mark.parametrize("classes", [2, 4])
def test_scores_are_those_of_scikit_learn(classes: int) -> None:
    shares, gold = drawn(300, classes, 2.0)
    found = calibration.of_class(shares, gold)
    labels = list(range(classes))
    assert found.log_loss == pytest.approx(log_loss(gold, shares, labels=labels))
    theirs = brier_score_loss(gold, shares if classes > 2 else shares[:, 1], labels=labels, scale_by_half=False)
    assert found.brier == pytest.approx(theirs)


def test_what_is_right_by_construction_is_found_right_and_what_is_too_sure_is_mended() -> None:
    right = calibration.of_class(*drawn(4000, 3, 1.0))
    assert right.error < 0.03 and right.temperature == pytest.approx(1, abs=0.08)
    shares, gold = drawn(4000, 3, 2.5)
    sure = calibration.of_class(shares, gold)
    assert sure.error > 0.1 and sure.temperature == pytest.approx(2.5, rel=0.08) and not sure.at_limit
    assert sure.error_then < 0.03 and sure.log_loss_then < sure.log_loss
    scores = np.log(shares)

    def loss(heat: float) -> float:
        row = scores / heat
        return float((np.log(np.exp(row).sum(-1)) - row[np.arange(len(gold)), gold]).mean())

    theirs = minimize_scalar(loss, bounds=(0.1, 10), method="bounded", options={"xatol": 1e-8})
    assert sure.temperature == pytest.approx(theirs.x, rel=1e-4) and sure.log_loss_then == pytest.approx(theirs.fun)


def test_bins_hold_equally_many_and_the_error_is_their_mean_gap() -> None:
    shares, gold = drawn(301, 3, 2.0)
    found = calibration.of_class(shares, gold)
    assert len(found.bins) == 15 and {one.answers for one in found.bins} == {20, 21}
    order = np.argsort(shares.max(-1), kind="stable")
    gaps = [
        len(part) * abs(shares[part].max(-1).mean() - (shares[part].argmax(-1) == gold[part]).mean())
        for part in np.array_split(order, 15)
    ]
    assert found.error == pytest.approx(sum(gaps) / 301)
    assert [one.confidence for one in found.bins] == sorted(one.confidence for one in found.bins)
    assert len(calibration.of_class(shares[:25], gold[:25]).bins) == 2


def test_several_classes_are_so_many_questions() -> None:
    rng = generator(0, "several")
    scores = rng.normal(size=(2000, 3))
    gold = (rng.random((2000, 3)) < 1 / (1 + np.exp(-scores))).astype(float)
    found = calibration.of_several(1 / (1 + np.exp(-3 * scores)), gold)
    assert found.temperature == pytest.approx(3, rel=0.1) and found.error_then < 0.03 < found.error
    shares = (1 / (1 + np.exp(-3 * scores))).ravel()
    assert found.log_loss == pytest.approx(log_loss(gold.ravel(), shares))
    assert found.brier == pytest.approx(3 * brier_score_loss(gold.ravel(), shares))


def test_where_all_is_right_no_temperature_is_the_best() -> None:
    shares = np.array([[0.9, 0.1], [0.2, 0.8]] * 10)
    found = calibration.of_class(shares, np.array([0, 1] * 10))
    assert found.at_limit and found.temperature == calibration.COLDEST
    impossible = calibration.of_class(np.array([[1.0, 0.0]] * 20), np.array([1] * 20))
    assert np.isfinite(impossible.log_loss) and impossible.log_loss > 80
