"""The folder of one run: whose it is, whether it may be gone on with, and from where.

    environment.json   what the run was begun with, and what changed when it was resumed; written first
    recipe.toml        the fully resolved recipe: a folder with both is a run
    metrics.jsonl, tensorboard/, checkpoints/, model/, report.html

The same recipe in the same folder goes on where the newest sound checkpoint is; anything else is
refused and nothing is touched. One process at a time.
"""

import contextlib
import json
import platform
from collections.abc import Collection, Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from maskwright import config, durable
from maskwright.corpus.checking import Checking
from maskwright.errors import BadInput
from maskwright.machine import cpu_name
from maskwright.manifest import MANIFEST, sha256
from maskwright.progress import Progress, silent
from maskwright.training import checkpoint
from maskwright.training.checkpoint import Checkpoint
from maskwright.training.ranks import ALONE, Ranks

RECIPE = "recipe.toml"
ENVIRONMENT = "environment.json"

MAY_CHANGE = frozenset(
    {
        "corpus",
        "training.keep",
        "training.shard",
        "training.log_every",
        "training.save_every",
        "training.evaluate_every",
        "training.recompute",
    }
)
"""Dotted keys that may differ when a run is resumed: none of them touches what is learned.

`training.steps` is not among them, as the learning rate of every step depends on it. The path of the
corpus is, as its fingerprint in the environment may not change.
"""
FIXED = ("corpus", "tokenizer")
"""Entries of the environment that must not change: the data a run learns from."""
BITWISE = ("torch", "threads", "device", "cpu", "machine", "allocator", "ranks", "micro_sequences")
"""Entries of the environment on which the last bits of a sum depend."""


def environment(*, corpus: str, tokenizer: str, device: str = "cpu", **more: str | int) -> dict[str, Any]:
    """What a run's results depend on beside its recipe.

    corpus, tokenizer    fingerprints
    """
    from maskwright import __version__

    return {
        "maskwright": __version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "machine": f"{platform.system()} {platform.machine()}",
        "cpu": cpu_name(),
        "threads": torch.get_num_threads(),
        "device": device,
        "corpus": corpus,
        "tokenizer": tokenizer,
        **more,
    }


@dataclass(frozen=True, kw_only=True)
class RunFolder:
    """A run's folder while this process holds it.

    path        the folder
    resumed     the checkpoint to go on from, None at the beginning
    checking    whether what is learned from is as it was written, where that is not known yet
    """

    path: Path
    resumed: Checkpoint | None
    checking: Checking | None = None

    @property
    def step(self) -> int:
        """Updates done so far."""
        return self.resumed.step if self.resumed else 0

    @property
    def mark(self) -> str | None:
        """What tells the checkpoint to go on from from another: the checksum of its list of checksums."""
        if self.resumed is None:
            return None
        return sha256(checkpoint.folder_of(self.path, self.step) / MANIFEST)

    @property
    def had_enough(self) -> bool:
        """Whether the training was ended before its last step, see `training.best`."""
        return self.resumed is not None and bool(self.resumed.state.get("best", {}).get("enough"))

    @property
    def model(self) -> Path:
        """Where the finished model goes."""
        return self.path / "model"

    def save(
        self,
        step: int,
        tensors: Mapping[str, Mapping[str, Tensor]],
        state: Mapping[str, Any],
        keep: int = 2,
        ranks: Ranks = ALONE,
    ) -> Path:
        """`checkpoint.save` into this folder; sync the metrics before."""
        return checkpoint.save(self.path, step, tensors, state, keep, ranks)

    @staticmethod
    @contextlib.contextmanager
    def open(
        path: str | Path,
        recipe: Mapping[str, Any],
        environment: Mapping[str, Any],
        *,
        may_change: Collection[str] = MAY_CHANGE,
        progress: Progress = silent,
    ) -> Generator["RunFolder"]:
        """Begins a run in `path`, or goes on with the run of the same recipe that is there.

        recipe         nested tables as in recipe.toml, fully resolved
        environment    see `environment`

        Says (through `progress`) what it resumes, which checkpoints it passed over and why, and what
        in the environment differs. BadInput: `path` holds something else, a run of another recipe or
        on other data, only damaged checkpoints, or is in use by another process.
        A new run that fails before it has learned anything leaves the folder as it found it.
        """
        path = Path(path)
        _refuse_foreign(path)
        with _taken_back(path), durable.locked(path):
            for place in (path, path / "checkpoints"):
                durable.remove_leftovers(place / "*")
            if (path / RECIPE).exists():
                _check_recipe(path, recipe, may_change)
                _check_data(path, environment)
                resumed = _resume(path, progress)
            else:
                resumed = None
            run = RunFolder(path=path, resumed=resumed)
            if run.model.is_dir():  # finished: only looked at
                yield run
                return
            # The environment first: a recipe without it is somebody's own, and stays.
            if resumed and (path / ENVIRONMENT).exists():
                _note_terms(path, recipe, environment, progress)
            else:
                _write_environment(path, environment)
            text = config.write_toml(recipe).encode()
            if not (path / RECIPE).exists() or (path / RECIPE).read_bytes() != text:
                durable.write_file(path / RECIPE, text)
            yield run


def followed(path: Path, step: int) -> RunFolder:
    """The folder that another rank holds, from the checkpoint that it verified and goes on from; 0 for none."""
    found = checkpoint.load(checkpoint.folder_of(path, step), verified=True) if step else None
    return RunFolder(path=path, resumed=found)


