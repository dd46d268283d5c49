"""OpenVINO and its quantizer, which tell their makers when they are imported, unless somebody has forbidden it.

Both send an event to a web service: `import openvino` alone does. Nothing here uses a network that the user did not ask
for, so they are imported as if the package that sends (`openvino_telemetry`) were not installed, for which they are
made. Where somebody else's code has imported OpenVINO before, it has told already.
"""

import io
import logging
import sys
from collections.abc import Generator
from contextlib import contextmanager, redirect_stdout
from typing import Any

TELLS = "openvino_telemetry"


def openvino() -> Any:
    """The library; ImportError where it is not installed."""
    with _untold():
        import openvino  # pyright: ignore[reportMissingImports] - an extra
    return openvino


@contextmanager
def quantizer() -> Generator[Any]:
    """NNCF; its remarks and bars go to stdout, and are left out meanwhile. ImportError where it is not installed."""
    openvino()
    with _untold(), redirect_stdout(sys.stderr):
        kind = logging.getLoggerClass()
        import nncf  # pyright: ignore[reportMissingImports] - an extra

        logging.setLoggerClass(kind)  # it makes every logger its own
    library: Any = nncf
    log = logging.getLogger("nncf")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with redirect_stdout(io.StringIO()):
            yield library
    finally:
        log.setLevel(level)


@contextmanager
def _untold() -> Generator[None]:
    """Imports find no `openvino_telemetry` meanwhile."""
    before = sys.modules.get(TELLS)
    sys.modules[TELLS] = None  # pyright: ignore[reportArgumentType] - how Python writes "is not there"
    try:
        yield
    finally:
        del sys.modules[TELLS]
        if before is not None:
            sys.modules[TELLS] = before
