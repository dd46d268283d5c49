"""What a run and the process that begins it anew (`maskwright.cli.watching`) say to each other; nothing heavy.

Down go two variables of the environment: where to tell, and with how many sequences at once the run before fell. Up go
lines, a number each: with how many sequences at once a try begins.
"""

import os
from collections.abc import Mapping

TELL = "MASKWRIGHT_TELL"
"""A descriptor that the run writes to."""
FELL = "MASKWRIGHT_FELL"
"""Sequences at once with which the run before found no memory."""
EXIT = 75
"""The run's exit code when it found no memory and could do with less (EX_TEMPFAIL of sysexits.h)."""


def sequences(number: int) -> str:
    """In words.

    >>> sequences(1), sequences(2048)
    ('1 sequence', '2,048 sequences')
    """
    return f"{number:,} sequence{'' if number == 1 else 's'}"


def watched() -> bool:
    """Whether somebody begins this process anew when it ends with `EXIT`."""
    return TELL in os.environ


def tell(number: int) -> None:
    """Say with how many sequences at once a try begins; to nobody where nobody watches."""
    if watched():
        os.write(int(os.environ[TELL]), b"%d\n" % number)


def told(lines: bytes) -> int | None:
    r"""The last number that was told.

    >>> told(b"256\n128\n"), told(b"")
    (128, None)
    """
    return int(lines.split()[-1]) if lines.split() else None


def fell(environment: Mapping[str, str] = os.environ) -> int | None:
    """With how many sequences at once the run before found no memory; None if there was none.

    >>> fell({FELL: "256"}), fell({})
    (256, None)
    """
    return int(environment[FELL]) if FELL in environment else None
