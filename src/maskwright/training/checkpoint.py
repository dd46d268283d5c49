"""Checkpoints of a run: `checkpoints/step-00001000/`, each there whole or not at all.

    model.safetensors, optimizer.safetensors ...   one file for each stem
    state.json                                     what is no tensor
    manifest.json                                  step, sizes, sha256; written last

Only safetensors and JSON, never a pickle. An older checkpoint is removed after the newer one is
durable and of the right sizes, so at any moment at least one can be resumed from.
"""

import errno
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor

from maskwright.checkpoints.tensor_file import num_bytes, read_tensors, write_tensors
from maskwright.durable import check_space, remove_folder, remove_leftovers, staged_folder
from maskwright.errors import BadInput, MaskwrightError
from maskwright.manifest import read_manifest, verify_manifest, write_manifest

STATE = "state.json"


class Checkpoint(NamedTuple):
    """What `save` was given."""

    path: Path
    step: int
    tensors: dict[str, dict[str, Tensor]]
    state: dict[str, Any]


def folder_of(run_dir: str | Path, step: int) -> Path:
    """Where the checkpoint after `step` updates lies."""
    return Path(run_dir) / "checkpoints" / f"step-{step:08d}"


def steps(run_dir: str | Path) -> list[int]:
    """The steps for which there is something, sound or not, in ascending order."""
    folder = Path(run_dir) / "checkpoints"
    if not folder.is_dir():
        return []
    found = (re.fullmatch(r"step-(\d{8,})", entry.name) for entry in folder.iterdir())
    return sorted(int(match.group(1)) for match in found if match)


def save(
    run_dir: str | Path,
    step: int,
    tensors: Mapping[str, Mapping[str, Tensor]],
    state: Mapping[str, Any],
    keep: int = 2,
) -> Path:
    """Saves a checkpoint durably, then removes all but the `keep` newest sound ones; returns its folder.

    tensors    file stem -> name -> tensor: {"model": {...}, "optimizer": {...}}
    state      whatever JSON holds; floats come back bit for bit

    On failure the older checkpoints are untouched and nothing half-written stays. A full disk raises
    BadInput naming the path and the bytes needed. What lay at this step before is replaced.
    """
    if keep < 1:
        raise BadInput(f"keep = {keep}: at least 1 checkpoint must be kept")
    path = folder_of(run_dir, step)
    try:
        state_text = json.dumps(state, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    except (TypeError, ValueError) as error:
        raise MaskwrightError(f"the state of step {step} cannot be written as JSON: {error}") from error
    needed = sum(num_bytes(group) for group in tensors.values()) + len(state_text.encode()) + 2**16
    check_space(path.parent, needed)
    try:
        with staged_folder(path, replace=True) as folder:
            for stem, group in tensors.items():
                write_tensors(folder / f"{stem}.safetensors", group)
            (folder / STATE).write_text(state_text, encoding="utf-8")
            write_manifest(folder, {"step": step})
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise
        raise BadInput(
            f"no space left for the checkpoint {path}: about {needed:,} bytes needed ({error.strerror}); "
            "older checkpoints are untouched: make room and run the same line again"
        ) from error
    verify_manifest(path, checksums=False)
    prune(run_dir, step, keep)
    return path


def prune(run_dir: str | Path, step: int, keep: int) -> list[Path]:
    """Removes the checkpoints up to `step` beyond the `keep` newest that have the right sizes.

    Those after `step` stay: they are damaged ones a resume had to pass over, and are replaced when
    the run gets there again.
    """
    removed: list[Path] = []
    sound = 0
    for older in reversed([s for s in steps(run_dir) if s <= step]):
        path = folder_of(run_dir, older)
        if sound < keep:
            try:
                verify_manifest(path, checksums=False)
                sound += 1
                continue
            except BadInput:
                if sound == 0:
                    continue  # nothing better is known
        remove_folder(path)
        removed.append(path)
    remove_leftovers(Path(run_dir) / "checkpoints" / "*")
    return removed


def newest(run_dir: str | Path) -> tuple[Path | None, list[tuple[Path, str]]]:
    """The newest checkpoint whose checksums verify, and those passed over with the reason.

    (None, []) where there is no checkpoint at all; BadInput where there are some and none is sound.
    """
    skipped: list[tuple[Path, str]] = []
    for step in reversed(steps(run_dir)):
        path = folder_of(run_dir, step)
        try:
            verify(path)
        except BadInput as error:
            skipped.append((path, str(error)))
        else:
            return path, skipped
    if skipped:
        raise BadInput(
            f"{run_dir}: no checkpoint is sound ({'; '.join(reason for _, reason in skipped)}); "
            f"to begin again, remove {Path(run_dir) / 'checkpoints'} or choose another folder"
        )
    return None, []


def verify(path: str | Path) -> None:
    """Raises BadInput naming what is wrong with the checkpoint at `path`."""
    path = Path(path)
    if path.is_symlink() or not path.is_dir():
        raise BadInput(f"{path}: not a plain folder")
    manifest = verify_manifest(path)
    if path.name != f"step-{manifest.get('step', -1):08d}":
        raise BadInput(f"{path}: holds step {manifest.get('step')}, not what its name says")
    if STATE not in {entry["name"] for entry in manifest["files"]}:
        raise BadInput(f"{path / STATE}: missing")


def load(path: str | Path, *, verified: bool = False) -> Checkpoint:
    """The checkpoint at `path`, on the CPU; its checksums are compared first unless the caller has just done so."""
    path = Path(path)
    if not verified:
        verify(path)
    manifest = read_manifest(path)
    stems = [entry["name"].removesuffix(".safetensors") for entry in manifest["files"] if entry["name"] != STATE]
    tensors = {stem: read_tensors(path / f"{stem}.safetensors") for stem in stems}
    return Checkpoint(path, manifest["step"], tensors, json.loads((path / STATE).read_text(encoding="utf-8")))
