"""What the safetensors library leaves open."""

import os
from pathlib import Path

import pytest
import torch

from maskwright.checkpoints.tensor_file import write_tensors

NARROW = 0o027


def test_the_mode_follows_the_umask_which_is_never_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """To set the umask for a moment would give files of other threads a mode that nobody asked for."""
    old = os.umask(NARROW)
    try:
        monkeypatch.setattr(os, "umask", lambda mask: pytest.fail(f"umask({mask:o})"))
        write_tensors(tmp_path / "a.safetensors", {"a": torch.ones(3)})
    finally:
        monkeypatch.undo()
        os.umask(old)
    assert (tmp_path / "a.safetensors").stat().st_mode & 0o777 == 0o666 & ~NARROW
