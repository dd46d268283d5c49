"""`bench start`: how long it takes to answer."""

from collections.abc import Sequence

from maskwright.lab.bench.shown.cells import Chart, Result, hundredths, per_cent
from maskwright.lab.columns import aligned_columns


def table(results: Sequence[Result]) -> str:
    """Seconds by command, median (least-most)."""
    rows = [["command", "seconds", "of a processor", "of it Python"]]
    rows += [
        [
            one["command"],
            hundredths(one["seconds"]),
            hundredths(one["cpu_seconds"]),
            per_cent(one["share_of_limit"]["median"]),
        ]
        for one in results
    ]
    return "\n".join(aligned_columns(rows))


def charts(results: Sequence[Result]) -> list[Chart]:
    """One of all commands."""
    return [Chart("Seconds; shorter is faster", {one["command"]: one["seconds"] for one in results})]
