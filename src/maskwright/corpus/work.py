"""The folder a corpus grows in: `DIR.partial`, from which the same command goes on where it was stopped.

    plan.json            what was asked for and what the inputs looked like; written first
    units.jsonl          one line a unit of the input, written before plan.json
    input-0 ...          what came through pipes, or from no file
    read/KEY.arrow       the cleaned documents of a unit, and KEY.json, the account of them, written behind it
    choice.bin, .json    what becomes of each document
    tokenizer/           once its vocabulary is there
    *.arrow              shards
    encoded/00007.json   the account of a unit's shards, written behind them

Whatever stops the process leaves files that an account names, and files that none does and which are written anew.
What was read is kept under a key of the unit's files, their sizes and times and the settings of the reading, so that
after an input was mended only its units are read again. The folder gets its own name in one rename, when everything
is in it.
"""

import hashlib
import json
import os
import re
import shutil
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar, cast

import numpy as np
from pydantic import BaseModel

from maskwright.corpus.card import CARD
from maskwright.corpus.choice import Chosen, Fates
from maskwright.corpus.manifest import MANIFEST, Manifest, manifest_bytes, read_manifest, sealed, unsealed
from maskwright.corpus.records import ChoiceRecord, EncodeResult, Plan, ReadResult, Settings
from maskwright.corpus.sources import SPOOLED, Unit
from maskwright.draws import key
from maskwright.durable import LOCK, fsync_folder, fsync_tree, locked, remove_leftovers, space_for, write_file
from maskwright.errors import BadInput
from maskwright.manifest import sha256

PLAN, UNITS, CHOICE, FATES, TOKENIZER = "plan.json", "units.jsonl", "choice.json", "choice.bin", "tokenizer"
READ, ENCODED = "read", "encoded"
SIZES = ("bytes", "names_and_sizes")  # arguments that change when an input was mended
_OURS = re.compile(
    rf"({PLAN}|{UNITS}|{CHOICE}|{FATES}|{TOKENIZER}|{READ}|{ENCODED}|{MANIFEST}|{SPOOLED}\d+|{CARD}|"
    rf"(train|held-out)-\d+-\d+\.arrow|slurm-.*|failed-\d+\.txt|\{LOCK}|\..*\.partial-[0-9a-f]+)"
)


Read = TypeVar("Read", bound=BaseModel)


