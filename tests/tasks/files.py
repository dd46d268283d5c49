"""What tests of readers share: a file of given bytes, all of its examples, and the one line that says what is wrong."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from maskwright.errors import BadInput
from maskwright.tasks.examples import Example
from maskwright.tasks.reading.faults import Faults

Reader = Callable[[Path, Faults], Iterator[Example]]


def written(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def refusal(call: Callable[[], object]) -> str:
    with pytest.raises(BadInput) as caught:
        call()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def refused(read: Reader, path: Path) -> str:
    return refusal(lambda: list(read(path, Faults())))
