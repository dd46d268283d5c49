"""The kernels of attention are run by Triton's interpreter, in a process of their own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from maskwright.layers import flash


def test_the_kernels_are_attention() -> None:
    pytest.importorskip("triton", minversion="3.7", reason="older interpreters do not know newer numpy")
    environment = {**os.environ, "TRITON_INTERPRET": "1", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(
        [sys.executable, "-m", "tests.layers.interpreted"],
        cwd=Path(__file__).parents[2],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]


def test_where_no_kernel_can_be_made_another_way_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    class Broken:
        def __getattr__(self, name: str) -> "Broken":
            return self

        def __getitem__(self, grid: object) -> "Broken":
            return self

        def __call__(self, *given: object, **named: object) -> None:
            raise RuntimeError("Failed to find C compiler")

    asked = torch.device("cpu"), torch.bfloat16, 64
    flash.why_not.cache_clear()
    monkeypatch.setattr(flash, "_kernels", Broken)
    state = torch.get_rng_state()
    with torch.inference_mode():
        assert flash.why_not(*asked) == "Failed to find C compiler"
    assert torch.get_rng_state().equal(state), "nobody's draws are moved"
    flash.why_not.cache_clear()
