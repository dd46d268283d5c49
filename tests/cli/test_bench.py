"""`maskwright bench`: what cannot be done is said before anything is measured."""

from pathlib import Path

import pytest

from maskwright.cli import main
from maskwright.lab.bench import pretrain


@pytest.mark.parametrize("place", ["missing/speed.html", "."])
def test_a_report_that_cannot_be_written_is_told_first(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    monkeypatch.setattr(pretrain, "compare", lambda *_, **__: pytest.fail("it measured"))
    assert main(["bench", "pretrain", "--report", str(tmp_path / place)]) == 2
    assert f"--report {tmp_path / place} cannot be written" in capsys.readouterr().err
