"""What `maskwright evaluate` tells a person in a terminal: the same as its page, without pictures."""

import io
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

MATRIX = 12
"""Classes of a confusion matrix that fits a terminal; of more, the most frequent confusions are listed."""
TEXT = 200
"""Characters of a text that are shown."""


def evaluation_tables(found: Mapping[str, Any]) -> str:
    """`tasks.evaluation.judging.result` as tables."""
    out = io.StringIO()
    console = Console(file=out, width=None)
    chief = found["chief"]
    console.print(Text(f"{found['model']} on {found['examples']:,} examples of {found['data']}"))
    console.print(Text(f"{chief['name']}  {_ranged(chief)}", style="bold"))
    others = [f"{name} {_number(value)}" for name, value in found["measures"].items() if name != chief["name"]]
    console.print(Text("  ".join(others)))
    if "against" in found:
        _against(console, found)
    if "classes" in found:
        rows = [
            [one["name"] or "(untyped)", *map(_number, (one["precision"], one["recall"], one["f1"])), one["support"]]
            for one in found["classes"]
        ]
        _table(console, "By class", ["", "precision", "recall", "f1", "support"], rows)
    if "questions" in found:
        rows = [
            [one["name"], *map(_number, (one["f1"], one["exact"], one["answered"])), one["support"]]
            for one in found["questions"]
        ]
        _table(console, "Questions", ["", "f1", "exact", "answered", "support"], rows)
    if "confusion" in found:
        _confusion(console, found)
    if "calibration" in found:
        _calibration(console, found["calibration"])
    if "residuals" in found:
        off = found["residuals"]
        console.print(
            Text(
                f"\nOff by {_number(off['mean_absolute_error'])} on average; what is said less what is right is "
                f"{_number(off['mean'])} ± {_number(off['deviation'])}"
            )
        )
    for name, slices in found.get("slices", {}).items():
        rows = [[one["name"], one["examples"], _ranged(one)] for one in slices]
        _table(console, f"By {name}", ["", "examples", chief["name"]], rows)
    if found.get("worst"):
        console.print(Text("\nMost wrong", style="italic"))
        for one in found["worst"]:
            console.print(
                Text(f"{one['where']}: loss {_number(one['loss'])}, right {one['gold']}, said {one['predicted']}")
            )
            console.print(Padding(Text(one["text"][:TEXT], style="dim"), (0, 0, 0, 4)))
        console.print()
    for note in found.get("notes", []):
        console.print(Text(f"note: {note}"))
    return out.getvalue()


def _against(console: Console, found: Mapping[str, Any]) -> None:
    beside = found["against"]
    said = (
        f"{found['other_model']}: {_ranged(beside['other'])}; the difference is "
        f"{_ranged(beside['difference'], sign=True)}, and in {beside['not_better']:.1%} of resamples {found['model']} "
        "is not better"
    )
    if test := beside.get("mcnemar"):
        said += (
            f"; it alone is right in {test['this']:,}, the other alone in {test['other']:,} "
            f"(McNemar: p = {test['p']:.2g})"
        )
    console.print(Text(said))


def _confusion(console: Console, found: Mapping[str, Any]) -> None:
    labels, counts = found["confusion"]["labels"], found["confusion"]["counts"]
    names = [name or "(untyped)" for name in labels]
    if len(labels) <= MATRIX:
        rows = [[name, *row] for name, row in zip(names, counts, strict=True)]
        _table(console, "What is taken for what: right down, said across", ["", *names], rows)
    elif pairs := found.get("confusions"):
        rows = [[one["gold"], one["predicted"], one["count"]] for one in pairs]
        _table(console, "What is taken for what most", ["right", "said", "examples"], rows)


def _calibration(console: Console, found: Mapping[str, Any]) -> None:
    heat = f"{found['temperature']:.2f}{' (a limit of the search)' if found['at_limit'] else ''}"
    console.print(
        Text(
            f"\nProbabilities: off by {found['error']:.1%} on average over {len(found['bins'])} bins of equal size "
            f"(ECE), Brier {_number(found['brier'])}, log loss {_number(found['log_loss'])}. A temperature of {heat} "
            f"would make it {found['error_then']:.1%} and {_number(found['log_loss_then'])}: fitted to these very "
            "examples, so somewhat too good."
        )
    )


def _table(console: Console, title: str, header: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    table = Table(title=Text(title), title_justify="left", box=None, pad_edge=False)
    for place, name in enumerate(header):
        numeric = any(isinstance(row[place], int) for row in rows)
        table.add_column(Text(name), justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(f"{cell:,}" if isinstance(cell, int) else str(cell)) for cell in row))
    console.print()
    console.print(table)


def _ranged(value: Mapping[str, Any], *, sign: bool = False) -> str:
    """A measure and where it lies, as far as chance is concerned."""
    shown = f"{value['value']:+.4f}" if sign else _number(value["value"])
    if "low" not in value:
        return shown
    if value["low"] == value["high"]:
        return f"{shown} (no interval: every resample says the same)"
    return f"{shown} ({value['low']:.4f} to {value['high']:.4f})"


def _number(value: float) -> str:
    return f"{value:.4f}" if abs(value) < 1000 else f"{value:,.1f}"
