"""`bench finetune`: our fine-tuning and predictions beside those of transformers."""

import platform

from maskwright.lab.bench.finetune import SET
from maskwright.lab.bench.shown.cells import Chart, Result, per_cent, times, whole
from maskwright.lab.columns import aligned_columns


def table(result: Result) -> str:
    """Examples and tokens a second of each side, ours over transformers', the share that is text, peak memory."""
    rows = [["", "examples/s", "tokens/s", "ours, times it", "in processors' time"]]
    rows[0] += ["of limit", "text", "precision", "peak MiB"]
    for name, speed in result["examples_per_second"].items():
        chosen = result["settings"].get(name.removesuffix(SET), {})
        ratio, cpu_ratio, share = (result[key].get(name) for key in ("ratio", "cpu_ratio", "share_of_limit"))
        rows.append(
            [
                name,
                whole(speed),
                whole(result["tokens_per_second"][name]),
                times(ratio),
                times(cpu_ratio),
                per_cent(share and share["median"]),
                f"{result['real'][name]:.0%}",
                " ".join([chosen["precision"], *([f"batch {chosen['batch']}"] if "batch" in chosen else [])]),
                f"{result['peak_mib'][name]:,.0f}",
            ]
        )
    limits = ", ".join(
        f"{whole(rate)} GFLOP/s in {result['settings'][name]['precision']} of {name}"
        for name, rate in result["limit_gflops"].items()
    )
    notes = (
        f"median (least-most) of {result['rounds']} rounds; {result['threads']} threads, {result['examples']:,} "
        f"examples, batches of {result['batch']} at rate {result['rate']:g}, dropout {result['dropout']}, cut at "
        f"{result['length']} tokens; limit {limits}; {platform.machine()}"
    )
    return "\n".join([*aligned_columns(rows), "", notes])


def charts(result: Result) -> list[Chart]:
    """One of all sides."""
    return [Chart("Examples a second; longer is faster", result["examples_per_second"])]
