"""The process in which a foreign file is read: it is given three open descriptors, then all else is taken from it.

It opens no file, makes no connection and starts no process: it may have no descriptor more than it has
(RLIMIT_NOFILE 0), and an audit hook ends it at the first try. Its memory, processor time and output are
bounded, and it ends with the process that started it.
"""

import ctypes
import json
import mmap
import os
import resource
import signal
import struct
import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import NoReturn

from maskwright.checkpoints.torch_files.container import value_in
from maskwright.checkpoints.torch_files.contents import contents_of
from maskwright.checkpoints.torch_files.output import written
from maskwright.errors import BadInput

LARGEST_ANSWER = 16 * 2**20
TOO_MUCH = {"error": "it needs more memory than twice its size: damaged or crafted"}
FORBIDDEN = 77  # exit code after something that only code from the file could have asked for
_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS = 1, 38


def main(
    source: int, target: int, answer: int, parent: int, seconds: int, wall_seconds: int, memory: int, most: int
) -> NoReturn:
    """Reads the descriptor `source`, writes safetensors to `target` and a line of JSON to `answer`, and exits.

    parent         the process that started this one, and with which it ends
    seconds        of the processor's time
    wall_seconds   of any time
    memory         bytes of address space that may be added to what the file itself takes
    most           bytes of the output

    The JSON has either `error`, or `tensors` (their number), `bytes`, `values` and `dropped`.
    """
    data = mmap.mmap(source, 0, access=mmap.ACCESS_READ)  # which takes a descriptor: afterwards there is none to take
    _confine(parent, seconds, wall_seconds, memory, most)
    try:
        result = _converted(data, target, most)
    except BadInput as error:
        result = {"error": str(error)}
    except MemoryError:
        result = TOO_MUCH  # made before: there may be no room for it now
    except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError, struct.error) as error:
        result = {
            "error": f"it is damaged, or no file of torch.save ({type(error).__name__}: {ascii(str(error))[:200]})"
        }
    except OSError as error:
        result = {"failed": error.errno}
    line = json.dumps(result).encode()
    if len(line) > LARGEST_ANSWER:
        line = json.dumps({"error": "its names and settings fill more than 16 MiB: no model's do"}).encode()
    while line:
        line = line[os.write(answer, line) :]
    os._exit(0)


def _converted(data: mmap.mmap, target: int, most: int) -> Mapping[str, object]:
    value, place_of = value_in(memoryview(data))
    found = contents_of(value)
    size = written(target, found.tensors, data, place_of, most)
    return {"tensors": len(found.tensors), "bytes": size, "values": found.values, "dropped": found.dropped}


def _confine(parent: int, seconds: int, wall_seconds: int, memory: int, most: int) -> None:
    _die_with(parent)
    signal.alarm(wall_seconds)  # its action is to end the process
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_CPU, seconds)
    _limit(resource.RLIMIT_FSIZE, most + (32 << 20))  # with the header and the answer
    _limit(resource.RLIMIT_NPROC, 0)  # not held for root
    if (used := _address_space()) is not None:
        _limit(resource.RLIMIT_AS, used + memory)
    _limit(resource.RLIMIT_NOFILE, 0)  # those that are open stay so
    sys.addaudithook(_end_at_once)


def _limit(kind: int, value: int) -> None:
    _, hard = resource.getrlimit(kind)
    if hard != resource.RLIM_INFINITY:
        value = min(value, hard)
    with suppress(OSError, ValueError):  # systems differ in which they know
        resource.setrlimit(kind, (value, value))


def _address_space() -> int | None:
    """Bytes of address space in use now, where the system tells."""
    with suppress(OSError), open("/proc/self/statm", "rb") as file:
        return int(file.read().split()[0]) * resource.getpagesize()
    return None


def _die_with(parent: int) -> None:
    if sys.platform == "linux":
        control = ctypes.CDLL(None).prctl
        control(_PR_SET_PDEATHSIG, signal.SIGKILL)
        control(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    if os.getppid() != parent:  # it ended before we asked
        os._exit(1)


def _end_at_once(event: str, _: object) -> NoReturn:
    """Every event that the interpreter reports is one too many: reading raises none."""
    del event
    os._exit(FORBIDDEN)
