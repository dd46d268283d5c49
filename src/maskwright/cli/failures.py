"""What went wrong, in one line, and the exit code that says whose it is to mend.

2 is for what the user can mend: usage, input, paths, space, permissions, a missing extra.
1 is for work that failed. A line that begins "unexpected" is a defect of ours.
"""

import errno
import os
import sys

from maskwright.errors import NO_MEMORY, MaskwrightError

USER_CAN_MEND = {
    errno.ENOSPC: "no space left",
    errno.EDQUOT: "disk quota exceeded",
    errno.EFBIG: "file too large for this system's limits",
    errno.EACCES: "permission denied",
    errno.EPERM: "operation not permitted",
    errno.EROFS: "read-only file system",
    errno.ENOENT: "no such file or folder",
    errno.ENOTDIR: "a part of the path is not a folder",
    errno.EISDIR: "is a folder, not a file",
    errno.EEXIST: "is there already",
    errno.ENOTEMPTY: "folder is not empty",
    errno.ENAMETOOLONG: "name too long",
    errno.ELOOP: "too many links",
    errno.EMFILE: "too many open files (see ulimit -n)",
}

# Module that may be missing -> the extra that brings it.
EXTRAS = {
    "gensim": "classic",
    "onnx": "onnx",
    "onnxruntime": "onnx",
    "onnxscript": "onnx",
    "openvino": "openvino",
    "nncf": "openvino",
    "sklearn": "classic",
    "rjieba": "zh",
    "tensorboard": "track",
    "transformers": "hf",
    "zstandard": "zst",
}


def explain_failure(error: BaseException) -> tuple[int, str | None]:
    """Exit code, and the line for stderr; None for the line when silence says it best."""
    if isinstance(error, MaskwrightError):
        return error.exit_code, one_line(str(error))
    if isinstance(error, KeyboardInterrupt):
        return 128 + 2, None
    if isinstance(error, BrokenPipeError):
        return 128 + 13, None
    if isinstance(error, OSError):
        return _explain_os(error)
    if isinstance(error, ModuleNotFoundError) and (extra := EXTRAS.get((error.name or "").split(".")[0])):
        return 2, f"this needs {error.name}, which is not installed: pip install 'maskwright[{extra}]'"
    if isinstance(error, MemoryError) or _is_tensor_memory(error):
        return 1, "out of memory: lower training.micro_sequences (`maskwright plan` says what fits), or the size"
    if usage := _explain_usage(error):
        return 2, usage
    words = one_line(str(error))
    return 1, f"unexpected {type(error).__name__}: {words} (MASKWRIGHT_DEBUG=1 shows where)"


def one_line(text: str) -> str:
    r"""Text without line ends and runs of blanks.

    >>> one_line("two\n  lines ")
    'two lines'
    """
    return " ".join(text.split())


def _is_tensor_memory(error: BaseException) -> bool:
    """Whether torch found no memory, on the device (torch.OutOfMemoryError) or on the CPU (a bare RuntimeError)."""
    if not isinstance(error, RuntimeError):
        return False
    return type(error).__name__ == "OutOfMemoryError" or any(words in str(error) for words in NO_MEMORY)


def _explain_os(error: OSError) -> tuple[int, str]:
    paths = [os.fsdecode(path) for path in (error.filename, error.filename2) if isinstance(path, (str, bytes))]
    where = f"{' -> '.join(paths)}: " if paths else ""
    reason = USER_CAN_MEND.get(error.errno or 0)
    if reason is None:
        return 1, one_line(f"{where}{error.strerror or str(error) or type(error).__name__}")
    if not paths and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        reason += " where the output goes"
    return 2, one_line(where + reason)


def _explain_usage(error: BaseException) -> str | None:
    """A fault that a config or the parser found. Neither library is imported for this: it would be there."""
    if "pydantic" in sys.modules:
        from pydantic import ValidationError

        if isinstance(error, ValidationError):
            faults = [(".".join(map(str, fault["loc"])), fault["msg"]) for fault in error.errors(include_url=False)]
            return "; ".join(one_line(f"{place}: {words}" if place else words) for place, words in faults)
    if "cyclopts" in sys.modules:
        from cyclopts import CycloptsError, UnusedCliTokensError

        if isinstance(error, CycloptsError):
            words = one_line(str(error))
            words = words if words.endswith("...") else words.rstrip(".")
            if isinstance(error, UnusedCliTokensError):
                words = f"unexpected {' '.join(error.unused_tokens or [])}"
            verb = " ".join(error.command_chain or [])
            words = words[:1].lower() + words[1:] + ("" if words.endswith(("?", "...")) else ".")
            return f"{words} See: maskwright {verb + ' ' if verb else ''}--help"
    return None
