"""The comparison as pictures: every run of both sides, and what models reach with more examples."""

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from finetuning_comparison.rows import MODELS, ORDER_EXAMPLES, ORDER_TASKS, OURS, SIDES, THEIRS
from finetuning_comparison.tasks import TASKS
from maskwright.lab.pictures import picture

Answers = Sequence[dict[str, Any]]
COLOURS = {OURS: "#1f6feb", THEIRS: "#c2410c"}


def draw(answers: Answers, group: str, file: Path) -> None:
    """Parity: every run a dot, a line a task. Order: a panel for each task, a line for each model."""
    with picture(file) as plt:
        (_parity_figure if group == "parity" else _order_figure)(plt, answers)


def _parity_figure(plt: Any, answers: Answers) -> None:
    tasks = [name for name in TASKS if any(told["task"] == name for told in answers)]
    _, axes = plt.subplots(figsize=(7.0, 0.8 + 0.42 * len(tasks)), layout="constrained")
    for place, name in enumerate(tasks):
        for side, shift in zip(SIDES, (-0.15, 0.15), strict=True):
            values = [100 * told["value"] for told in answers if (told["task"], told["name"]) == (name, side)]
            if not values:
                continue
            label = side if place == 0 else None
            axes.plot(values, [place + shift] * len(values), "o", color=COLOURS[side], alpha=0.45, markersize=4,
                      markeredgewidth=0, label=label)  # fmt: skip
            axes.plot([statistics.mean(values)], [place + shift], "|", color=COLOURS[side], markersize=9)
    axes.set_yticks(range(len(tasks)), [f"{TASKS[name].title} ({TASKS[name].language})" for name in tasks])
    axes.set_ylim(len(tasks) - 0.5, -0.5)
    axes.set_xlabel("%")
    axes.legend(frameon=False, loc="lower left")


def _order_figure(plt: Any, answers: Answers) -> None:
    tasks = [name for name in ORDER_TASKS if any(told["task"] == name for told in answers)]
    _, axes = plt.subplots(1, len(tasks), figsize=(3.4 * len(tasks), 3.4), squeeze=False, layout="constrained")
    counts = list(ORDER_EXAMPLES)
    for panel, name in zip(axes[0], tasks, strict=True):
        for number, model in enumerate(MODELS):
            runs = [told for told in answers if (told["task"], told["name"]) == (name, model)]
            means = {
                place: 100 * statistics.mean(told["value"] for told in runs if told["examples"] == count)
                for place, count in enumerate(counts)
                if any(told["examples"] == count for told in runs)
            }
            if means:
                panel.plot(list(means), list(means.values()), "o-", markersize=3, linewidth=1.2,
                           color=f"C{number % 10}", label=model)  # fmt: skip
        panel.set_xticks(range(len(counts)), [f"{count:,}" if count else "all" for count in counts])
        panel.set_title(f"{TASKS[name].title} ({TASKS[name].language})", fontsize=9, loc="left")
    axes[0][0].set_ylabel("%")
    axes[0][-1].legend(frameon=False, fontsize=7, loc="upper left", bbox_to_anchor=(1.0, 1.0))
