"""Training beside transformers as one picture: how near ours is to the machine's limit, and how many times as fast."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from maskwright.lab.bench.pretrain import COMPILED, INSTALLED, SET
from maskwright.lab.bench.shapes import LENGTH
from maskwright.lab.bench.turns import Result
from maskwright.lab.pictures import picture

COLOURS = {INSTALLED: "#2563eb", SET: "#93c5fd", COMPILED: "#93c5fd"}
OURS = "#2563eb"
HEIGHT = 0.36
"""Of a bar, where a shape has 1."""


def draw(results: Sequence[Result], file: Path) -> None:
    """Shares of the limit and ratios by shape, as SVG; a line at each bar's end reaches from the least to the most."""
    named = [name for name in COLOURS if any(name in result["ratio"] for result in results)]
    with picture(file) as plt:
        size = (9, 0.9 + 0.55 * len(results))
        _, (shares, ratios) = plt.subplots(1, 2, figsize=size, sharey=True, layout="constrained")
        for place, result in enumerate(results):
            _bar(shares, place, 2 * HEIGHT, result["share_of_limit"], OURS, "{:.0%}")
            for number, name in enumerate(named):
                if name in result["ratio"]:
                    at = place + (number - (len(named) - 1) / 2) * HEIGHT
                    _bar(ratios, at, HEIGHT, result["ratio"][name], COLOURS[name], "{:.3g}")
        shares.set_yticks(range(len(results)), [_name(one) for one in results])
        shares.invert_yaxis()
        shares.set_xlim(0, 1)
        shares.xaxis.set_major_formatter(lambda share, _: f"{share:.0%}")
        shares.set_xlabel("of the matrix limit")
        ratios.set_xlabel("times the tokens a second of transformers")
        for name in named:
            ratios.barh([0], [0], color=COLOURS[name], label=name.removeprefix("transformers").strip(" ,"))
        if named:
            ratios.legend(frameon=False, fontsize=8)


def _name(result: Result) -> str:
    """The shape and its sequences, of how many tokens where that is not the usual number, or its packed row."""
    sequences, length = result["sequences"], result["length"]
    if result["packed"]:
        return f"{result['shape']}, rows of {sequences * length:,}"
    return f"{result['shape']}, {sequences}" + (f" x {length}" if length != LENGTH else "")


def _bar(panel: Any, at: float, height: float, values: dict[str, float], colour: str, form: str) -> None:
    median, least, most = values["median"], values["least"], values["most"]
    panel.barh([at], [median], height=height * 0.9, color=colour)
    panel.plot([least, most], [at, at], color="#111827", linewidth=0.9)
    panel.annotate(
        form.format(median), (max(median, most), at), xytext=(4, 0), textcoords="offset points", va="center", fontsize=8
    )
