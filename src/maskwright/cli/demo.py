"""`maskwright demo`: from a sample text to a pretrained encoder and a page about it."""

from collections.abc import Mapping
from pathlib import Path
from signal import Signals
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from maskwright.cli.overrides import Overrides
from maskwright.cli.results import AsJson, show


def demo(
    *,
    language: Annotated[Literal["en", "zh"], Parameter(name="--language")] = "en",
    out: Annotated[Path | None, Parameter(name="--out")] = None,
    json: AsJson = False,
    overrides: Overrides,
) -> int:
    """Pretrain a BERT on a sample text in minutes, and write a report.

    Text to vocabulary, corpus, a BERT of 2 layers pretrained by the recipe quick
    and, beside it, by the plain recipe; then what it learned: blanks filled,
    neighbours of words, and a task with what others reach. The same line goes on
    where it was stopped.

    Args:
        language: en, Jane Austen's six novels; zh, the Romance of the Three Kingdoms.
        out: The folder for everything. Default: runs/demo-en or runs/demo-zh.

    Examples:
        maskwright demo
        maskwright demo --language zh --out /tmp/sanguo
        maskwright demo --training.steps 100 --out /tmp/short
    """
    from maskwright.lab.demo import run_demo
    from maskwright.progress import rich_progress
    from maskwright.training.run import keep_memory

    allocator = "kept" if keep_memory() else "default"
    folder = out or Path("runs") / f"demo-{language}"
    progress = rich_progress()
    figures = run_demo(language, folder, changes=overrides, allocator=allocator, progress=progress)
    if isinstance(figures, Signals):
        progress.say("stopped and saved; the same line goes on from here")
        return 128 + figures
    show(figures, json=json, text=lambda: summary(figures))
    return 0


def summary(figures: Mapping[str, Any]) -> str:
    """What a terminal shows at the end."""
    import sys

    from rich.console import Console
    from rich.table import Table

    console = Console(file=sys.stdout, width=None if sys.stdout.isatty() else 88)
    runs, guess, probe = figures["runs"], figures["baselines"], figures["probe"]
    learned = Table("held-out chapters", title="Masked words and next sentences", title_justify="left")
    for name in ("loss", "accuracy", "next sentence", "training"):
        learned.add_column(name, justify="right")
    for name, title in (("quick", "recipe quick"), ("bert", "plain BERT, as many tokens")):
        end = runs[name]
        learned.add_row(
            title,
            f"{end['mlm_loss']:.2f}",
            f"{end['mlm_accuracy']:.1%}",
            f"{end['nsp_accuracy']:.1%}",
            f"{end['seconds']:.0f} s",
            style="bold" if name == "quick" else None,
        )
    learned.add_row(
        "guessing by frequency",
        f"{guess['unigram_loss']:.2f}",
        f"{guess['unigram_accuracy']:.1%}",
        f"{guess['nsp_majority']:.1%}",
        "",
    )
    placed = Table("vectors", title="Which part is this passage from?", title_justify="left")
    placed.add_column("right", justify="right")
    placed.add_column("95 %, over chapters", justify="right")
    for name, title in (
        ("pretrained", "pretrained encoder"),
        ("random", "the same, random weights"),
        ("bag of words", "bag of words"),
    ):
        found = probe["accuracy"][name]
        style = "bold" if name == "pretrained" else None
        placed.add_row(title, f"{found['mean']:.1%}", f"{found['low']:.1%} to {found['high']:.1%}", style=style)
    placed.add_row("always the same answer", f"{probe['chance']:.1%}", "")
    with console.capture() as captured:
        console.print(learned)
        console.print(placed)
        console.print(f"report  {figures['report']}", soft_wrap=True, highlight=False)
        console.print(f"model   {figures['model']}", soft_wrap=True, highlight=False)
    return captured.get()