class WorkFolder:
    """`DIR.partial`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.tokenizer = path / TOKENIZER

    # --- what the stages read -----------------------------------------------------------------

    @cached_property
    def plan(self) -> Plan:
        """What was written down at the beginning."""
        return self._sealed(PLAN, Plan)

    @cached_property
    def units(self) -> list[Unit]:
        """All units of the input."""
        with (self.path / UNITS).open("rb") as file:
            return [Unit.model_validate_json(line) for line in file]

    def unit(self, task: int) -> Unit:
        """One unit, without reading the others into memory."""
        with (self.path / UNITS).open("rb") as file:
            return Unit.model_validate_json(next(islice(file, task, None)))

    def spool(self, unit: Unit) -> Path:
        """Where the cleaned documents of a unit lie."""
        return self.path / READ / f"{unit.key}.arrow"

    def account(self, unit: Unit) -> Path:
        """Where the account of them lies, written behind them."""
        return self.path / READ / f"{unit.key}.json"

    def checked_spool(self, unit: Unit) -> Path:
        """The spool of a unit that was read; BadInput when it is not what its account says."""
        spool = self.spool(unit)
        wanted = self.read_result(unit).spool
        if not spool.is_file() or sha256(spool) != wanted:
            raise self._damaged(f"{READ}/{spool.name}")
        return spool

    def read_result(self, unit: Unit) -> ReadResult:
        """The account of a unit that was read."""
        return self._sealed(f"{READ}/{unit.key}.json", ReadResult)

    def encoded(self, task: int) -> Path:
        """Where the account of a unit's shards is written."""
        return self.path / ENCODED / f"{task:05d}.json"

    def encode_result(self, task: int) -> EncodeResult:
        """The account of a unit's shards."""
        return self._sealed(f"{ENCODED}/{task:05d}.json", EncodeResult)

    def fates(self, task: int) -> Fates:
        """What becomes of each document of a unit."""
        choice = self._sealed(CHOICE, ChoiceRecord)
        first, end = choice.bounds[task : task + 2]
        with (self.path / FATES).open("rb") as file:
            file.seek(first)
            found = np.frombuffer(file.read(end - first), np.uint8)
        if len(found) != end - first:
            raise self._damaged(FATES)
        return found

    def _sealed(self, name: str, kind: type[Read]) -> Read:
        try:
            return kind.model_validate(unsealed((self.path / name).read_bytes()))
        except (ValueError, FileNotFoundError):  # of pydantic too
            raise self._damaged(name) from None

    def _damaged(self, name: str) -> BadInput:
        return BadInput(f"{self.path / name} is damaged: restore it, or remove {self.path} to begin the corpus anew")

    # --- what the building process writes -----------------------------------------------------

    def begin(self, arguments: dict[str, Any], state: list[Any]) -> bool:
        """Whether an earlier start of the same command on the same inputs can be gone on with.

        What another command has read is taken over where it fits. Raises BadInput when another command has begun to
        write shards here, and when what lies here is damaged.
        """
        for place in (self.path, self.path / READ, self.path / ENCODED):
            remove_leftovers(place / "*")
        if not (self.path / PLAN).exists():
            self._clear()
            return False
        asked = {name: value for name, value in arguments.items() if name not in SIZES}
        begun = {name: value for name, value in self.plan.arguments.items() if name not in SIZES}
        if begun != asked and self._has_shards():
            raise BadInput(
                f"{self.path} holds a corpus that another command began "
                f"({difference(begun, asked)}): "
                f"give that command again to go on with it, or remove {self.path}"
            )
        if self.plan.arguments == arguments and self.plan.state == state:
            if sha256(self.path / UNITS) != self.plan.units:
                raise self._damaged(UNITS)
            return True
        self._clear()
        return False

    def _clear(self) -> None:
        """Remove everything but the lock, the inputs that were kept and what was read."""
        self.__dict__.pop("plan", None)
        self.__dict__.pop("units", None)
        for entry in self.path.iterdir():
            if entry.name == READ or entry.name == LOCK or entry.name.startswith(SPOOLED):
                continue
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            else:
                entry.unlink()

    def write_plan(
        self, arguments: dict[str, Any], state: list[Any], settings: Settings, units: Sequence[Unit]
    ) -> None:
        """Write down what will be done; what was read of units that are no longer there is removed."""
        for folder in (READ, ENCODED):
            (self.path / folder).mkdir(exist_ok=True)
        wanted = {unit.key for unit in units}
        for entry in (self.path / READ).iterdir():
            if entry.name.partition(".")[0] not in wanted:
                entry.unlink()
        lines = b"".join(unit.model_dump_json().encode() + b"\n" for unit in units)
        write_file(self.path / UNITS, lines)
        plan = Plan(arguments=arguments, state=state, settings=settings, units=hashlib.sha256(lines).hexdigest())
        write_file(self.path / PLAN, sealed(plan.model_dump(mode="json")))

    def write_choice(self, chosen: Chosen) -> None:
        """Write down what becomes of each document."""
        data = chosen.fates.tobytes()
        choice = ChoiceRecord(bounds=chosen.bounds.tolist(), fates=hashlib.sha256(data).hexdigest())
        content = sealed(choice.model_dump(mode="json"))
        write_file(self.path / FATES, data)
        write_file(self.path / CHOICE, content)

    def strangers(self) -> list[str]:
        """Names in the folder that nothing here writes."""
        return sorted(entry.name for entry in self.path.iterdir() if not _OURS.fullmatch(entry.name))

    def _has_shards(self) -> bool:
        return any(self.path.glob("*-*.arrow"))

    def is_worthless(self) -> bool:
        """Whether nothing is in the folder that took long to make, and nothing that is not ours."""
        if not self.path.exists() or self.strangers() or any(self.path.glob("*-*.arrow")):
            return False
        return len(list(self.path.glob(f"{READ}/*.json"))) < 2

    def publish(self, manifest: Manifest, card: str, out: Path) -> None:
        """Give the folder its own name."""
        named = {entry.file for entry in manifest.shards} | {MANIFEST, TOKENIZER, LOCK, CARD}
        write_file(self.path / CARD, card.encode())
        write_file(self.path / MANIFEST, manifest_bytes(manifest))
        for entry in self.path.iterdir():
            if entry.name in named:
                continue
            if entry.is_dir():
                shutil.rmtree(entry)
            else:
                entry.unlink()
        fsync_tree(self.path)
        (self.path / LOCK).unlink()
        os.rename(self.path, out)
        fsync_folder(out.parent)

    def publish_if_complete(self, arguments: dict[str, Any], inputs: str, out: Path) -> bool:
        """Finish a corpus whose manifest was written before the process was stopped."""
        if not (self.path / MANIFEST).exists():
            return False
        manifest = read_manifest(self.path)
        if manifest.arguments != arguments or manifest.inputs != inputs:
            return False
        self.publish(manifest, (self.path / CARD).read_text(encoding="utf-8"), out)
        return True


