"""`bench encode`: vectors of texts, and how near they are."""

import platform

from maskwright.lab.bench.shown.cells import Chart, Result, times, whole
from maskwright.lab.columns import aligned_columns


def table(result: Result) -> str:
    """A row a side: texts and tokens a second, ours over what it stands beside, cosines, memory."""
    rows = [["", "texts/s", "tokens/s", "ours, times it", "in processors' time", "of the limit"]]
    rows[0] += ["worst cosine", "mean", "largest difference", "peak MiB"]
    for name, speed in result["texts_per_second"].items():
        ratio, cpu_ratio, share = (result[key].get(name) for key in ("ratio", "cpu_ratio", "share_of_limit"))
        near = result["cosines"][name]
        rows.append(
            [
                name,
                whole(speed),
                whole(result["tokens_per_second"][name]),
                f"{times(ratio)} of {result['beside'][name]}" if ratio else "-",
                times(cpu_ratio),
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
        f"{whole(result['limit_gflops'])} GFLOP/s in bf16; cosines to {result['reference']}; {platform.machine()}"
    )
    return "\n".join([*aligned_columns(rows), "", notes])


def charts(result: Result) -> list[Chart]:
    """One of all sides."""
    return [Chart("Texts a second; longer is faster", result["texts_per_second"])]
