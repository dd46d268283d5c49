"""`bench pretrain`: our training step beside that of transformers."""

import platform
from collections.abc import Sequence

from maskwright.lab.bench.pretrain import COMPILED, GRAPHS, INSTALLED, OURS, SET
from maskwright.lab.bench.shown.cells import Result, times, whole
from maskwright.lab.columns import aligned_columns
from maskwright.report.figures import Bar, bar_chart
from maskwright.report.page import Page

RIVALS = {INSTALLED: INSTALLED, SET: "allocator set", COMPILED: "compiled"}
"""Sides of transformers, and what their columns are called: the second is of CPUs, the third of GPUs."""
PLAYED = "played back"


def table(results: Sequence[Result]) -> str:
    """Tokens a second with the spread over rounds, ratios, the share of the limit, peak memory of what was measured."""
    played, rivals = _columns(results)
    header = ["", OURS, "share of limit", *([PLAYED, "share of limit"] if played else [])]
    for name in rivals:
        header += [RIVALS[name], "ratio"]
    rows = [[*header, "peak MiB"]]
    for result in results:
        speed, ratio = result["tokens_per_second"], result["ratio"]
        share, peaks = result["share_of_limit"], result["peak_mib"]
        cells = [f"{result['shape']}, {_step(result)}", whole(speed[OURS]), f"{share['median']:.0%}"]
        if played:
            cells += [whole(speed[GRAPHS]), f"{result['played_back']['share_of_limit']['median']:.0%}"]
        for name in rivals:
            cells += [whole(speed[name]), f"{ratio[name]['median']:.2f}x"]
        rows.append([*cells, " / ".join(f"{peak:,.0f}" for peak in peaks.values())])
    return "\n".join([*aligned_columns(rows), "", *_notes(results)])


def _columns(results: Sequence[Result]) -> tuple[bool, list[str]]:
    """Whether ours was played back too, and which sides of transformers were measured: the same for all shapes."""
    measured = results[0]["tokens_per_second"]
    return GRAPHS in measured, [name for name in RIVALS if name in measured]


def _notes(results: Sequence[Result]) -> list[str]:
    first = results[0]
    rate = whole(first["limit_gflops"])
    terms = f"median (least-most) of {first['rounds']} rounds; {first['threads']} threads, dropout {first['dropout']}"
    notes = [f"tokens a second, {terms}; {platform.machine()}, limit {rate} GFLOP/s in bf16"]
    notes += [
        f"{result['shape']}: transformers is faster in {result['rival']['precision']} with "
        f"{'fused' if result['rival']['fused'] else 'default'} AdamW"
        for result in results
        if result["rival"]
    ]
    notes += [
        f"{result['shape']}: {times(ratio)} the speed of {name}"
        for result in results
        for name, ratio in result["ratio"].items()
        if name not in RIVALS
    ]
    notes += [
        f"{result['shape']}: {PLAYED}, ours has {times(result['played_back']['gain'])} its speed"
        for result in results
        if result["played_back"]
    ]
    if first["corpus"]:
        real = ", ".join(f"{result['real'][INSTALLED]:.0%}" for result in results if INSTALLED in result["real"])
        beside = f"; of the tokens that transformers computes {real} are text" if real else ""
        notes.append(f"text of {first['corpus']}{beside}")
    return notes


def _step(result: Result) -> str:
    """The sequences of a step, or the tokens of its row."""
    if result["packed"]:
        return f"rows of {result['sequences'] * result['length']:,}, sequences of at most {result['length']}"
    return f"{result['sequences']} x {'at most ' if result['corpus'] else ''}{result['length']}"


def page(results: Sequence[Result]) -> Page:
    """The same as a page with bars."""
    made = Page("Pretraining speed", "; ".join(_notes(results)[:1]))
    made.heading("Tokens a second", "Masked LM and next sentence prediction; longer is faster.")
    for result in results:
        bars = [
            Bar(name, values["median"], (values["most"] - values["least"]) / 2, name in (OURS, GRAPHS))
            for name, values in result["tokens_per_second"].items()
        ]
        made.add(bar_chart(bars, f"{result['shape']}, {_step(result)} tokens"))
    made.heading("Ratios and limits", "The limit: the products alone, at the rate of large ones in the same run.")
    played, rivals = _columns(results)
    header = ["shape", "of the limit", *([f"{PLAYED}, of the limit"] if played else [])]
    header += ["to transformers" if name == INSTALLED else RIVALS[name] for name in rivals]
    made.table(
        [*header, "peak MiB, ours"],
        [
            [
                result["shape"],
                result["share_of_limit"]["median"],
                *([result["played_back"]["share_of_limit"]["median"]] if played else []),
                *(result["ratio"][name]["median"] for name in rivals),
                round(result["peak_mib"][OURS]),
            ]
            for result in results
        ],
        percent=[1, 2] if played else [1],
    )
    return made
