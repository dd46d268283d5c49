"""`bench corpus`: raw text to a corpus by its size, and others beside it."""

from collections.abc import Sequence

import numpy as np

from maskwright.lab.bench.preparing import BESIDE
from maskwright.lab.bench.shown.cells import Chart, Result, Spread, of_rounds, per_cent
from maskwright.lab.bench.turns import spread
from maskwright.lab.columns import aligned_columns


def table(result: Result) -> str:
    """Builds, and below them the others, where they were measured."""
    limits = [one["limit_megabytes_per_second"] for one in result["builds"]]
    note = f"limit: the lines of the same jsonl parsed and nothing else, at {of_rounds(limits)} MB/s"
    parts = [f"{_builds(result['builds'])}\n\n{note}", *([_beside(result["beside"])] if result["beside"] else [])]
    return "\n\n".join(parts)


def _builds(results: Sequence[Result]) -> str:
    """Rates and memory by size."""
    rows = [["text MB", "vocabulary", "seconds", "MB/s", "per second of a processor"]]
    rows[0] += ["of limit", "million tokens", "peak MiB"]
    rows += [
        [
            f"{result['megabytes']:,.0f}",
            "trained" if result["vocabulary"] else "given",
            f"{result['seconds']:,.1f}",
            f"{result['megabytes_per_second']:.2f}",
            f"{result['megabytes_per_cpu_second']:.2f}",
            per_cent(result["megabytes_per_second"] / result["limit_megabytes_per_second"]),
            f"{result['tokens'] / 1e6:,.1f}",
            f"{result['peak_mib']:,.0f}",
        ]
        for result in results
    ]
    return "\n".join(aligned_columns(rows))


def _beside(results: Sequence[Result]) -> str:
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
                of_rounds(result["megabytes_per_second"]),
                of_rounds([speed / 1e6 for speed in result["characters_per_second"]]),
                "-" if ratio is None else f"{ratio:.1f}x",
                f"{result['tokens'][0] / 1e6:,.2f}",
            ]
        )
    return "\n".join(aligned_columns(rows))


def charts(result: Result) -> list[Chart]:
    """One of the sizes, and one of each language with the others."""
    builds = {f"{one['megabytes']:,.0f} MB": spread([one["megabytes_per_second"]]) for one in result["builds"]}
    beside: dict[str, dict[str, Spread]] = {}
    for one in result["beside"]:
        side = f"{one['side']}, {one['workers']} processes"
        beside.setdefault(one["language"], {})[side] = spread(one["megabytes_per_second"])
    return [
        Chart("maskwright corpus, MB a second by the text's size", builds),
        *(Chart(f"MB a second of {language} text; longer is faster", bars) for language, bars in beside.items()),
    ]
