"""A race for people: lines for the terminal, a page, and one picture of both axes."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from maskwright.lab.bench.race.curve import Curve, curve_of
from maskwright.lab.bench.race.passing import Passed, passing
from maskwright.lab.bench.turns import Result
from maskwright.lab.columns import aligned_columns
from maskwright.lab.pictures import picture
from maskwright.report.charts import Series, line_chart, switchable
from maskwright.report.page import Page

AXES = {"seconds": "seconds of training", "tokens": "tokens seen"}
TITLES = {"sentences": "whole sentences", "blocks": "blocks, as run_mlm cuts them"}
APART = 0.06
"""How far apart losses are that a picture says in words, as a share of all that it shows."""
COLOURS = ("#d97706", "#2563eb", "#059669", "#7c3aed", "#db2777")


def curves(record: Result) -> tuple[Curve, dict[str, Curve]]:
    """The rival's curve and ours, of a record."""
    return curve_of(record["rival"]), {name: curve_of(told) for name, told in record["ours"].items()}


def text(record: Result) -> str:
    """What was reached when, by kind of test; then the terms."""
    rows = [["held out", "the rival's best", "after", "tokens", "ours after", "of", "sooner", "with start", "tokens"]]
    for kind, told in record["verdict"].items():
        rows.append(_verdict_cells(TITLES[kind], Passed(**told)))
    return "\n".join([*aligned_columns(rows), "", *terms(record)])


def _verdict_cells(name: str, it: Passed) -> list[str]:
    theirs = [name, f"{it.loss:.3f}", f"{it.seconds:,.0f} s", f"{it.tokens / 1e6:.2f} M"]
    if it.our_seconds is None:
        return [*theirs, "not reached", "-", "-", "-", "-"]
    return [
        *theirs,
        f"{it.our_seconds:,.1f} s",
        str(it.budget),
        f"{it.sooner:.1f}x",
        f"{it.sooner_with_start:.1f}x",
        f"{it.fewer_tokens:.1f}x fewer",
    ]


def terms(record: Result) -> list[str]:
    """What was raced, in sentences."""
    race, rival, corpus = record["race"], record["rival"]["terms"], record["corpus"]
    return [
        (
            f"size {race['size']}, {corpus['tokens'] / 1e6:.2f} M tokens to learn from, a vocabulary of "
            f"{corpus['vocabulary']:,}; {race['threads']} threads, {record['machine']['system']}"
        ),
        (
            f"transformers ({race['rival']}): {rival['seconds'] / 60:g} minutes, {rival['batch']} blocks of 128 a "
            f"step, AdamW at {rival['rate']:g}, dropout {rival['dropout']:g}, {rival['precision']}"
        ),
        "seconds are of training, first weights and word vectors in it, looking not; the start is Python and imports",
    ]


def page(record: Result) -> Page:
    """Both curves over seconds and tokens, and the time at which ours passes each point."""
    rival, ours = curves(record)
    made = Page("A race to a held-out loss", "; ".join(terms(record)[:2]))
    cards: list[tuple[str, str, str]] = []
    for kind, told in record["verdict"].items():
        it = Passed(**told)
        beside = f"{it.loss:.3f}: {it.our_seconds or 0:,.1f} s beside {it.seconds:,.0f} s"
        value = "not reached" if it.sooner is None else f"{it.sooner:.1f} ×"
        cards.append((value, f"sooner, {TITLES[kind]}", f"{it.loss:.3f}" if it.sooner is None else beside))
    made.figures(cards).heading("Curves", "Held-out loss in nats a hidden token; lower is better.")
    made.add(*(_chart(kind, rival, ours) for kind in record["verdict"]))
    for kind in record["verdict"]:
        made.heading(f"Passing: {TITLES[kind]}", "When ours had each loss that the rival had.")
        header = ["loss", "its seconds", "its tokens", "our seconds", "of", "our tokens", "sooner", "with start"]
        made.table(
            header,
            [
                [it.loss, round(it.seconds, 1), it.tokens, _tenths(it.our_seconds), it.budget or "", it.our_tokens]
                + [_tenths(it.sooner), _tenths(it.sooner_with_start)]
                for it in passing(rival, ours, kind)
            ],
        )
    facts = {**rival.terms, "lead, s": round(rival.lead, 1), "peak, MiB": round(rival.peak_mib)}
    made.heading("Terms").text(terms(record)[-1]).facts(facts, "transformers")
    for name, curve in ours.items():
        facts = {**curve.terms, "lead, s": round(curve.lead, 1), "before its first step, s": round(curve.begun, 1)}
        made.facts({**facts, "peak, MiB": round(curve.peak_mib)}, f"maskwright, {name}")
    return made