@contextmanager
def work_folder(out: Path) -> Generator[WorkFolder]:
    """`DIR.partial`, locked. An error removes it again when nothing was finished in it."""
    work = WorkFolder(partial_path(out))
    work.path.parent.mkdir(parents=True, exist_ok=True)
    with space_for(work.path), locked(work.path):
        if strangers := work.strangers():
            raise BadInput(
                f"{work.path} holds {strangers[0]}, which is no part of an unfinished corpus: remove or rename it"
            )
        try:
            yield work
        except BaseException:
            if work.is_worthless():
                shutil.rmtree(work.path, ignore_errors=True)
            raise
        if work.path.exists():  # the corpus was finished already, which only reading its text could tell
            shutil.rmtree(work.path)


def partial_path(out: Path) -> Path:
    """Where the corpus `out` grows."""
    return out.with_name(out.name + ".partial")


def check_out(out: Path, arguments: dict[str, Any]) -> Manifest | None:
    """The manifest of the corpus asked for if it is there already. BadInput when `out` holds something else."""
    if not os.path.lexists(out):
        return None
    if not out.is_dir():
        raise BadInput(f"{out} is a file: give a folder for --out")
    if not (out / MANIFEST).is_file():
        if any(out.iterdir()):
            raise BadInput(f"{out} holds something that is no corpus: give a new folder for --out")
        return None
    made = read_manifest(out)
    if made.arguments != arguments:
        what = difference(made.arguments, arguments)
        raise BadInput(f"{out} holds another corpus ({what}): give another folder, or remove it")
    return made


def difference(made: dict[str, Any], asked: dict[str, Any]) -> str:
    """The first argument that differs, in words.

    >>> difference({"seed": 0, "language": "en"}, {"seed": 1, "language": "en"})
    'made with seed 0, not 1'
    """
    for name in sorted({**made, **asked}):
        if made.get(name) != asked.get(name):
            ours, theirs = made.get(name), asked.get(name)
            if isinstance(ours, dict) and isinstance(theirs, dict):
                return difference(cast("dict[str, Any]", ours), cast("dict[str, Any]", theirs))
            return f"made with {name} {ours}, not {theirs}"
    return "made by the same arguments"


def digest_of(state: list[Any]) -> str:
    """One name for what inputs looked like."""
    return f"{key(0, json.dumps(state)):032x}"
