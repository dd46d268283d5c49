"""`bench parts`: where the time of a step goes."""

from collections.abc import Sequence

from maskwright.lab.bench.shown.cells import Chart, Result, per_cent
from maskwright.lab.bench.turns import spread
from maskwright.lab.columns import aligned_columns


def table(results: Sequence[Result]) -> str:
    """Shares of a step by part, a column for each shape."""
    names = list(dict.fromkeys(name for result in results for name in result["shares"]))
    rows = [["", *(result["shape"] for result in results)]]
    rows += [[name, *(per_cent(result["shares"].get(name)) for result in results)] for name in names]
    rows += [
        ["making batches, in their thread", *(per_cent(result["batch_share"]) for result in results)],
        ["milliseconds a step", *(f"{result['milliseconds']:,.0f}" for result in results)],
    ]
    return "\n".join(aligned_columns(rows))


def charts(results: Sequence[Result]) -> list[Chart]:
    """A chart for each shape, the longest bar first."""
    return [
        Chart(
            f"Per cent of a step, {one['shape']}",
            {name: spread([100 * share]) for name, share in sorted(one["shares"].items(), key=lambda part: -part[1])},
        )
        for one in results
    ]
