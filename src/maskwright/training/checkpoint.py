"""Checkpoints of a run: `checkpoints/step-00001000/`, each there whole or not at all.

    model.safetensors, optimizer.safetensors ...   one file for each stem; where ranks share it each writes its own:
    optimizer-00001-of-00004.safetensors ...       names as above, what is cut in stretches of its flat row
    state.json                                     what is no tensor
    manifest.json                                  step, sizes, sha256; written last

Only safetensors and JSON, never a pickle. An older checkpoint is removed after the newer one is
durable and of the right sizes, so at any moment at least one can be resumed from.
"""

import contextlib
import errno
import json
import re
from collections import ChainMap
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor

from maskwright.checkpoints.tensor_file import num_bytes, read_tensors, write_tensors
from maskwright.durable import check_space, fsync_file, remove_folder, remove_leftovers, staged_folder
from maskwright.errors import BadInput, MaskwrightError
from maskwright.manifest import read_manifest, sha256, verify_manifest, write_manifest
from maskwright.training.ranks import ALONE, Ranks
from maskwright.training.shards import Saved, joined

STATE = "state.json"
OF_A_RANK = re.compile(r"(.+)-\d{5}-of-\d{5}")


class Checkpoint(NamedTuple):
    """What `save` was given, by all ranks."""

    path: Path
    step: int
    tensors: dict[str, dict[str, Saved]]
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
    ranks: Ranks = ALONE,
) -> Path:
    """Saves a checkpoint durably, then removes all but the `keep` newest sound ones; returns its folder.

    tensors    file stem -> name -> tensor: {"model": {...}, "optimizer": {...}}
    state      whatever JSON holds; floats come back bit for bit; the first rank's
    ranks      those that call this together, each with tensors of its own

    On failure the older checkpoints are untouched and nothing half-written stays. A full disk raises
    BadInput naming the path and the bytes needed, on all ranks. What lay at this step before is replaced.
    """
    if keep < 1:
        raise BadInput(f"keep = {keep}: at least 1 checkpoint must be kept")
    path = folder_of(run_dir, step)
    try:
        state_text = json.dumps(state, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    except (TypeError, ValueError) as error:
        raise MaskwrightError(f"the state of step {step} cannot be written as JSON: {error}") from error
    needed = sum(num_bytes(group) for group in tensors.values()) + len(state_text.encode()) + 2**16
    needed = sum(ranks.gather(needed))
    with _room_for(path, needed), contextlib.ExitStack() as stack:

        def begin() -> Path:
            check_space(path.parent, needed)
            return stack.enter_context(staged_folder(path, replace=True))

        def finish(folder: Path, known: Mapping[str, str]) -> None:
            (folder / STATE).write_text(state_text, encoding="utf-8")
            write_manifest(folder, {"step": step}, known)
            stack.close()  # now it is there
            verify_manifest(path, checksums=False)
            prune(run_dir, step, keep)

        folder = Path(ranks.each(lambda: begin() if ranks.first else "")[0])
        known = ranks.each(lambda: _written(folder, tensors, ranks))
        ranks.each(lambda: finish(folder, dict(ChainMap(*known))) if ranks.first else None)
    return path


def _written(folder: Path, tensors: Mapping[str, Mapping[str, Tensor]], ranks: Ranks) -> dict[str, str]:
    """Write this rank's files; the checksums of those that another rank will list."""
    known: dict[str, str] = {}
    for stem, group in tensors.items():
        part = "" if ranks.size == 1 else f"-{ranks.rank + 1:05d}-of-{ranks.size:05d}"
        name = f"{stem}{part}.safetensors"
        write_tensors(folder / name, group)
        if part:
            fsync_file(folder / name)  # before it is told to be there: the first rank may be another machine
            known[name] = sha256(folder / name)
    return known


@contextlib.contextmanager
def _room_for(path: Path, needed: int) -> Generator[None]:
    """BadInput in place of an error that says that the disk is full."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise
        raise BadInput(
            f"no space left for the checkpoint {path}: about {needed:,} bytes needed ({error.strerror}); "
            "older checkpoints are untouched: make room and run the same line again"
        ) from error


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
    files: dict[str, list[dict[str, Tensor]]] = {}
    for name in sorted(entry["name"] for entry in manifest["files"] if entry["name"] != STATE):
        stem = name.removesuffix(".safetensors")
        of_a_rank = OF_A_RANK.fullmatch(stem)
        files.setdefault(of_a_rank[1] if of_a_rank else stem, []).append(read_tensors(path / name))
    tensors = {stem: joined(each) for stem, each in files.items()}
    return Checkpoint(path, manifest["step"], tensors, json.loads((path / STATE).read_text(encoding="utf-8")))
