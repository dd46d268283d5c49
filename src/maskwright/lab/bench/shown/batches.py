"""`bench batches`: laying out and masking, the collator beside it, packing."""

from maskwright.lab.bench import batches
from maskwright.lab.bench.shown.cells import Chart, Result, of_rounds, per_cent, times
from maskwright.lab.bench.turns import spread
from maskwright.lab.columns import aligned_columns


def table(result: Result) -> str:
    """Rates by recipe and round; how many times the collator's, and what packing takes."""
    results, packed = result["batches"], result["packing"]
    rows = [["recipe", "round", "million tokens/s", "per second of a processor", "of limit", "epochs", "peak MiB"]]
    shares = batches.shares_of_limit(results)
    rows += [
        [
            name,
            str(place + 1),
            f"{result['tokens_per_second'] / 1e6:.2f}",
            f"{result['tokens_per_cpu_second'] / 1e6:.2f}",
            per_cent(shares[name]["median"] if name in shares else None),
            f"{result['epochs']:.1f}",
            f"{result['peak_mib']:,.0f}",
        ]
        for name, of_recipe in results.items()
        if name != batches.LIMIT
        for place, result in enumerate(of_recipe)
    ]
    about = packed[0]
    into = f"of at most {about['longest']} tokens packed into rows of {about['row_tokens']:,}"
    taken = f"{of_rounds([one['seconds'] for one in packed])} s, {about['filled']:.2%} filled"
    notes = [f"{about['sequences']:,} drawn sequences {into}: {taken}"]
    if limits := results.get(batches.LIMIT):
        copied = of_rounds([one["bytes_per_second"] / 1e9 for one in limits])
        notes.append(f"limit: the finished batches copied once, at {copied} GB/s")
    if ratio := batches.beside(results):
        notes.append(
            f"{ratio['recipe']}: {times(ratio)} the speed of {batches.COLLATOR}, which has its sequences ready-made "
            "as lists: in its time are padding and masking alone, and no attention mask"
        )
    elif batches.COLLATOR not in results:
        notes.append(f"without {batches.COLLATOR}: left out, not installed, or the corpus has no [MASK]")
    return "\n".join([*aligned_columns(rows), "", *notes])


def charts(result: Result) -> list[Chart]:
    """One of all recipes."""
    made = {
        name: spread([one["tokens_per_second"] / 1e6 for one in rounds])
        for name, rounds in result["batches"].items()
        if name != batches.LIMIT
    }
    return [Chart("Million tokens a second of one processor; longer is faster", made)]
