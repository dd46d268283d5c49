"""The comparison as a page: its tables and pictures put into the text that someone wrote around them.

A page has a place for each group, which begins <!-- parity --> and ends <!-- end -->. A page that is not there yet is
begun with both.
"""

import math
import re
import statistics
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from finetuning_comparison.rows import MODELS, ORDER_EXAMPLES, ORDER_TASKS, OURS, SIDES, THEIRS
from finetuning_comparison.tasks import TASKS
from maskwright.durable import staged_file, write_file

Told = dict[str, Any]
Answers = Sequence[Told]
COLOURS = {OURS: "#1f6feb", THEIRS: "#c2410c"}
TITLES = {
    "parity": "The same recipe with transformers' Trainer",
    "order": "The order that BERT's papers claim",
}
LANGUAGES = {"en": "English", "zh": "Chinese"}
MEASURES = {"pearson": "Pearson's r", "f1": "F1", "accuracy": "accuracy"}


class Spread(NamedTuple):
    """A mean, and the standard deviation over seeds; nan for a single value."""

    mean: float
    deviation: float

    @staticmethod
    def of(values: Sequence[float]) -> "Spread":
        """
        >>> Spread.of([0.5, 0.7]).text()
        '60.0 ± 14.1'
        """
        return Spread(statistics.mean(values), statistics.stdev(values) if len(values) > 1 else math.nan)

    def text(self) -> str:
        """In hundredths.

        >>> Spread(0.5, math.nan).text()
        '50.0'
        """
        mean = f"{100 * self.mean:.1f}"
        return mean if math.isnan(self.deviation) else f"{mean} ± {100 * self.deviation:.1f}"


def write_report(answers: Answers, page: Path) -> Path:
    """Put the tables of these answers into the page, and the pictures beside it; the page."""
    text = page.read_text(encoding="utf-8") if page.is_file() else skeleton()
    for group, inner in (("parity", parity), ("order", order)):
        if found := [told for told in answers if told["group"] == group]:
            place = re.compile(rf"<!-- {group} -->\n.*?<!-- end -->", re.DOTALL)
            filled = f"<!-- {group} -->\n\n{inner(found)}\n\n<!-- end -->"
            text = place.sub(filled.replace("\\", r"\\"), text)
            draw(found, group, page.parent / "pictures" / f"fine-tuning-{group}.svg")
    page.parent.mkdir(parents=True, exist_ok=True)
    write_file(page, text.encode())
    return page


def skeleton() -> str:
    """A page with a place for each group."""
    parts = ["# Fine-tuning: beside the Trainer of transformers, and model beside model\n"]
    parts += [f"## {title}\n\n<!-- {group} -->\n<!-- end -->\n" for group, title in TITLES.items()]
    return "\n".join(parts)


def parity(answers: Answers) -> str:
    """A row for each task: both sides' means and deviations, how far they are apart, their time."""
    head = [
        "task",
        "measure, %",
        "examples",
        "seeds",
        *SIDES,
        "difference",
        "within one deviation",
        "time of training, theirs over ours",
    ]
    lines = [_line(head), _line(["---"] * len(head))]
    for name, task in TASKS.items():
        sides = {side: [told for told in answers if (told["task"], told["name"]) == (name, side)] for side in SIDES}
        if all(sides.values()):
            lines.append(_line(_row(f"{task.title}, {LANGUAGES[task.language]}", sides)))
    picture = f"![{TITLES['parity']}](pictures/fine-tuning-parity.svg)"
    return f'`make fine-tuning ARGS="--groups parity"`\n\n{picture}\n\n' + "\n".join(lines)