def is_run(path: Path) -> bool:
    """Whether a run was begun in `path`; a recipe.toml alone, which somebody wrote, is none."""
    return (path / RECIPE).is_file() and ((path / ENVIRONMENT).is_file() or (path / "checkpoints").is_dir())


@contextlib.contextmanager
def _taken_back(path: Path) -> Generator[None]:
    """Removes the recipe of a new run, and its folder, when nothing was added to them before an error."""
    was_there, was_run = path.is_dir(), (path / RECIPE).exists()
    try:
        yield
    except BaseException:
        if not was_run and path.is_dir() and {p.name for p in path.iterdir()} <= {RECIPE, ENVIRONMENT}:
            for name in (ENVIRONMENT, RECIPE):
                (path / name).unlink(missing_ok=True)
            if not was_there:
                with contextlib.suppress(OSError):  # somebody else's by now
                    path.rmdir()
        raise


def _refuse_foreign(path: Path) -> None:
    if path.exists() and not path.is_dir():
        raise BadInput(f"{path} is a file: choose another folder for the run")
    if not path.is_dir() or is_run(path):
        return
    if (path / RECIPE).exists():
        raise BadInput(
            f"{path} holds a {RECIPE} that is no run's (it has no {ENVIRONMENT} beside it), and would be overwritten: "
            "choose another folder for the run (--out)"
        )
    ours = (durable.LOCK, ENVIRONMENT)  # of a run that was killed before it had its recipe
    others = [p.name for p in sorted(path.iterdir()) if p.name not in ours and ".partial-" not in p.name]
    if others:
        named = ", ".join(others[:3]) + (" ..." if len(others) > 3 else "")
        raise BadInput(f"{path} holds something else ({named}) and no {RECIPE}: choose another folder for the run")


def _flat(table: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in table.items():
        if isinstance(value, Mapping):
            flat |= _flat(cast(Mapping[str, Any], value), f"{prefix}{name}.")
        else:
            flat[prefix + name] = value
    return flat


def _check_recipe(path: Path, recipe: Mapping[str, Any], may_change: Collection[str]) -> None:
    import tomllib

    theirs = _flat(config.read_toml(path / RECIPE))
    ours = _flat(tomllib.loads(config.write_toml(recipe)))
    differing = [
        f"{key} = {_shown(theirs, key)} there, {_shown(ours, key)} here"
        for key in sorted(theirs.keys() | ours.keys())
        if (key not in theirs or key not in ours or theirs[key] != ours[key]) and key not in may_change
    ]
    if differing:
        raise BadInput(
            f"{path} holds a run of another recipe ({'; '.join(differing)}): choose another folder for this one (--out)"
        )


def _shown(table: Mapping[str, Any], key: str) -> str:
    return repr(table[key]) if key in table else "not set"


def _read_environment(path: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """What the run was begun with, and what changed each time it was resumed; nothing when the file was removed."""
    try:
        begun: dict[str, Any] = dict(json.loads((path / ENVIRONMENT).read_text(encoding="utf-8")))
    except FileNotFoundError:
        return {}, []
    except (ValueError, TypeError) as error:
        raise BadInput(
            f"{path / ENVIRONMENT}: not readable ({error}); remove it to go on without its checks"
        ) from error
    return begun, begun.pop("resumed_with", [])


def _check_data(path: Path, now: Mapping[str, Any]) -> None:
    begun, _ = _read_environment(path)
    for key in FIXED:
        if key in begun and begun[key] != now[key]:
            raise BadInput(
                f"{path} learns from another {key} "
                f"(fingerprint {str(begun[key])[:12]} there, {str(now[key])[:12]} here): "
                "give the one it was begun with, or choose another folder (--out)"
            )


def _note_terms(path: Path, recipe: Mapping[str, Any], now: Mapping[str, Any], progress: Progress) -> None:
    """Says what may change the last bits, and writes down what differs from the last time."""
    begun, changes = _read_environment(path)
    if "micro_sequences" in now:  # a run that was not begun with --auto-batch has it in its recipe alone
        begun.setdefault("micro_sequences", config.read_toml(path / RECIPE).get("training", {}).get("micro_sequences"))
    bitwise = [key for key in BITWISE if key != "ranks" or not recipe.get("training", {}).get("groups")]
    told = [
        f"{key}: {begun.get(key)} before, {now[key]} now"
        for key in bitwise
        if key in now and begun.get(key) != now[key]
    ]
    if told:
        progress.say(
            f"{path}: resumed on other terms ({'; '.join(told)}); the results will not be bit for bit those of one run"
        )
    last = begun | {key: value for change in changes for key, value in change.items()}
    if changed := {key: value for key, value in now.items() if key not in last or last[key] != value}:
        _write_environment(path, begun | {"resumed_with": [*changes, changed]})


def _write_environment(path: Path, environment: Mapping[str, Any]) -> None:
    text = json.dumps(environment, indent=2, ensure_ascii=False) + "\n"
    durable.write_file(path / ENVIRONMENT, text.encode())


def _resume(path: Path, progress: Progress) -> Checkpoint | None:
    newest, skipped = checkpoint.newest(path)
    for bad, reason in skipped:
        progress.say(f"passed over {bad.name}: {reason}")
    if newest is None:
        return None
    resumed = checkpoint.load(newest, verified=True)
    progress.say(f"{path}: going on from step {resumed.step:,}")
    return resumed
