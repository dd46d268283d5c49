"""The folder a corpus grows in: `DIR.partial`, whose journal lets the same command go on where it was stopped.

    plan.json       what was asked for, what the inputs looked like, what the first reading found
    documents.table the hashes of each document, written before plan.json
    input-0 ...     what came through pipes
    tokenizer/      once its vocabulary is there
    *.arrow         finished shards
    journal.jsonl   one line a finished shard, written behind it and flushed to disk

Whatever stops the process leaves shards that the journal names, and files that it does not and
which are written anew. The folder gets its own name in one rename, when everything is in it.
"""

import os
import re
import shutil
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from pydantic import BaseModel, ConfigDict, ValidationError

from maskwright.corpus.manifest import MANIFEST, Manifest, manifest_bytes, read_manifest, sealed, unsealed
from maskwright.corpus.sources import SPOOLED
from maskwright.corpus.survey import Survey
from maskwright.corpus.writer import Finished
from maskwright.durable import LOCK, fsync_folder, fsync_tree, locked, write_file
from maskwright.errors import BadInput
from maskwright.manifest import sha256

PLAN, JOURNAL, TABLE, TOKENIZER = "plan.json", "journal.jsonl", "documents.table", "tokenizer"
_OURS = re.compile(
    rf"({PLAN}|{JOURNAL}|{TABLE}|{TOKENIZER}|{MANIFEST}|{SPOOLED}\d+|(train|held-out)-\d+\.arrow|\{LOCK}|"
    r"\..*\.partial-[0-9a-f]+)"
)


class _Plan(BaseModel):
    """plan.json; `table` is the sha256 of the documents' table."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    arguments: dict[str, Any]
    state: list[Any]
    survey: Survey
    table: str


class WorkFolder:
    """`DIR.partial`, held by this process."""

    def __init__(self, out: Path) -> None:
        self.out = out
        self.path = partial_path(out)
        self.tokenizer = self.path / TOKENIZER
        self.table = self.path / TABLE

    def begin(self, arguments: dict[str, Any], state: list[Any]) -> Survey | None:
        """The survey of an earlier start of the same command on the same inputs, else None and an empty folder.

        Raises BadInput when what lies here is another command's work, and when it is damaged.
        """
        plan = self._plan()
        if plan and plan.arguments != arguments:
            raise BadInput(
                f"{self.path} holds a corpus that another command began ({difference(plan.arguments, arguments)}): "
                f"give that command again to go on with it, or remove {self.path}"
            )
        if plan and plan.state == state:
            if not self.table.is_file() or sha256(self.table) != plan.table:
                raise self._damaged(TABLE)
            return plan.survey
        self.clear()
        return None

    def refuse_strangers(self) -> None:
        """Raise BadInput when the folder holds what nothing here writes."""
        if strangers := self.strangers():
            raise BadInput(
                f"{self.path} holds {strangers[0]}, which is no part of an unfinished corpus: remove or rename it"
            )

    def strangers(self) -> list[str]:
        """Names in the folder that nothing here writes."""
        return sorted(entry.name for entry in self.path.iterdir() if not _OURS.fullmatch(entry.name))

    def _plan(self) -> "_Plan | None":
        try:
            return _Plan.model_validate(unsealed((self.path / PLAN).read_bytes()))
        except FileNotFoundError:
            return None
        except ValueError:  # of pydantic too
            raise self._damaged(PLAN) from None

    def _damaged(self, name: str, line: int | None = None) -> BadInput:
        where = f"{self.path / name}" + ("" if line is None else f" line {line}")
        return BadInput(f"{where} is damaged: restore it, or remove {self.path} to begin the corpus anew")

    def clear(self) -> None:
        """Remove everything but the lock and the inputs that were kept."""
        for entry in self.path.iterdir():
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            elif entry.name != LOCK and not entry.name.startswith(SPOOLED):
                entry.unlink()

    def plan(self, arguments: dict[str, Any], state: list[Any], survey: Survey) -> None:
        """Write down what will be done."""
        plan = _Plan(arguments=arguments, state=state, survey=survey, table=sha256(self.table))
        write_file(self.path / PLAN, sealed(plan.model_dump(mode="json")))

    def finished(self) -> list[Finished]:
        """What the journal says is done; a last line that was not written whole does not count."""
        try:
            lines = (self.path / JOURNAL).read_bytes().split(b"\n")[:-1]
        except FileNotFoundError:
            return []
        done: list[Finished] = []
        for number, line in enumerate(lines, 1):
            try:
                done.append(Finished.model_validate_json(line))
            except ValidationError:
                raise self._damaged(JOURNAL, number) from None
        return done

    def record(self, done: Finished) -> None:
        """Add a line to the journal; on return it is on disk."""
        journal = self.path / JOURNAL
        new = not journal.exists()
        with journal.open("ab") as file:
            file.write(done.model_dump_json().encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        if new:
            fsync_folder(self.path)

    def is_worthless(self) -> bool:
        """Whether nothing is in the folder that took long to make, and nothing that is not ours."""
        try:
            return self.path.exists() and not self.strangers() and not any(part.shard for part in self.finished())
        except BadInput:
            return False

    def mend_journal(self) -> None:
        """Cut off a last line that a crash left unfinished."""
        journal = self.path / JOURNAL
        if journal.exists():
            data = journal.read_bytes()
            if not data.endswith(b"\n"):
                write_file(journal, data[: data.rfind(b"\n") + 1])

    def publish(self, manifest: Manifest) -> None:
        """Give the folder its own name."""
        named = {entry.file for entry in manifest.shards} | {MANIFEST, TOKENIZER, LOCK}
        write_file(self.path / MANIFEST, manifest_bytes(manifest))
        for entry in self.path.iterdir():
            if entry.name not in named:
                entry.unlink()
        fsync_tree(self.path)
        (self.path / LOCK).unlink()
        os.rename(self.path, self.out)
        fsync_folder(self.out.parent)

    def publish_if_complete(self, arguments: dict[str, Any], inputs: str) -> bool:
        """Finish a corpus whose manifest was written before the process was stopped."""
        if not (self.path / MANIFEST).exists():
            return False
        manifest = read_manifest(self.path)
        if manifest.arguments != arguments or manifest.inputs != inputs:
            return False
        self.publish(manifest)
        return True


@contextmanager
def work_folder(out: Path) -> Generator[WorkFolder]:
    """`DIR.partial`, locked. An error removes it again when no shard was finished in it."""
    work = WorkFolder(out)
    work.path.parent.mkdir(parents=True, exist_ok=True)
    with locked(work.path):
        work.refuse_strangers()
        try:
            yield work
        except BaseException:
            if work.is_worthless():
                shutil.rmtree(work.path, ignore_errors=True)
            raise
        if work.path.exists():  # the corpus was finished already, which only what came through a pipe could tell
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
