"""Doctor: what it says is what the machine and the installation say of themselves."""

import json
import platform

import pytest
import torch

from maskwright.cli import main
from maskwright.cli.doctor import installed


def test_doctor_tells_what_torch_and_python_tell(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["python"] == platform.python_version()
    assert said["packages"]["torch"] == torch.__version__
    assert said["processor"]["torch threads"] == torch.get_num_threads()
    assert (said["accelerator"] is not None) == torch.cuda.is_available()


def test_doctor_speaks_to_people_too(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LD_PRELOAD", "/usr/lib/libjemalloc.so.2")
    monkeypatch.setenv("MALLOC_TRIM_THRESHOLD_", "4294967296")
    assert main(["doctor"]) == 0
    shown = capsys.readouterr().out
    assert "jemalloc" in shown and "4294967296" in shown and "bfloat16 in hardware" in shown


def test_a_missing_package_is_none() -> None:
    assert installed("no-such-package-anywhere") is None and installed("torch") == torch.__version__
