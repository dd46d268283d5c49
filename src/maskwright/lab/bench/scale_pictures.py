"""What a corpus's size costs, for people: a table for the terminal, and one picture."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from maskwright.lab.bench.turns import Result
from maskwright.lab.columns import aligned_columns
from maskwright.lab.pictures import picture

COLOURS = ("#2563eb", "#d97706", "#059669", "#7c3aed", "#db2777")


def to_batch(marks: Any) -> float:
    """Seconds of processors from the imports to the batch."""
    return marks["batch"]["cpu_seconds"] - marks["imported"]["cpu_seconds"]


def resumed(row: Result) -> Any:
    """The late step with what a checkpoint knows; without, where one knows nothing of it."""
    return row.get("resumed", row["late"])


def table(rows: Sequence[Result]) -> str:
    """A line for each corpus and recipe; seconds are of processors, behind the imports."""
    header = ["tokens", "recipe", "first batch", "late step", "resumed", "s / million tokens", "own MiB", "peak MiB"]
    return "\n".join(
        aligned_columns(
            [
                header,
                *(
                    [
                        f"{row['tokens']:,}",
                        row["recipe"],
                        f"{to_batch(row['start']['marks']):.2f} s",
                        f"{to_batch(row['late']['marks']):.2f} s",
                        f"{to_batch(resumed(row)['marks']):.2f} s",
                        f"{row['start']['cpu_seconds_per_million_tokens']:.3f}",
                        f"{row['start']['marks']['stretch']['own_mib']:,.0f}",
                        f"{row['start']['marks']['stretch']['peak_mib']:,.0f}",
                    ]
                    for row in rows
                ),
            ]
        )
    )


PANELS: dict[str, Callable[[Result], float]] = {
    "s to the first batch": lambda row: to_batch(row["start"]["marks"]),
    "s to a late step, resumed": lambda row: to_batch(resumed(row)["marks"]),
    "s for a million tokens of batches": lambda row: row["start"]["cpu_seconds_per_million_tokens"],
    "MiB of its own": lambda row: row["start"]["marks"]["stretch"]["own_mib"],
}


def draw(rows: Sequence[Result], file: Path, before: Sequence[Result] = ()) -> None:
    """Each figure over the size of the corpus, as SVG; dashed what it was `before`."""
    recipes = list(dict.fromkeys(row["recipe"] for row in rows))
    with picture(file, {"font.size": 8}) as plt:
        _, panels = plt.subplots(1, len(PANELS), figsize=(11, 2.8), layout="constrained")
        for panel, (title, value) in zip(panels, PANELS.items(), strict=True):
            for of, dashed in ((before, True), (rows, False)):
                for recipe, colour in zip(recipes, COLOURS, strict=False):
                    mine = sorted((row for row in of if row["recipe"] == recipe), key=lambda row: row["tokens"])
                    panel.plot(
                        [row["tokens"] for row in mine], [value(row) for row in mine],
                        "--" if dashed else "o-", color=colour, markersize=3, linewidth=0.8 if dashed else 1.4,
                        label=None if dashed else recipe,
                    )  # fmt: skip
            panel.set_xscale("log")
            panel.set_ylim(bottom=0)
            panel.set_xlabel("tokens of the corpus")
            panel.set_title(title, fontsize=8, loc="left")
            panel.grid(axis="y", color="#e5e7eb", linewidth=0.6)
        panels[0].legend(frameon=False, fontsize=7)
