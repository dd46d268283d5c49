"""The report of a run, or of several beside each other: curves from metrics.jsonl, and what is in the run folder."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from maskwright.corpus.read import Corpus
from maskwright.objectives.show import Example
from maskwright.objectives.unigrams import unigrams
from maskwright.report.charts import Baseline, Series, line_chart, switchable
from maskwright.report.figures import Mark, Token, tokens
from maskwright.report.markup import number
from maskwright.report.page import Page
from maskwright.training.metrics import read_metrics
from maskwright.training.run_folder import ENVIRONMENT, RECIPE

Entries = Sequence[Mapping[str, Any]]
Baselines = Mapping[str, Mapping[str, float]]
"""(objective, "loss" or "accuracy") -> name -> level: {"mlm loss": {"unigrams": 6.1}}"""

NAMES = {"mlm": "Masked LM", "nsp": "Next sentence"}


def run_page(
    runs: Mapping[str, str | Path],
    *,
    title: str = "",
    baselines: Baselines | None = None,
    example: str = "",
    dropped: Mapping[str, int] | None = None,
) -> Page:
    """The page of the run folders in `runs` (name -> folder); the first is the one it is about.

    baselines    see `Baselines`
    example      HTML of one decoded training example, from `figures.tokens`
    dropped      what was dropped -> how often
    """
    logged = {name: read_metrics(folder) for name, folder in runs.items()}
    main, folder = next(iter(runs)), Path(next(iter(runs.values())))
    environment = json.loads((folder / ENVIRONMENT).read_text(encoding="utf-8"))
    told = f"{environment.get('threads')} threads of {environment.get('cpu')}, torch {environment.get('torch')}"
    page = Page(title or folder.name, told).figures(headline(logged[main], baselines or {}))
    if len(runs) > 1:
        header, rows, shares = comparison(logged)
        page.heading("The runs beside each other").table(header, rows, main=0, percent=shares)
    page.heading("Curves", "Point at a curve, or choose it and use the arrow keys, to read it off.")
    page.add(*curves(logged, baselines or {}))
    if example:
        page.heading("What the model saw", "One training example; above each asked piece stands what it was.").add(
            example
        )
    if dropped:
        page.heading("What was dropped").table(["", "count"], [[name, count] for name, count in dropped.items()])
    page.heading("Made with").facts(environment, "Environment")
    return page.source((folder / RECIPE).read_text(encoding="utf-8"), "Recipe")


def write_report(folder: Path, corpus: Corpus, example: Example) -> Path:
    """`report.html`: curves beside what frequencies alone would give, one example, and what the corpus dropped."""
    guess = unigrams(corpus.train, corpus.held_out, corpus.tokenizer.vocab_size)
    baselines = {}
    if corpus.held_out.num_tokens:
        baselines = {"mlm loss": {"unigrams": guess.loss}, "mlm accuracy": {"unigrams": guess.accuracy}}
    dropped = {reason: lost.count for reason, lost in corpus.manifest.dropped.items()}
    page = run_page({folder.name: folder}, baselines=baselines, example=example_figure(example), dropped=dropped)
    page.write(folder / "report.html")
    return folder / "report.html"


def example_figure(example: Example) -> str:
    """A decoded training example, for `run_page` and others."""
    names: dict[str, Mark] = {"masked": "masked", "randomized": "replaced", "kept": "kept", "special": "special"}
    pieces = [
        Token(mark.token, names.get(mark.fate, "plain"), mark.original if mark.original != mark.token else None)
        for mark in example.marks
    ]
    captions = {0: "the second segment follows the first", 1: "the second segment is from elsewhere", None: ""}
    return tokens(pieces, captions[example.pair_label])


def headline(entries: Entries, baselines: Baselines) -> list[tuple[str, str, str]]:
    """The big numbers: each objective where the run ended, on held-out text if it was evaluated; speed and size."""
    if not entries:
        return []
    last = entries[-1]
    held = next((e["held_out"] for e in reversed(entries) if "held_out" in e), None)
    at_end, where = (held, "held-out") if held else (last, "training")
    cards: list[tuple[str, str, str]] = []
    for kind, key in (("loss", "losses"), ("accuracy", "accuracy")):
        for objective, value in at_end[key].items():
            beside = "; ".join(
                f"{name}: {number(level, percent=kind == 'accuracy')}"
                for name, level in baselines.get(f"{objective} {kind}", {}).items()
            )
            name = f"{NAMES.get(objective, objective)}, {where} {kind}"
            cards.append((number(value, percent=kind == "accuracy"), name, beside))
    seconds = last["timing"]["seconds"]
    cards.append((number(last["tokens"]), "training tokens", f"{last['step']:,} steps in {number(seconds)} s"))
    if seconds:
        cards.append((number(last["tokens"] / seconds), "tokens per second", "mean of the whole run"))
    return cards


def comparison(logged: Mapping[str, Entries]) -> tuple[list[str], list[list[str | float | int | None]], list[int]]:
    """Header, rows (each run's end) and which columns are shares: what `Page.table` takes."""
    objectives = sorted({name for entries in logged.values() for entry in entries for name in entry["losses"]})
    header = ["run", "steps", "tokens", "seconds"]
    header += [f"{objective} {kind}" for objective in objectives for kind in ("loss", "accuracy")]
    rows: list[list[str | float | int | None]] = []
    for name, entries in logged.items():
        if not entries:
            continue
        last = entries[-1]
        end = next((e["held_out"] for e in reversed(entries) if "held_out" in e), last)
        row: list[str | float | int | None] = [name, last["step"], last["tokens"], last["timing"]["seconds"]]
        for objective in objectives:
            row += [end["losses"].get(objective), end["accuracy"].get(objective)]
        rows.append(row)
    return header, rows, [i for i, name in enumerate(header) if name.endswith(" accuracy")]


def curves(logged: Mapping[str, Entries], baselines: Baselines) -> list[str]:
    """All charts: loss and accuracy by objective (over tokens or time), learning rate, gradient norm, speed."""
    charts: list[str] = []
    objectives = list(dict.fromkeys(n for entries in logged.values() for entry in entries for n in entry["losses"]))
    for objective in objectives:
        charts.append(_objective_chart(logged, objective, "losses", baselines))
        if any(objective in entry["accuracy"] for entries in logged.values() for entry in entries):
            charts.append(_objective_chart(logged, objective, "accuracy", baselines))
    for key, title, smooth in (
        ("learning_rate", "Learning rate", False),
        ("gradient_norm", "Gradient norm before clipping", True),
        ("tokens_per_second", "Tokens per second", True),
    ):
        lines = [
            Series(
                name,
                [entry["tokens"] for entry in entries],
                [entry["timing"][key] if key == "tokens_per_second" else entry[key] for entry in entries],
                smooth=smooth,
            )
            for name, entries in logged.items()
        ]
        charts.append(
            line_chart(lines, title, "training tokens", from_zero=True, size="third", ends=key != "learning_rate")
        )
    return charts


def _objective_chart(logged: Mapping[str, Entries], objective: str, key: str, baselines: Baselines) -> str:
    kind = "accuracy" if key == "accuracy" else "loss"
    levels = [Baseline(name, level) for name, level in baselines.get(f"{objective} {kind}", {}).items()]
    longest = max((e["timing"]["seconds"] or 0 for entries in logged.values() for e in entries), default=0)
    unit, divisor = ("minutes", 60) if longest > 300 else ("seconds", 1)
    ways = {
        "tokens": (lambda entry: entry["tokens"], "training tokens"),
        "time": (lambda entry: (entry["timing"]["seconds"] or 0) / divisor, f"{unit} of training"),
    }
    drawn: dict[str, str] = {}
    for way, (x_of, label) in ways.items():
        lines: list[Series] = []
        for place, (name, entries) in enumerate(logged.items()):
            lines += _lines(name if len(logged) > 1 else "", place, entries, objective, key, x_of, len(logged) > 1)
        drawn[way] = line_chart(
            lines,
            f"{NAMES.get(objective, objective)}: {kind}",
            label,
            "nats per prediction" if kind == "loss" else "share right",
            baselines=levels,
            percent=kind == "accuracy",
            from_zero=kind == "accuracy",
        )
    return switchable(drawn)


def _lines(run: str, place: int, entries: Entries, objective: str, key: str, x_of: Any, several: bool) -> list[Series]:
    """Training and held-out values; of several runs, one colour each, the training dashed where both are there."""
    evaluated = [e for e in entries if objective in e.get("held_out", {}).get(key, {})]
    trained = [e for e in entries if objective in e[key]]
    train = Series(
        f"{run}, training" if run else "training",
        [x_of(e) for e in trained],
        [e[key][objective] for e in trained],
        smooth=True,
        dashed=several and bool(evaluated),
        colour=place,
    )
    held_out = Series(
        f"{run}, held-out" if run else "held-out",
        [x_of(e) for e in evaluated],
        [e["held_out"][key][objective] for e in evaluated],
        colour=place if several else 1,
    )
    return [held_out, train] if evaluated and several else [train, held_out] if evaluated else [train]
