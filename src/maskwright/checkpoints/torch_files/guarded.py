"""Importing files of `torch.save` (pytorch_model.bin, fairseq's checkpoint.pt) without running what is in them.

A pickle is a program. This process never reads one: another process, confined by limits (`child.py`),
interprets the few opcodes that tensors need, and all that comes back is a safetensors file and plain values.
"""

import json
import os
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from maskwright.checkpoints.config_file import parse_json
from maskwright.checkpoints.torch_files.child import FORBIDDEN, LARGEST_ANSWER
from maskwright.config import Config
from maskwright.durable import check_space, staged_file
from maskwright.errors import BadInput, MaskwrightError

_START = (
    "import sys, json; settings = json.loads(sys.argv[1]); sys.path[:] = settings.pop('path'); "
    "from maskwright.checkpoints.torch_files.child import main; main(**settings)"
)


class Limits(Config):
    """What the reading process may use, whatever the file asks for."""

    seconds: int = 4
    """Of the processor's time, and one more for each 50 MB of the file."""

    wall_seconds: int = 30
    """Of any time, and one more for each 5 MB of the file, which may lie on a slow disk."""

    memory: int = 64 * 2**20
    """Bytes of memory besides twice the size of the file."""

    largest_file: int = 64 * 2**30
    """Bytes."""


@dataclass(frozen=True)
class Imported:
    """What came out of a file.

    path       the safetensors file
    tensors    how many it has
    values     settings that stood beside the tensors (`args` and `cfg` of fairseq, `params` of XLM): plain JSON
    dropped    names of what else there was: optimizer states, counters, buffers that are no tensors
    """

    path: Path
    tensors: int
    values: Mapping[str, Any]
    dropped: tuple[str, ...]


def read_torch_file(path: str | Path, *, out: str | Path, limits: Limits | None = None) -> Imported:
    """Write the tensors of the torch file at `path` to `out`, a new safetensors file; nothing of `path` is run.

    The tensors are those of the dict in the file, or of the dict under its key `model` or `state_dict`. They keep
    their types; those that share their numbers become copies.

    Raises BadInput in one line for a file that wants to run something, is damaged, crafted or no such file, or
    needs more than `limits`; then nothing is left at `out`.
    """
    path, out, limits = Path(path), Path(out), limits or Limits()
    if os.path.lexists(out):
        raise BadInput(f"{out} exists already: choose another place or remove it")
    source = _opened(path)
    try:
        size = os.fstat(source).st_size
        if not 0 < size <= limits.largest_file:
            raise BadInput(f"{path} has {size:,} bytes: 1 to {limits.largest_file:,} are read")
        check_space(out.parent, size)
        with staged_file(out) as target, tempfile.TemporaryFile() as answer, tempfile.TemporaryFile() as log:
            code = _run(source, target.fileno(), answer.fileno(), log.fileno(), size, limits)
            answered = _answered(path, out, code, answer.fileno(), log.fileno())
            if os.fstat(target.fileno()).st_size != answered.get("bytes"):
                raise MaskwrightError(f"{path}: its reader wrote another number of bytes than it says")
            imported = Imported(out, answered["tensors"], answered["values"], tuple(answered["dropped"]))
    finally:
        os.close(source)
    return imported


def _opened(path: Path) -> int:
    """A descriptor of a regular file. A named pipe or a device would make us wait, or do something."""
    try:
        source = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise BadInput(f"{path}: cannot be read ({error.strerror})") from error
    if not stat.S_ISREG(os.fstat(source).st_mode):
        os.close(source)
        raise BadInput(f"{path} is no file: name a file that torch.save wrote")
    return source


def _run(source: int, target: int, answer: int, log: int, size: int, limits: Limits) -> int:
    """The exit code of the reading process, which has ended in any case."""
    settings = {
        "path": [place for place in sys.path if os.path.isabs(place)],  # not the current folder
        "source": source,
        "target": target,
        "answer": answer,
        "parent": os.getpid(),
        "seconds": limits.seconds + size // 50_000_000,
        "wall_seconds": limits.wall_seconds + size // 5_000_000,
        "memory": limits.memory + size,
        "most": 4 * size + 2**20,
    }
    process = subprocess.Popen(
        [sys.executable, "-I", "-c", _START, json.dumps(settings)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=log,
        pass_fds=(source, target, answer),
        env={**_environment(), "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
        cwd="/",
        start_new_session=True,  # an interrupt from the keyboard is ours to handle
    )
    try:
        return process.wait(cast("int", settings["wall_seconds"]) + 5)
    except subprocess.TimeoutExpired:
        return -signal.SIGALRM
    finally:
        process.kill()
        process.wait()


def _environment() -> dict[str, str]:
    """What an interpreter may need to start; nothing of the user's settings and secrets."""
    return {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH", "SYSTEMROOT") if name in os.environ}


_ENDED = {
    -signal.SIGXCPU: "takes more time to read than a file of its size: damaged or crafted",
    -signal.SIGKILL: "takes more time or memory to read than a file of its size: damaged or crafted",
    -signal.SIGALRM: "takes too long to read: crafted, or on a disk that does not answer",
    FORBIDDEN: "made its reader try to do something else than read, which ended it: crafted",
}


def _answered(path: Path, out: Path, code: int, answer: int, log: int) -> dict[str, Any]:
    """What the reading process found. BadInput says what is wrong with the file."""
    if code in _ENDED:
        raise BadInput(f"{path} {_ENDED[code]}")
    raw = os.pread(answer, LARGEST_ANSWER + 1, 0)
    if code < 0:
        raise BadInput(f"{path} made its reader end by signal {-code}: damaged or crafted")
    if code or not raw or len(raw) > LARGEST_ANSWER:
        last = os.pread(log, 2**16, 0).decode(errors="replace").strip().rpartition("\n")[2]
        raise MaskwrightError(f"{path}: its reader could not work (exit code {code}): {ascii(last)[1:-1][:200]}")
    answered = parse_json(raw, f"{path}: the answer of its reader")
    if "error" in answered:
        raise BadInput(f"{path}: {' '.join(str(answered['error']).split())[:500]}")
    if (failed := answered.get("failed")) is not None:
        raise OSError(failed, os.strerror(failed), str(out))
    return answered
