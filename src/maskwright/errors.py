"""What maskwright raises when it cannot go on.

One line each, naming the value, the limit and the way out. The command line prints that line
and exits with `exit_code`; a traceback means a defect of ours.
"""


class MaskwrightError(Exception):
    """Something failed while the work was under way (exit code 1)."""

    exit_code = 1


class BadInput(MaskwrightError, ValueError):
    """What the user gave cannot be used: an option, a text, a file, a folder (exit code 2)."""

    exit_code = 2


NO_MEMORY = (
    "can't allocate memory",
    "not enough memory",
    "Cannot allocate memory",
    "std::bad_alloc",
    "could not create a primitive",
)
"""What torch says where a CPU has no memory left, on Linux and elsewhere, and libraries below it."""
