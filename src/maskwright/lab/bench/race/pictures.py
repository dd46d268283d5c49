"""A race for people: lines for the terminal, a page, and one picture of both axes."""

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
SOONER = (3, 10, 30, 100, 300)
"""Of which the picture has a line."""
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
    """Loss over seconds and over tokens, and when ours passes each of the rival's points, side by side, as SVG.

    Axes of time are logarithmic, or ours would be a wall.
    """
    rival, ours = curves(record)
    with picture(file) as plt:
        _, panels = plt.subplots(1, 3, figsize=(12.5, 3.6), layout="constrained")
        panels[1].sharey(panels[0])
        for panel, (axis, label) in zip(panels, AXES.items(), strict=False):
            _panel(panel, _lines(kind, axis, rival, ours), label)
        panels[0].set_ylabel("held-out loss, nats")
        panels[1].legend(frameon=False, fontsize=8)
        _passing_panel(panels[2], [it for it in passing(rival, ours, kind) if it.our_seconds is not None])


def _passing_panel(panel: Any, passed: Sequence[Passed]) -> None:
    """Our seconds over the rival's, for each of its losses; lines show how many times sooner that is."""
    panel.set(xscale="log", yscale="log", xlabel="seconds until the rival had a loss", ylabel="until ours had it")
    if not passed:
        return
    theirs, our = [it.seconds for it in passed], [it.our_seconds or 0.0 for it in passed]
    panel.plot(theirs, our, "o", color=COLOURS[1], markersize=3)
    panel.set(xlim=(min(theirs) / 1.5, max(theirs) * 1.5), ylim=(min(our) / 2, max(our) * 2))
    for axis in (panel.yaxis.set_major_formatter, panel.yaxis.set_minor_formatter):
        axis("{x:g}")
    for times in SOONER:
        panel.axline((1, 1 / times), (10, 10 / times), color="#9ca3af", linewidth=0.8, linestyle=":")
        at = min(max(theirs) * 1.5, max(our) * 2 * times)
        if at > min(theirs) and at / times > min(our) / 2:
            panel.annotate(f"{times} times sooner", (at, at / times), ha="right", fontsize=7, color="#6b7280")
    for it in (passed[0], passed[-1]):
        panel.annotate(f"{it.our_seconds:,.0f} s for {it.seconds:,.0f}", (it.seconds, it.our_seconds), xytext=(0, 6),
                       textcoords="offset points", ha="center", fontsize=7)  # fmt: skip


def _panel(panel: Any, lines: list[Series], label: str) -> None:
    for place, line in enumerate(lines):
        panel.plot(line.x, line.y, color=COLOURS[place % len(COLOURS)], label=line.name, linewidth=1.4, marker="o",
                   markersize=2.5)  # fmt: skip
    panel.set_xscale("log")
    panel.set_xlabel(label)
