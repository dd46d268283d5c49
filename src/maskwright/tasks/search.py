"""Which settings do best on the examples put aside: a grid of them, or a search that learns from its trials.

grid    all combinations. BERT's own (arXiv 1810.04805, appendix A.3): batch size 16 or 32, rate 5e-5, 3e-5 or 2e-5,
        2, 3 or 4 epochs
optuna  tree-structured Parzen estimators (Bergstra et al. 2011; Akiba et al., arXiv 1907.10902). What a trial tries
        depends on the trials before it, the seed and its number alone, so a search that was stopped goes on as if it
        had not been

Every trial is a run of its own.
"""

from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from signal import Signals
from typing import Any, Literal, cast

from maskwright.durable import locked
from maskwright.errors import BadInput
from maskwright.progress import Progress, silent
from maskwright.tasks.preparing import Prepared
from maskwright.tasks.several import Outcome, Variant, refuse_run, run_each, run_one

Way = Literal["grid", "optuna"]
STUDY = "search.db"
SEARCH = "search.json"
GRID: dict[str, Any] = {
    "training.batch_sequences": [16, 32],
    "optimizer.rate": [5e-5, 3e-5, 2e-5],
    "epochs": [2, 3, 4],
}
"""Appendix A.3 of the paper."""
RANGES: dict[str, Any] = {**GRID, "optimizer.rate": {"lo": 1e-5, "hi": 1e-4, "log": True}}
"""The same, its rates a range."""
MOST = 1000
"""Runs of a grid."""

Space = Mapping[str, Any]
"""Dotted key of the recipe -> values to try; or {lo, hi, log}, a range of numbers, for optuna."""


def checked_space(space: Space, way: Way) -> dict[str, Any]:
    """The space, of the way's own where it is empty. BadInput for an entry that is no list and no range."""
    if not space:
        return dict(GRID if way == "grid" else RANGES)
    for key, values in space.items():
        if isinstance(values, list) and values:
            continue
        if not isinstance(values, dict):
            raise BadInput(f"space.{key} is {values!r}: give values to try, [1, 2], or a range, {{lo = 1, hi = 2}}")
        _refuse_range(key, cast("dict[str, Any]", values), way)
    return dict(space)


def _refuse_range(key: str, values: Mapping[str, Any], way: Way) -> None:
    if way == "grid":
        raise BadInput(f"space.{key} is a range: a grid has values, [1, 2]; --search optuna takes ranges")
    lo, hi, unknown = values.get("lo"), values.get("hi"), sorted(values.keys() - {"lo", "hi", "log"})
    if unknown or not isinstance(lo, int | float) or not isinstance(hi, int | float) or lo >= hi:
        raise BadInput(f"space.{key} is {dict(values)}: a range is {{lo = 1e-5, hi = 1e-4, log = true}}, lo below hi")
    if values.get("log") and lo <= 0:
        raise BadInput(f"space.{key}: a range with log = true begins above 0, and this one at {lo}")


def grid(space: Space) -> list[Variant]:
    """All combinations, the last key fastest.

    >>> [run.changes for run in grid({"epochs": [2, 3], "optimizer.rate": [1e-4]})]
    [{'epochs': 2, 'optimizer.rate': 0.0001}, {'epochs': 3, 'optimizer.rate': 0.0001}]
    """
    combinations = list(product(*space.values()))
    if len(combinations) > MOST:
        raise BadInput(f"the grid has {len(combinations):,} runs: {MOST:,} at most, or --search optuna --trials N")
    return [
        Variant(f"trial-{number}", dict(zip(space, values, strict=True))) for number, values in enumerate(combinations)
    ]


def search(
    made: Prepared,
    way: Way,
    space: Space,
    trials: int,
    out: Path,
    *,
    allocator: str = "default",
    progress: Progress = silent,
) -> list[Outcome] | Signals:
    """All trials, the best first; the signal that ended one before its end, if any.

    trials   of optuna, those of earlier calls included
    """
    space = checked_space(space, way)
    if way == "grid":
        found = run_each(made, grid(space), out, allocator=allocator, progress=progress)
    else:
        refuse_run(out)
        out.mkdir(parents=True, exist_ok=True)
        with locked(out):
            found = _learn_from_trials(made, space, trials, out, allocator, progress)
    return found if isinstance(found, Signals) else by_value(found)


def by_value(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """The best first; of equal ones the earlier, and last what has no number."""
    return sorted(outcomes, key=lambda one: -one.value if one.value == one.value else float("inf"))


def _learn_from_trials(
    made: Prepared, space: Space, trials: int, out: Path, allocator: str, progress: Progress
) -> list[Outcome] | Signals:
    study, optuna = _study(out), _optuna()
    if study.user_attrs.get("space", dict(space)) != dict(space):
        raise BadInput(f"{out / STUDY} holds a search of another space: choose another folder for this one (--out)")
    study.set_user_attr("space", dict(space))
    found: list[Outcome] = []
    for number in range(trials):
        if number >= len(study.trials):
            study.ask()
        trial = study.trials[number]
        ended = trial.state.is_finished()  # one that was running when its process ended is the same trial still
        study.sampler = optuna.samplers.TPESampler(seed=made.recipe.training.seed + number)
        if ended:
            changes = dict(trial.params)
        else:
            running = optuna.trial.Trial(study, trial._trial_id)
            changes = {key: _suggested(running, key, values) for key, values in space.items()}
        outcome = run_one(made, Variant(f"trial-{number}", changes), out, allocator=allocator, progress=progress)
        if isinstance(outcome, Signals):
            return outcome
        if not ended and outcome.value == outcome.value:
            study.tell(number, outcome.value)
        elif not ended:
            study.tell(number, state=optuna.trial.TrialState.FAIL)
        found.append(outcome)
    return found


def _suggested(trial: Any, key: str, values: Any) -> Any:
    if isinstance(values, list):
        return trial.suggest_categorical(key, values)
    lo, hi, log = values["lo"], values["hi"], bool(values.get("log", False))
    whole = isinstance(lo, int) and isinstance(hi, int)
    return trial.suggest_int(key, lo, hi, log=log) if whole else trial.suggest_float(key, lo, hi, log=log)


def _study(out: Path) -> Any:
    optuna = _optuna()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna.create_study(
        storage=f"sqlite:///{(out / STUDY).resolve()}", study_name="search", direction="maximize", load_if_exists=True
    )


def _optuna() -> Any:
    try:
        import optuna
    except ImportError:
        raise BadInput("optuna is not installed: run `pip install 'maskwright[hpo]'`, or take --search grid") from None
    return optuna
