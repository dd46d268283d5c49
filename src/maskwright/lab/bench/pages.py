"""What a bench found as a page with bars, to look at; beneath them the table that the terminal has."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from maskwright.lab.bench.turns import spread
from maskwright.report.figures import Bar, bar_chart
from maskwright.report.page import Page

Spread = Mapping[str, float]
"""median, least and most of the rounds."""
OTHERS = (
    *("transformers", "sentence-transformers", "Trainer", "pipeline", "onnxruntime", "datasets", "google"),
    *("import transformers", "import sentence", "import torch", "python"),
)
"""How the names of sides begin that are not ours."""


class Chart(NamedTuple):
    """Bars of one kind, by the names of what was measured."""

    title: str
    bars: Mapping[str, Spread]


def page(what: str, result: Any, table: str) -> Page:
    """Of `bench <what>` and its result, as `--json` has it."""
    made = Page(f"bench {what}", "medians of the rounds, ± half of what lies between the least and the most")
    for chart in charts(what, result):
        bars = [
            Bar(name, values["median"], (values["most"] - values["least"]) / 2, not name.startswith(OTHERS))
            for name, values in chart.bars.items()
        ]
        made.add(bar_chart(bars, chart.title))
    return made.source(table, "The same as a table")


def charts(what: str, result: Any) -> list[Chart]:
    """What there is to draw of it."""
    match what:
        case "finetune":
            return [Chart("Examples a second; longer is faster", result["examples_per_second"])]
        case "encode":
            return [Chart("Texts a second; longer is faster", result["texts_per_second"])]
        case "parts":
            return [Chart(f"Per cent of a step, {one['shape']}", _shares(one["shares"])) for one in result]
        case "recipes":
            return [
                Chart(f"A token's time over that of BERT's, {one['shape']}", _costs(one["recipes"])) for one in result
            ]
        case "batches":
            made = {name: _rates(rounds, "tokens_per_second", 1e6) for name, rounds in result["batches"].items()}
            return [Chart("Million tokens a second of one processor; longer is faster", made)]
        case "corpus":
            builds = {f"{one['megabytes']:,.0f} MB": spread([one["megabytes_per_second"]]) for one in result["builds"]}
            beside: dict[str, dict[str, Spread]] = {}
            for one in result["beside"]:
                side = f"{one['side']}, {one['workers']} processes"
                beside.setdefault(one["language"], {})[side] = spread(one["megabytes_per_second"])
            return [
                Chart("maskwright corpus, MB a second by the text's size", builds),
                *(
                    Chart(f"MB a second of {language} text; longer is faster", bars)
                    for language, bars in beside.items()
                ),
            ]
        case "start":
            return [Chart("Seconds; shorter is faster", {one["command"]: one["seconds"] for one in result})]
        case _:
            raise ValueError(f"bench {what} has no page of bars")


def _shares(shares: Mapping[str, float]) -> dict[str, Spread]:
    return {name: spread([100 * share]) for name, share in sorted(shares.items(), key=lambda part: -part[1])}


def _costs(recipes: Mapping[str, Any]) -> dict[str, Spread]:
    return {name: row["cost"] for name, row in recipes.items()}


def _rates(rounds: Sequence[Mapping[str, float]], key: str, unit: float) -> Spread:
    return spread([one[key] / unit for one in rounds])
