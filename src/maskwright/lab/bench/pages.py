"""What a bench found as a page with bars, to look at; beneath them the table that the terminal has."""

from collections.abc import Sequence

from maskwright.lab.bench.shown.cells import Chart
from maskwright.report.figures import Bar, bar_chart
from maskwright.report.page import Page

OTHERS = (
    *("transformers", "sentence-transformers", "Trainer", "pipeline", "onnxruntime", "datasets", "google"),
    *("import transformers", "import sentence", "import torch", "python"),
)
"""How the names of sides begin that are not ours."""


def page(what: str, charts: Sequence[Chart], table: str) -> Page:
    """Of `bench <what>`."""
    made = Page(f"bench {what}", "medians of the rounds, ± half of what lies between the least and the most")
    for chart in charts:
        bars = [
            Bar(name, values["median"], (values["most"] - values["least"]) / 2, not name.startswith(OTHERS))
            for name, values in chart.bars.items()
        ]
        made.add(bar_chart(bars, chart.title))
    return made.source(table, "The same as a table")
