"""Results for people: tables for the terminal, a page for a browser."""

import platform
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from maskwright.lab.bench import batches, finetune
from maskwright.lab.bench.preparing import BESIDE
from maskwright.lab.bench.pretrain import COMPILED, GRAPHS, INSTALLED, OURS, SET
from maskwright.lab.columns import aligned_columns
from maskwright.report.figures import Bar, bar_chart
from maskwright.report.page import Page

Result = dict[str, Any]
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
        cells = [f"{result['shape']}, {_step(result)}", _spread(speed[OURS]), f"{share['median']:.0%}"]
        if played:
            cells += [_spread(speed[GRAPHS]), f"{result['played_back']['share_of_limit']['median']:.0%}"]
        for name in rivals:
            cells += [_spread(speed[name]), f"{ratio[name]['median']:.2f}x"]
        rows.append([*cells, " / ".join(f"{peak:,.0f}" for peak in peaks.values())])
    return "\n".join([*aligned_columns(rows), "", *_notes(results)])


def _columns(results: Sequence[Result]) -> tuple[bool, list[str]]:
    """Whether ours was played back too, and which sides of transformers were measured: the same for all shapes."""
    measured = results[0]["tokens_per_second"]
    return GRAPHS in measured, [name for name in RIVALS if name in measured]


def parts_table(results: Sequence[Result]) -> str:
    """Shares of a step by part, a column for each shape."""
    names = list(dict.fromkeys(name for result in results for name in result["shares"]))
    rows = [["", *(result["shape"] for result in results)]]
    rows += [[name, *(_share(result["shares"].get(name)) for result in results)] for name in names]
    rows += [
        ["making batches, in their thread", *(_share(result["batch_share"]) for result in results)],
        ["milliseconds a step", *(f"{result['milliseconds']:,.0f}" for result in results)],
    ]
    return "\n".join(aligned_columns(rows))


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"


def batches_table(results: Mapping[str, Sequence[Result]], packed: Sequence[Result]) -> str:
    """Rates by recipe and round; how many times the collator's, and what packing takes."""
    rows = [["recipe", "round", "million tokens/s", "per second of a processor", "epochs", "peak MiB"]]
    rows += [
        [
            name,
            str(place + 1),
            f"{result['tokens_per_second'] / 1e6:.2f}",
            f"{result['tokens_per_cpu_second'] / 1e6:.2f}",
            f"{result['epochs']:.1f}",
            f"{result['peak_mib']:,.0f}",
        ]
        for name, of_recipe in results.items()
        for place, result in enumerate(of_recipe)
    ]
    about = packed[0]
    into = f"of at most {about['longest']} tokens packed into rows of {about['row_tokens']:,}"
    taken = f"{_few([one['seconds'] for one in packed])} s, {about['filled']:.2%} filled"
    notes = [f"{about['sequences']:,} drawn sequences {into}: {taken}"]
    if ratio := batches.beside(results):
        notes.append(
            f"{ratio['recipe']}: {_cost(ratio)} the speed of {batches.COLLATOR}, which has its sequences ready-made "
            "as lists: in its time are padding and masking alone, and no attention mask"
        )
    elif batches.COLLATOR not in results:
        notes.append(f"without {batches.COLLATOR}: left out, not installed, or the corpus has no [MASK]")
    return "\n".join([*aligned_columns(rows), "", *notes])


def recipes_table(results: Sequence[Result]) -> str:
    """For each shape what a token costs by recipe, beside BERT's; then what was measured on what."""
    parts: list[str] = []
    for result in results:
        about = f"{result['shape']}, {result['sequences']} x {result['length']}"
        header = [about, "tokens/s", "cost", "cost in processors' time", "predictions a token", "MFLOP", "peak MiB"]
        rows = [header]
        rows += [
            [
                name,
                _spread(row["tokens_per_second"]),
                _cost(row["cost"]),
                _cost(row["cpu_cost"]),
                f"{row['predictions']:.2f}",
                f"{row['mflops']:,.1f}",
                f"{row['peak_mib']:,.0f}",
            ]
            for name, row in result["recipes"].items()
        ]
        parts.append("\n".join(aligned_columns(rows)))
    first = results[0]
    terms = f"{first['rounds']} rounds; {first['threads']} threads, dropout {first['dropout']}, {first['device']}"
    parts.append(
        f"a token's time over that of BERT's, median (least-most) of {terms}; MFLOP of a token's products, "
        "forward and backward"
    )
    return "\n\n".join(parts)


def _cost(values: dict[str, float]) -> str:
    return f"{values['median']:.2f}x ({values['least']:.2f}-{values['most']:.2f})"


def corpus_table(results: Sequence[Result]) -> str:
    """Rates and memory by size."""
    rows = [["text MB", "vocabulary", "seconds", "MB/s", "per second of a processor", "million tokens", "peak MiB"]]
    rows += [
        [
            f"{result['megabytes']:,.0f}",
            "trained" if result["vocabulary"] else "given",
            f"{result['seconds']:,.1f}",
            f"{result['megabytes_per_second']:.2f}",
            f"{result['megabytes_per_cpu_second']:.2f}",
            f"{result['tokens'] / 1e6:,.1f}",
            f"{result['peak_mib']:,.0f}",
        ]
        for result in results
    ]
    return "\n".join(aligned_columns(rows))


