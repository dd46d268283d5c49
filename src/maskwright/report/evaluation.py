"""The page of an evaluation: what a fine-tuned model is worth, where it fails, how sure that is."""

from collections.abc import Mapping
from typing import Any

from maskwright.report.charts import Series, line_chart
from maskwright.report.figures import heat_map
from maskwright.report.markup import number
from maskwright.report.page import Page
from maskwright.report.points import point_chart

MATRIX = 40
"""Classes of a matrix that can be read; of more, the most frequent confusions are listed."""
UNTYPED = "(untyped)"
"""What things without a type are called."""


def evaluation_page(found: Mapping[str, Any]) -> Page:
    """The page of what `maskwright evaluate --json` prints."""
    chief = found["chief"]
    page = Page(f"{chief['name']} {number(chief['value'])}", f"{found['model']} on {found['data']}")
    page.figures(_headline(found))
    if notes := found.get("notes"):
        page.text("\n\n".join(f"Note: {note}." for note in notes), small=True)
    if "against" in found:
        _against(page, found)
    if "classes" in found:
        _classes(page, found)
    if "questions" in found:
        rows = [
            [one["name"], float(one["f1"]), float(one["exact"]), float(one["answered"]), int(one["support"])]
            for one in found["questions"]
        ]
        page.heading("Questions").table(["", "f1", "exact", "answered", "support"], rows, percent=(1, 2, 3))
    if "calibration" in found:
        _calibration(page, found["calibration"])
    if "residuals" in found:
        _residuals(page, found["residuals"])
    _slices(page, found)
    if worst := found.get("worst"):
        rows = [[one["where"], float(one["loss"]), one["gold"], one["predicted"], one["text"]] for one in worst]
        page.heading("Most wrong", "The answers with the highest loss, the worst first.")
        page.table(["where", "loss", "right", "said", "text"], rows)
    return page


def _headline(found: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    chief = found["chief"]
    between = f"95 % interval {number(chief['low'])} to {number(chief['high'])}" if "low" in chief else ""
    cards = [(number(chief["value"]), str(chief["name"]), between)]
    cards += [(number(value), name, "") for name, value in found["measures"].items() if name != chief["name"]]
    return [*cards, (f"{found['examples']:,}", "examples", "")]


def _against(page: Page, found: Mapping[str, Any]) -> None:
    beside, chief = found["against"], found["chief"]
    page.heading("Beside another model", "Both on the same examples; the intervals are of the same resamples.")
    sides = {
        str(found["model"]): chief,
        str(found["other_model"]): beside["other"],
        "difference": beside["difference"],
    }
    rows = [[name, float(one["value"]), float(one["low"]), float(one["high"])] for name, one in sides.items()]
    page.table(["", chief["name"], "from", "to"], rows, main=2)
    said = f"In {beside['not_better']:.1%} of the resamples the first is not better."
    if test := beside.get("mcnemar"):
        said += (
            f" The first alone is right in {test['this']:,} examples, the second alone in {test['other']:,}: chance "
            f"parts them so or more unevenly with p = {test['p']:.2g} (McNemar's exact test)."
        )
    page.text(said)


def _classes(page: Page, found: Mapping[str, Any]) -> None:
    page.heading("By class")
    rows = [
        [one["name"] or UNTYPED, float(one["precision"]), float(one["recall"]), float(one["f1"]), int(one["support"])]
        for one in found["classes"]
    ]
    page.table(["", "precision", "recall", "f1", "support"], rows, percent=(1, 2, 3))
    matrix = found.get("confusion")
    if matrix and len(matrix["labels"]) <= MATRIX:
        names = [name or UNTYPED for name in matrix["labels"]]
        page.add(heat_map(matrix["counts"], names, names, "What is taken for what", percent=False))
    elif pairs := found.get("confusions"):
        page.table(["right", "said", "examples"], [[one["gold"], one["predicted"], one["count"]] for one in pairs])


def _calibration(page: Page, found: Mapping[str, Any]) -> None:
    page.heading(
        "Can its probabilities be believed?",
        "Of what it is 80 % sure, 80 % should be right. Each point is a bin of equally many answers; below the dashed "
        "line the model is too sure of itself.",
    )
    confidence = [one["confidence"] for one in found["bins"]]
    page.add(
        line_chart(
            [
                Series("answers", confidence, [one["right"] for one in found["bins"]]),
                Series("just right", [0.0, 1.0], [0.0, 1.0], dashed=True, colour=5),
            ],
            "Reliability",
            "probability given",
            "share right",
            percent=True,
            from_zero=True,
            ends=False,
        )
    )
    page.figures([
        (number(found["error"], percent=True), "expected calibration error", f"{len(found['bins'])} bins"),
        (number(found["brier"]), "Brier score", "0 is perfect"),
        (number(found["log_loss"]), "log loss", "nats"),
    ])  # fmt: skip
    limit = " (a limit of the search)" if found["at_limit"] else ""
    page.text(
        f"Scores divided by {found['temperature']:.2f}{limit} would have an error of "
        f"{number(found['error_then'], percent=True)} and a log loss of {number(found['log_loss_then'])}. This "
        "temperature is fitted to the very examples it is judged by here, so the gain is somewhat too good.",
        small=True,
    )


def _residuals(page: Page, found: Mapping[str, Any]) -> None:
    page.heading(
        "Residuals",
        f"What is said less what is right: {number(found['mean'])} on average, with a deviation of "
        f"{number(found['deviation'])}; off by {number(found['mean_absolute_error'])} on average.",
    )
    gold, said = found["gold"], found["predicted"]
    page.add(
        point_chart(gold, said, "Right and said", "right", "said", diagonal=True),
        point_chart(gold, [b - a for a, b in zip(gold, said, strict=True)], "Residuals", "right", "said less right"),
    )


def _slices(page: Page, found: Mapping[str, Any]) -> None:
    chief = found["chief"]["name"]
    for name, slices in found.get("slices", {}).items():
        page.heading(f"By {name}", "Each with the interval of its own resamples: where these overlap, little is known.")
        rows = [
            [one["name"], int(one["examples"]), float(one["value"]), float(one["low"]), float(one["high"])]
            for one in slices
        ]
        page.table([name, "examples", chief, "from", "to"], rows)
