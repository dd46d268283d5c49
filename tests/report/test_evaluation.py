"""The page of an evaluation: all its parts, text that stays text, nothing loaded."""

from typing import Any
from xml.etree import ElementTree as ET

import pytest

from maskwright.report.evaluation import MATRIX, evaluation_page
from maskwright.report.points import point_chart
from tests.report.test_report import HOSTILE, Elements

INTERVAL = {"value": 0.8, "low": 0.7, "high": 0.9}


def evaluation(name: str = "yes", **changes: Any) -> dict[str, Any]:
    return {
        "model": "runs/x/model", "data": "test.csv", "examples": 40, "chief": {"name": "accuracy", **INTERVAL},
        "measures": {"accuracy": 0.8, "macro_f1": 0.75}, "notes": [name],
        "classes": [{"name": one, "precision": 0.8, "recall": 0.7, "f1": 0.75, "support": 20} for one in (name, "no")],
        "confusion": {"labels": [name, "no"], "counts": [[17, 3], [5, 15]]},
        "confusions": [{"gold": name, "predicted": "no", "count": 3}],
        "calibration": {
            "bins": [
                {"confidence": 0.6, "right": 0.5, "answers": 20}, {"confidence": 0.9, "right": 1.0, "answers": 20},
            ],
            "error": 0.1, "brier": 0.2, "log_loss": 0.5, "temperature": 1.3, "at_limit": False, "error_then": 0.05,
            "log_loss_then": 0.45,
        },
        "slices": {
            "tokens": [{"name": "3 to 5", "examples": 40, **INTERVAL}],
            name: [{"name": name, "examples": 2, **INTERVAL}],
        },
        "worst": [
            {"where": "test.csv line 3", "text": name, "loss": 2.5, "gold": name, "predicted": "no", "share": 0.1}
        ],
        "other_model": name,
        "against": {
            "other": INTERVAL, "difference": {"value": 0.0, "low": -0.1, "high": 0.1}, "not_better": 0.5,
            "mcnemar": {"this": 4, "other": 3, "p": 1.0},
        },
        **changes,
    }  # fmt: skip


def test_all_parts_are_there() -> None:
    html = evaluation_page(evaluation()).html()
    text = " ".join(Elements(html).text)
    for part in (
        "95 % interval 0.7 to 0.9",
        "By class",
        "What is taken for what",
        "Reliability",
        "By tokens",
        "Most wrong",
    ):
        assert part in text, part
    assert "divided by 1.30" in text and "McNemar" in text and "test.csv line 3" in text


@pytest.mark.parametrize("name", HOSTILE)
def test_text_stays_text(name: str) -> None:
    plain, hostile = Elements(evaluation_page(evaluation()).html()), Elements(evaluation_page(evaluation(name)).html())
    assert plain.found == hostile.found


def test_of_many_classes_the_most_frequent_confusions_are_listed() -> None:
    labels = [f"class {i}" for i in range(MATRIX + 1)]
    many = {"labels": labels, "counts": [[1] * len(labels)] * len(labels)}
    html = evaluation_page(evaluation(confusion=many)).html()
    assert 'class="heat"' not in html and '<th scope="col">said</th>' in html


def test_residuals_are_points_over_axes() -> None:
    found = {
        "residuals": {
            "mean": 0.1,
            "deviation": 1.0,
            "mean_absolute_error": 0.5,
            "gold": [1.0, 2.0],
            "predicted": [2.0, 2.0],
        }
    }
    html = evaluation_page({key: value for key, value in evaluation(**found).items() if key != "classes"}).html()
    assert html.count("<circle") == 4 + html.count('r="4"') and "said less right" in html


def test_points_stand_where_their_values_are() -> None:
    chart = point_chart([0.0, 10.0, float("nan")], [5.0, -5.0, 1.0], "<t>", "x", "y")
    svg = ET.fromstring(chart[chart.index("<svg") : chart.index("</svg>") + 6])
    (left, high), (right, low) = ((float(one.get("cx", "")), float(one.get("cy", ""))) for one in svg.iter("circle"))
    assert left < right and high < low  # upwards is less in SVG
    assert "&lt;t&gt;" in chart and "No values." in point_chart([float("nan")], [1.0], "t", "x", "y")
    same = point_chart([3.0, 3.0], [3.0, 3.0], "t", "x", "y", diagonal=True)
    assert same.count("<circle") == 2
