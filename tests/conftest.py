"""What holds for all tests."""

import os

import pytest
from hypothesis import settings

# In CI the drawn examples are the same in every run; elsewhere each run looks at new ones. No deadlines: they measure
# the machine.
settings.register_profile("here", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "here")


@pytest.fixture(autouse=True)
def plain_surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    """The reader's own settings change no test."""
    for name in ("MASKWRIGHT_DEBUG", "NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
