"""`--auto-batch` at the command line: a run in a process of its own, begun anew when that found no memory.

On a CPU a process is of little use once its memory has run out. Mostly the system ends it without a word; under a limit
(ulimit -v) its heap, which runs keep for speed, stays as large as it grew, and nothing is left for the rest. So the
command becomes two processes: one that computes, and this one, which imports nothing heavy and waits. Signals that
arrive here are passed on, and should this process be killed, the other one saves and leaves.

The system counts whom it ended for want of memory (`oom_kill` in /proc/vmstat), so a kill by somebody else is what it
was: the end.
"""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

from maskwright.training.anew import EXIT, FELL, TELL, sequences, told

VERBS = ("pretrain", "finetune")
OPTION = "--auto-batch"
COUNTS = Path("/proc/vmstat")
PASSED_ON = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
KILLED = -signal.SIGKILL
BY_THE_TERMINAL = 0x80  # SI_KERNEL: all that run in the foreground have got it
SHOW_CURSOR = "\x1b[?25h"


def is_wanted(tokens: Sequence[str]) -> bool:
    """Whether a command line is one whose run is watched.

    >>> is_wanted(["pretrain", "bert", "--auto-batch"]), is_wanted(["pretrain", "--auto-batch", "--help"])
    (True, False)
    """
    verb, given = tokens[0] if tokens else "", set(tokens)
    return verb in VERBS and OPTION in given and not given & {"--help", "-h"} and can_watch()


def can_watch() -> bool:
    """Whether the system tells what this asks of it (Linux does), and nobody watches already."""
    return TELL not in os.environ and hasattr(signal, "sigwaitinfo") and kills() is not None


def kills() -> int | None:
    """How many processes the system has ended for want of memory; None where it does not say."""
    with contextlib.suppress(OSError, ValueError):
        for line in COUNTS.read_text(encoding="ascii").splitlines():
            name, _, count = line.partition(" ")
            if name == "oom_kill":
                return int(count)
    return None


def watch(tokens: Sequence[str]) -> int:
    """Run a command line, and again with what it fell with for as long as it finds no memory; its exit code."""
    fell: int | None = None
    while True:
        before = kills()
        code, fell = _run(tokens, fell)
        ended_by_system = code == KILLED and kills() != before
        if code == EXIT:
            continue
        if not ended_by_system:
            return 128 - code if code < 0 else code
        if fell is None:
            _say("error: out of memory before the first step: the system ended the process; take a smaller size")
            return 1
        _say(f"out of memory with {sequences(fell)} at once: the system ended the process; it is begun anew")


def _say(words: str) -> None:
    behind_a_bar = f"{SHOW_CURSOR}\n" if sys.stderr.isatty() else ""
    sys.stderr.write(f"{behind_a_bar}maskwright: {words}\n")


def _run(tokens: Sequence[str], fell: int | None) -> tuple[int, int | None]:
    """The exit code of one process, minus a signal's number where one ended it; and the last that it told."""
    listening, telling = os.pipe()
    environment = {**os.environ, TELL: str(telling), **({FELL: str(fell)} if fell else {})}
    waited_for = {*PASSED_ON, signal.SIGCHLD}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, waited_for)
    try:
        child = subprocess.Popen(
            [sys.executable, "-m", "maskwright", *tokens],
            env=environment,
            pass_fds=[telling],
            preexec_fn=_as_a_child(before),  # noqa: PLW1509 - this process has one thread
        )
        while child.poll() is None:
            came = signal.sigwaitinfo(waited_for)
            if came.si_signo != signal.SIGCHLD and came.si_code != BY_THE_TERMINAL:
                child.send_signal(came.si_signo)
        os.set_blocking(listening, False)
        with contextlib.suppress(BlockingIOError):
            return child.returncode, told(os.read(listening, 2**16))
        return child.returncode, None
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        os.close(listening)
        os.close(telling)


def _as_a_child(mask: Collection[int]) -> Callable[[], None]:
    """What the child does first: it hears signals as we did, and is told to stop should we be killed."""
    prctl, set_death_signal = ctypes.CDLL(None).prctl, 1

    def first() -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        prctl(set_death_signal, signal.SIGTERM)

    return first