def preparing_table(results: Sequence[Result]) -> str:
    """Megabytes and characters a second of each side, by language, and how many times ours is its rival's."""
    rows = [["", "language", "processes", "MB/s", "million characters/s", "ours, times it", "million tokens"]]
    medians = {(r["side"], r["language"]): float(np.median(r["megabytes_per_second"])) for r in results}
    for result in results:
        side, language = result["side"], result["language"]
        beside = BESIDE.get(side)
        ratio = medians[beside, language] / medians[side, language] if beside else None
        rows.append(
            [
                side,
                language,
                str(result["workers"]),
                _few(result["megabytes_per_second"]),
                _few([speed / 1e6 for speed in result["characters_per_second"]]),
                "-" if ratio is None else f"{ratio:.1f}x",
                f"{result['tokens'][0] / 1e6:,.2f}",
            ]
        )
    return "\n".join(aligned_columns(rows))


def _few(values: Sequence[float]) -> str:
    return f"{np.median(values):.2f} ({min(values):.2f}-{max(values):.2f})"


def finetune_table(result: Result) -> str:
    """Examples and tokens a second of each side, ours over transformers', the share that is text, peak memory."""
    rows = [["", "examples/s", "tokens/s", "ours, times it", "in processors' time", "text", "precision", "peak MiB"]]
    for name, speed in result["examples_per_second"].items():
        chosen = result["settings"].get(name.removesuffix(finetune.SET), {})
        ratio, cpu_ratio = (result[key].get(name) for key in ("ratio", "cpu_ratio"))
        rows.append(
            [
                name,
                _spread(speed),
                _spread(result["tokens_per_second"][name]),
                _cost(ratio) if ratio else "-",
                _cost(cpu_ratio) if cpu_ratio else "-",
                f"{result['real'][name]:.0%}",
                " ".join([chosen["precision"], *([f"batch {chosen['batch']}"] if "batch" in chosen else [])]),
                f"{result['peak_mib'][name]:,.0f}",
            ]
        )
    notes = (
        f"median (least-most) of {result['rounds']} rounds; {result['threads']} threads, {result['examples']:,} "
        f"examples, batches of {result['batch']} at rate {result['rate']:g}, dropout {result['dropout']}, cut at "
        f"{result['length']} tokens; {platform.machine()}"
    )
    return "\n".join([*aligned_columns(rows), "", notes])


def encode_table(result: Result) -> str:
    """A row a side: texts and tokens a second, ours over what it stands beside, cosines, memory."""
    rows = [["", "texts/s", "tokens/s", "ours, times it", "in processors' time", "of the limit"]]
    rows[0] += ["worst cosine", "mean", "largest difference", "peak MiB"]
    for name, speed in result["texts_per_second"].items():
        ratio, cpu_ratio, share = (result[key].get(name) for key in ("ratio", "cpu_ratio", "share_of_limit"))
        near = result["cosines"][name]
        rows.append(
            [
                name,
                _spread(speed),
                _spread(result["tokens_per_second"][name]),
                f"{_cost(ratio)} of {result['beside'][name]}" if ratio else "-",
                _cost(cpu_ratio) if cpu_ratio else "-",
                f"{share['median']:.0%}" if share else "-",
                f"{near['worst_cosine']:.5f}",
                f"{near['mean_cosine']:.5f}",
                f"{near['largest_difference']:.1e}",
                f"{result['peak_mib'][name]:,.0f}",
            ]
        )
    notes = (
        f"median (least-most) of {result['rounds']} rounds; {result['threads']} threads, {result['texts']:,} texts of "
        f"{result['tokens'] / result['texts']:.0f} tokens on average, {result['longest']} at most; limit "
        f"{_spread(result['limit_gflops'])} GFLOP/s in bf16; cosines to {result['reference']}; {platform.machine()}"
    )
    return "\n".join([*aligned_columns(rows), "", notes])


def start_table(results: Sequence[Result]) -> str:
    """Seconds by command, median (least-most)."""
    rows = [["command", "seconds", "of a processor"]]
    rows += [[r["command"], _seconds(r["seconds"]), _seconds(r["cpu_seconds"])] for r in results]
    return "\n".join(aligned_columns(rows))


def _seconds(values: dict[str, float]) -> str:
    return f"{values['median']:.2f} ({values['least']:.2f}-{values['most']:.2f})"


def _spread(values: dict[str, float]) -> str:
    return f"{values['median']:,.0f} ({values['least']:,.0f}-{values['most']:,.0f})"


def _notes(results: Sequence[Result]) -> list[str]:
    first = results[0]
    rate = _spread(first["limit_gflops"])
    terms = f"median (least-most) of {first['rounds']} rounds; {first['threads']} threads, dropout {first['dropout']}"
    notes = [f"tokens a second, {terms}; {platform.machine()}, limit {rate} GFLOP/s in bf16"]
    notes += [
        f"{result['shape']}: transformers is faster in {result['rival']['precision']} with "
        f"{'fused' if result['rival']['fused'] else 'default'} AdamW"
        for result in results
        if result["rival"]
    ]
    notes += [
        f"{result['shape']}: {_cost(ratio)} the speed of {name}"
        for result in results
        for name, ratio in result["ratio"].items()
        if name not in RIVALS
    ]
    notes += [
        f"{result['shape']}: {PLAYED}, ours has {_cost(result['played_back']['gain'])} its speed"
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
