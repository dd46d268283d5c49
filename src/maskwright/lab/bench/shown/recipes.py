"""`bench recipes`: what a token costs by recipe."""

from collections.abc import Sequence

from maskwright.lab.bench.shown.cells import Chart, Result, times, whole
from maskwright.lab.columns import aligned_columns


def table(results: Sequence[Result]) -> str:
    """For each shape what a token costs by recipe, beside BERT's; then what was measured on what."""
    parts: list[str] = []
    for result in results:
        about = f"{result['shape']}, {result['sequences']} x {result['length']}"
        header = [about, "tokens/s", "cost", "cost in processors' time", "predictions a token", "MFLOP", "peak MiB"]
        rows = [header]
        rows += [
            [
                name,
                whole(row["tokens_per_second"]),
                times(row["cost"]),
                times(row["cpu_cost"]),
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


def charts(results: Sequence[Result]) -> list[Chart]:
    """A chart for each shape."""
    return [
        Chart(
            f"A token's time over that of BERT's, {one['shape']}",
            {name: row["cost"] for name, row in one["recipes"].items()},
        )
        for one in results
    ]
