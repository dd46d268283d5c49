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

from finetuning_comparison.pictures import draw
from finetuning_comparison.rows import (
    BATCH,
    CLIP,
    DECAY,
    DROPOUT,
    EPSILON,
    MODELS,
    ORDER_EXAMPLES,
    ORDER_TASKS,
    OURS,
    RATES,
    SIDES,
    WARMUP,
)
from finetuning_comparison.tasks import TASKS
from maskwright.durable import write_file

Told = dict[str, Any]
Answers = Sequence[Told]
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
    rates = ", ".join(f"{rate:g} ({LANGUAGES[language]})" for language, rate in RATES.items())
    passes = ", ".join(
        f"{epochs:g} over {f'{count:,}' if count else 'all'}" for count, epochs in ORDER_EXAMPLES.items()
    )
    settings = {
        "encoders": "MiniLM (BERT, 6 × 384) as its package ships it; for Chinese one that was pretrained here",
        "recipe": f"AdamW at {rates}, batches of {BATCH}, {100 * WARMUP:g} % of the steps to warm up, then linearly to "
        f"0; decay {DECAY:g} on matrices, ε {EPSILON:g}, gradients clipped at {CLIP:g}, dropout {DROPOUT:g} before the "
        "head, and in the encoder what its folder says; heads begin as those of transformers",
        "rows": "no text is in two of them; those to judge by are in no file that is learned from",
        "±": "the standard deviation over seeds, which draw the head, the order, dropout and, where models are "
        "compared, the examples; of a difference half of its 95 % interval (Welch's)",
        "within one deviation": "of the other side's runs: of two equal recipes with five runs each, one is below that "
        "in about one task of ten (simulated)",
        "time": "is measured by `maskwright bench finetune`, see [performance.md](performance.md); sides of one table "
        "may have run on different machines",
        "model beside model": f"models of the bake-off, pretrained on the same text; passes: {passes} examples",
    }
    table = "\n".join(["| | |", "| --- | --- |", *(_line(setting) for setting in settings.items())])
    parts = ["# Fine-tuning: beside the Trainer of transformers, and model beside model\n", f"{table}\n"]
    parts += [f"## {title}\n\n<!-- {group} -->\n<!-- end -->\n" for group, title in TITLES.items()]
    return "\n".join(parts)


def parity(answers: Answers) -> str:
    """A row for each task: both sides' means and deviations, how far they are apart."""
    head = [
        "task",
        "measure, %",
        "examples",
        "seeds",
        *SIDES,
        "difference",
        "within one deviation",
    ]
    lines = [_line(head), _line(["---"] * len(head))]
    for name, task in TASKS.items():
        sides = {side: [told for told in answers if (told["task"], told["name"]) == (name, side)] for side in SIDES}
        if all(sides.values()):
            lines.append(_line(_row(f"{task.title}, {LANGUAGES[task.language]}", sides)))
    picture = f"![{TITLES['parity']}](pictures/fine-tuning-parity.svg)"
    return f'`make fine-tuning ARGS="--groups parity"`\n\n{picture}\n\n' + "\n".join(lines)


def _row(title: str, sides: dict[str, list[Told]]) -> list[str]:
    values = [[told["value"] for told in sides[side]] for side in SIDES]
    ours, theirs = map(Spread.of, values)
    first = sides[OURS][0]
    seeds = "/".join(dict.fromkeys(f"{len(runs)}" for runs in sides.values()))
    return [
        title, MEASURES[first["measure"]], f"{first['examples']:,}", seeds, ours.text(), theirs.text(),
        interval(*values), within(ours, theirs),
    ]  # fmt: skip


def within(ours: Spread, theirs: Spread) -> str:
    """Whether ours reaches theirs, up to one deviation of theirs; "above" where it is that much better.

    >>> within(Spread(0.9, 0.1), Spread(0.85, 0.06)), within(Spread(0.8, 0.1), Spread(0.9, 0.05))
    ('yes', 'no')
    >>> within(Spread(0.8, math.nan), Spread(0.9, math.nan))
    ''
    """
    if math.isnan(theirs.deviation):
        return ""
    apart = ours.mean - theirs.mean
    return "yes" if abs(apart) <= theirs.deviation else "above" if apart > 0 else "no"


def interval(ours: Sequence[float], theirs: Sequence[float]) -> str:
    """The difference of the means, and half of its 95 % interval (Welch's), in hundredths.

    >>> interval([0.80, 0.82, 0.84, 0.80, 0.84], [0.81, 0.81, 0.83, 0.79, 0.81])
    '+1.0 ± 2.6'
    >>> interval([0.8], [0.9])
    '-10.0'
    """
    apart = round(100 * (statistics.mean(ours) - statistics.mean(theirs)), 1) + 0.0  # never -0.0
    if min(len(ours), len(theirs)) < 2:
        return f"{apart:+.1f}"
    parts = [statistics.variance(values) / len(values) for values in (ours, theirs)]
    if not sum(parts):
        return f"{apart:+.1f} ± 0.0"
    from scipy.stats import t

    counts = len(ours), len(theirs)
    freedom = sum(parts) ** 2 / sum(one**2 / (count - 1) for one, count in zip(parts, counts, strict=True))
    return f"{apart:+.1f} ± {100 * float(t.ppf(0.975, freedom)) * math.sqrt(sum(parts)):.1f}"


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
