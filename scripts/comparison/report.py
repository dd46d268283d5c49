"""The bake-off as a page: its tables and pictures put into the text that someone wrote around them.

A page has a place for each group, which begins <!-- units --> and ends <!-- end -->. A page that is not there yet is
begun with all of them.
"""

import math
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from comparison.measures import Measure
from comparison.rows import GROUPS, Group
from maskwright.durable import write_file
from maskwright.lab.pictures import picture

Answers = Sequence[dict[str, Any]]
LANGUAGES = {"en": "English", "zh": "Chinese"}
PROBES = {"en": "topics of news", "zh": "sentiment of reviews"}
STUDENT = {2: 12.706, 3: 4.303, 4: 3.182, 5: 2.776, 6: 2.571, 7: 2.447, 8: 2.365, 9: 2.306, 10: 2.262}
"""Student's t for 95 % of the mean of so many runs."""
CYCLE = ("#1f6feb", "#c2410c")


class Spread(NamedTuple):
    """A mean, and half the width of its 95 % interval; nan for a single value."""

    mean: float
    half: float

    @staticmethod
    def of(values: Sequence[float]) -> "Spread":
        """By Student's t.

        >>> Spread.of([1.0, 2.0, 3.0]).text(".2f")
        '2.00 ± 2.48'
        """
        count, mean = len(values), sum(values) / len(values)
        if count < 2:
            return Spread(mean, math.nan)
        deviation = math.sqrt(sum((value - mean) ** 2 for value in values) / (count - 1))
        return Spread(mean, STUDENT.get(count, 1.96) * deviation / math.sqrt(count))

    def text(self, form: str, *, signed: bool = False) -> str:
        """As a cell of a table.

        >>> Spread(2.0, 0.25).text(".2f"), Spread(0.5, math.nan).text(".1f", signed=True)
        ('2.00 ± 0.25', '+0.5')
        """
        mean = format(self.mean, ("+" if signed else "") + form)
        return mean if math.isnan(self.half) else f"{mean} ± {format(self.half, form)}"


def write_report(answers: Answers, page: Path) -> Path:
    """Put the tables of these answers into the page, and the pictures beside it; the page."""
    pictures = page.parent / "pictures"
    text = page.read_text(encoding="utf-8") if page.is_file() else skeleton()
    for name, group in GROUPS.items():
        if any(told["name"] in group.rows.values() for told in answers):
            draw(answers, group, pictures / f"bake-off-{name}.svg")
            place = re.compile(rf"<!-- {name} -->\n.*?<!-- end -->", re.DOTALL)
            filled = f"<!-- {name} -->\n{inner(answers, name, group)}\n<!-- end -->"
            text = place.sub(filled.replace("\\", r"\\"), text)
    page.parent.mkdir(parents=True, exist_ok=True)
    write_file(page, text.encode())
    return page


def skeleton() -> str:
    """A page with a place for each group."""
    parts = ["# The bake-off\n"]
    parts += [f"## {group.title}\n\n<!-- {name} -->\n<!-- end -->\n" for name, group in GROUPS.items()]
    return "\n".join(parts)


def inner(answers: Answers, name: str, group: Group) -> str:
    """What stands in a group's place: its command, its picture, a table for each language."""
    parts = [f'`make bake-off ARGS="--groups {name}"`', f"![{group.title}](pictures/bake-off-{name}.svg)"]
    for language, called in LANGUAGES.items():
        if lines := list(table(answers, language, group)):
            parts.append(f"{called}, probe: {PROBES[language]}\n\n" + "\n".join(lines))
    return "\n" + "\n\n".join(parts) + "\n"


def table(answers: Answers, language: str, group: Group) -> Iterator[str]:
    """Its lines; none where no run was in that language. Differences are to the first row, seed by seed."""
    found = {label: runs_of(answers, language, name) for label, name in group.rows.items()}
    found = {label: runs for label, runs in found.items() if runs}
    if not found:
        return
    first = next(iter(found.values()))
    measures = [measure for measure in group.measures if any(_values(measure, runs) for runs in found.values())]
    titles = [title for m in measures for title in ([m.title, "difference"] if m.compared else [m.title])]
    head = ["", "runs", "updates", *titles]
    yield _line(head)
    yield _line(["---"] * len(head))
    for label, runs in found.items():
        cells = [label, f"{len(runs)}", f"{sum(told['steps'] for told in runs.values()) / len(runs):,.0f}"]
        for measure in measures:
            values = _values(measure, runs)
            cells.append(Spread.of(list(values.values())).text(measure.form) if values else "–")
            if measure.compared:
                cells.append("" if runs is first else _difference(measure, runs, first))
        yield _line(cells)


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _values(measure: Measure, runs: dict[int, Any]) -> dict[int, float]:
    """By seed, of the runs that were asked."""
    asked = {seed: measure.of(told) for seed, told in runs.items()}
    return {seed: value for seed, value in asked.items() if value is not None}


def _difference(measure: Measure, runs: dict[int, Any], first: dict[int, Any]) -> str:
    ours, theirs = _values(measure, runs), _values(measure, first)
    both = [ours[seed] - theirs[seed] for seed in ours.keys() & theirs.keys()]
    return Spread.of(both).text(measure.form, signed=True) if both else ""


def runs_of(answers: Answers, language: str, name: str) -> dict[int, dict[str, Any]]:
    """The answers of a row's runs, by seed."""
    return {told["seed"]: told for told in answers if (told["language"], told["name"]) == (language, name)}


def draw(answers: Answers, group: Group, file: Path) -> None:
    """Two panels a language: every run a dot, the mean and its interval a bar, a line at the first row's mean."""
    languages = [code for code in LANGUAGES if any(runs_of(answers, code, name) for name in group.rows.values())]
    with picture(file, {"axes.spines.left": False, "ytick.major.size": 0}) as plt:
        size = (5.0 * len(languages), 0.7 + 0.26 * len(group.rows))
        _, axes = plt.subplots(1, 2 * len(languages), figsize=size, squeeze=False, layout="constrained")
        for column, panel in enumerate(axes[0]):
            language, measure = languages[column // 2], group.pictured[column % 2]
            _panel(panel, answers, language, group, measure, CYCLE[column % 2])
            panel.set_title(f"{LANGUAGES[language]}: {measure.title}", fontsize=9, loc="left")
            panel.set_yticks(range(len(group.rows)), list(group.rows) if column == 0 else [""] * len(group.rows))
            panel.set_ylim(len(group.rows) - 0.5, -0.5)


def _panel(panel: Any, answers: Answers, language: str, group: Group, measure: Measure, colour: str) -> None:
    for place, name in enumerate(group.rows.values()):
        values = list(_values(measure, runs_of(answers, language, name)).values())
        if not values:
            continue
        mean, half = Spread.of(values)
        if place == 0:
            panel.axvline(mean, color="#9ca3af", linewidth=0.8, linestyle=":")
        panel.plot(values, [place] * len(values), "o", color=colour, alpha=0.35, markersize=4, markeredgewidth=0)
        bar = None if math.isnan(half) else [half]
        panel.errorbar([mean], [place], xerr=bar, fmt="|", color=colour, markersize=9, capsize=2, linewidth=1.2)
