"""Pages of benches: every figure is a bar, and ours is the one to look at."""

import importlib
from typing import Any

import pytest

from maskwright.lab.bench import pages
from maskwright.lab.bench.shown.cells import Chart


def spread(median: float) -> dict[str, float]:
    return {"median": median, "least": median - 1, "most": median + 1}


RESULTS: dict[str, Any] = {
    "finetune": {"examples_per_second": {"maskwright": spread(226), "Trainer, padded to the longest": spread(96)}},
    "encode": {"texts_per_second": {"maskwright bf16": spread(226), "sentence-transformers bf16": spread(96)}},
    "parts": [{"shape": "2x128", "shares": {"norm": 0.04, "products": 0.96}}],
    "recipes": [{"shape": "4x256", "recipes": {"bert": {"cost": spread(1)}, "xlnet": {"cost": spread(96)}}}],
    "batches": {
        "batches": {
            "bert": [{"tokens_per_second": 7e6}, {"tokens_per_second": 9e6}],
            "transformers' collator": [{"tokens_per_second": 96e6}],
        }
    },
    "corpus": {
        "builds": [{"megabytes": 128, "megabytes_per_second": 10.9}],
        "beside": [
            {"side": "ours", "language": "zh", "workers": 2, "megabytes_per_second": [7.0, 8.0]},
            {"side": "datasets", "language": "zh", "workers": 2, "megabytes_per_second": [96.0]},
        ],
    },
    "start": [
        {"command": "import maskwright", "seconds": spread(2)},
        {"command": "import transformers, BertForMaskedLM", "seconds": spread(96)},
    ],
}


def charts_of(what: str) -> list[Chart]:
    return importlib.import_module(f"maskwright.lab.bench.shown.{what}").charts(RESULTS[what])


@pytest.mark.parametrize("what", RESULTS)
def test_a_page_has_a_bar_of_each_figure(what: str) -> None:
    charts = charts_of(what)
    html = pages.page(what, charts, "the table <of the terminal>").html()
    assert "the table &lt;of the terminal&gt;" in html and f"bench {what}" in html
    assert "96" in html
    bars = [bar for chart in charts for bar in chart.bars]
    assert html.count('class="name"') == len(bars) >= 2
    rivals = sum(bar.startswith(pages.OTHERS) for bar in bars)
    assert rivals == (what not in ("parts", "recipes"))
    assert html.count('class="bar main"') == len(bars) - rivals


def test_rounds_are_spread() -> None:
    (chart,) = charts_of("batches")
    assert chart.bars["bert"] == {"median": 8.0, "least": 7.0, "most": 9.0}
    _, chinese = charts_of("corpus")
    assert chinese.bars["ours, 2 processes"] == {"median": 7.5, "least": 7.0, "most": 8.0}