def _tenths(value: float | None) -> float | None:
    return None if value is None else round(value, 1)


def _lines(kind: str, axis: str, rival: Curve, ours: Mapping[str, Curve]) -> list[Series]:
    named = {"transformers": rival, **{f"maskwright, {name}": curve for name, curve in ours.items()}}
    return [
        Series(name, [getattr(p, axis) for p in curve.points], [p.losses[kind] for p in curve.points])
        for name, curve in named.items()
    ]


def _chart(kind: str, rival: Curve, ours: Mapping[str, Curve]) -> str:
    return switchable(
        {axis: line_chart(_lines(kind, axis, rival, ours), TITLES[kind], label, "nats") for axis, label in AXES.items()}
    )


def draw(record: Result, file: Path, kind: str = "sentences") -> None:
    """Loss over seconds and over tokens, and when each side had each of the rival's losses, side by side, as SVG.

    Axes are logarithmic, or ours would be a wall.
    """
    rival, ours = curves(record)
    with picture(file) as plt:
        _, panels = plt.subplots(1, 3, figsize=(12.5, 3.6), sharey=True, layout="constrained")
        for panel, (axis, label) in zip(panels, AXES.items(), strict=False):
            _panel(panel, _lines(kind, axis, rival, ours), label)
        _passing_panel(panels[2], [it for it in passing(rival, ours, kind) if it.our_seconds is not None])
        panels[0].set_ylabel("held-out loss, nats")
        panels[1].legend(frameon=False, fontsize=8)


def _passing_panel(panel: Any, passed: Sequence[Passed]) -> None:
    """A line from when ours had a loss to when the rival had it, for each of the rival's; some of them in words."""
    panel.set_xscale("log")
    panel.set_xlabel("seconds of training, ours and the rival's")
    losses = sorted({it.loss: it for it in passed}.values())
    if not losses:
        return
    panel.hlines(
        [it.loss for it in losses], [it.our_seconds for it in losses], [it.seconds for it in losses],
        color="#9ca3af", linewidth=0.8,
    )  # fmt: skip
    for name, times in (("ours", [it.our_seconds for it in losses]), ("rival", [it.seconds for it in losses])):
        panel.plot(times, [it.loss for it in losses], "o", markersize=2.5, color=COLOURS[name == "ours"])
    apart, below = APART * (losses[-1].loss - losses[0].loss), -math.inf
    for it in losses:
        if it.loss - below >= apart:
            below = it.loss
            words = f"{it.our_seconds:,.0f} s for {it.seconds:,.0f}: {it.sooner:.0f} times sooner"
            panel.annotate(words, (it.our_seconds, it.loss), xytext=(2, 2), textcoords="offset points", fontsize=7)


def _panel(panel: Any, lines: list[Series], label: str) -> None:
    for place, line in enumerate(lines):
        panel.plot(line.x, line.y, color=COLOURS[place % len(COLOURS)], label=line.name, linewidth=1.4, marker="o",
                   markersize=2.5)  # fmt: skip
    panel.set_xscale("log")
    panel.set_xlabel(label)