def _row(title: str, sides: dict[str, list[Told]]) -> list[str]:
    ours, theirs = (Spread.of([told["value"] for told in sides[side]]) for side in SIDES)
    first = sides[OURS][0]
    seeds = "/".join(dict.fromkeys(f"{len(runs)}" for runs in sides.values()))
    seconds = [statistics.median(told["seconds"] for told in sides[side]) for side in SIDES]
    return [
        title, MEASURES[first["measure"]], f"{first['examples']:,}", seeds, ours.text(), theirs.text(),
        f"{100 * (ours.mean - theirs.mean):+.1f}", within(ours, theirs),
        f"{seconds[1] / max(seconds[0], 1e-9):.1f} ({seconds[0]:,.0f} / {seconds[1]:,.0f} s)",
    ]  # fmt: skip


def within(ours: Spread, theirs: Spread) -> str:
    """Whether the mean of ours is no further than theirs' deviation from theirs.

    >>> within(Spread(0.9, 0.1), Spread(0.85, 0.06)), within(Spread(0.8, 0.1), Spread(0.9, 0.05))
    ('yes', 'no: below')
    >>> within(Spread(0.8, math.nan), Spread(0.9, math.nan))
    ''
    """
    if math.isnan(theirs.deviation):
        return ""
    if abs(ours.mean - theirs.mean) <= theirs.deviation:
        return "yes"
    return f"no: {'above' if ours.mean > theirs.mean else 'below'}"


def order(answers: Answers) -> str:
    """A table for each task: a row for each model, a column for each number of examples."""
    parts = [
        '`make fine-tuning ARGS="--groups order"`',
        f"![{TITLES['order']}](pictures/fine-tuning-order.svg)",
    ]
    parts += ["\n".join(lines) for name in ORDER_TASKS if (lines := list(_of_task(answers, name)))]
    return "\n\n".join(parts)


def _of_task(answers: Answers, name: str) -> Iterator[str]:
    task, found = TASKS[name], [told for told in answers if told["task"] == name]
    if not found:
        return
    yield f"{task.title.capitalize()}, {LANGUAGES[task.language]}: {MEASURES[task.measure]}, %"
    yield ""
    head = ["", *(f"{count:,} examples" if count else "all" for count in ORDER_EXAMPLES), "seeds"]
    yield _line(head)
    yield _line(["---"] * len(head))
    for model in MODELS:
        if runs := [told for told in found if told["name"] == model]:
            by_count = [[told["value"] for told in runs if told["examples"] == count] for count in ORDER_EXAMPLES]
            seeds = "/".join(dict.fromkeys(str(len(values)) for values in by_count if values))
            yield _line([model, *(Spread.of(values).text() if values else "–" for values in by_count), seeds])


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def draw(answers: Answers, group: str, file: Path) -> None:
    """Parity: every run a dot, a line a task. Order: a panel for each task, a line for each model."""
    import matplotlib as mpl

    mpl.use("svg")
    from matplotlib import pyplot as plt

    style: dict[Any, Any] = {
        "svg.hashsalt": "maskwright", "font.size": 9, "axes.spines.top": False, "axes.spines.right": False,
        "svg.fonttype": "none", "font.family": "sans-serif",
    }  # fmt: skip
    with plt.rc_context(style):
        figure = _parity_figure(plt, answers) if group == "parity" else _order_figure(plt, answers)
        file.parent.mkdir(parents=True, exist_ok=True)
        with staged_file(file) as out:
            figure.savefig(out, format="svg", metadata={"Date": None})
        plt.close(figure)


def _parity_figure(plt: Any, answers: Answers) -> Any:
    tasks = [name for name in TASKS if any(told["task"] == name for told in answers)]
    figure, axes = plt.subplots(figsize=(7.0, 0.8 + 0.42 * len(tasks)), layout="constrained")
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
    return figure


def _order_figure(plt: Any, answers: Answers) -> Any:
    tasks = [name for name in ORDER_TASKS if any(told["task"] == name for told in answers)]
    figure, axes = plt.subplots(1, len(tasks), figsize=(3.4 * len(tasks), 3.4), squeeze=False, layout="constrained")
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
    return figure
