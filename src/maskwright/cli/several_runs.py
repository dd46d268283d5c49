"""`maskwright finetune --seeds` and `--search`: several runs of one recipe, and what they come to."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from signal import Signals
from typing import Any, Literal, NamedTuple

from maskwright.cli.results import aligned, show
from maskwright.errors import BadInput
from maskwright.progress import Progress
from maskwright.tasks.preparing import opening, prepared
from maskwright.tasks.recipe import Recipe
from maskwright.tasks.report import REPORT
from maskwright.tasks.search import SEARCH, search
from maskwright.tasks.several import SUMMARY, Outcome, run_each, seeds, summary, write_summary
from maskwright.tasks.several_page import several_page

TRIALS = 20


class Several(NamedTuple):
    """What was asked for."""

    seeds: int | None
    search: Literal["grid", "optuna"] | None
    trials: int | None
    space: Mapping[str, Any]

    @property
    def is_asked(self) -> bool:
        """Whether there is anything of it."""
        return self.seeds is not None or self.search is not None or self.trials is not None or bool(self.space)


def run_several(recipe: Recipe, asked: Several, out: Path, *, allocator: str, progress: Progress, json: bool) -> int:
    """Run all that is asked for, from where it was stopped; print, write and draw what they come to."""
    check(asked)
    made = prepared(recipe)
    for line in opening(made):
        progress.say(line)
    if asked.seeds is not None:
        runs = seeds(recipe.training.seed, asked.seeds)
        found = run_each(made, runs, out, allocator=allocator, progress=progress)
    else:
        assert asked.search is not None
        trials = asked.trials or TRIALS
        found = search(made, asked.search, asked.space, trials, out, allocator=allocator, progress=progress)
    if isinstance(found, Signals):
        show({"run": str(out), "finished": False}, json=json)
        return 128 + found
    said = summary(found)
    write_summary(out / (SEARCH if asked.search else SUMMARY), said)
    several_page(out.name, found, said["measures"]).write(out / REPORT)
    whole = {"run": str(out), "finished": True, "model": str(out / said["best"]["run"] / "model"), **said}
    show(whole, json=json, text=lambda: table(found, said))
    return 0


def check(asked: Several) -> None:
    """BadInput for what does not go together."""
    if asked.seeds is not None and asked.search is not None:
        raise BadInput("--seeds and --search are two things: search first, then run what it found with several seeds")
    if asked.seeds is not None and asked.seeds < 1:
        raise BadInput(f"--seeds {asked.seeds}: at least 1")
    if asked.trials is not None and asked.search != "optuna":
        raise BadInput("--trials goes with --search optuna; a grid has as many as its combinations")
    if asked.trials is not None and asked.trials < 1:
        raise BadInput(f"--trials {asked.trials}: at least 1")
    if asked.space and asked.search is None:
        raise BadInput("--space goes with --search: say --search grid, or --search optuna")


def table(outcomes: Sequence[Outcome], said: Mapping[str, Any]) -> str:
    """A line for each run, then mean, deviation, least and greatest of each measure, and the best."""
    keys = list(dict.fromkeys(key for one in outcomes for key in one.changes))
    names = list(outcomes[0].measures)
    rows = [["run", *keys, *names]]
    for one in outcomes:
        changed = [str(one.changes.get(key, "")) for key in keys]
        rows.append([one.name, *changed, *(f"{one.measures[name]:.4f}" for name in names)])
    for kind in ("mean", "deviation", "min", "max"):
        values = [said["measures"][name][kind] for name in names]
        rows.append([kind, *("" for _ in keys), *("-" if value is None else f"{value:.4f}" for value in values)])
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = ["  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([*lines, "", aligned({"best": said["best"]["run"], "but": said["note"]})])
