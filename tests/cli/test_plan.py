"""`maskwright plan` as one calls it."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from maskwright.cli import main
from maskwright.cli.plan import size, span
from tests.training.small_corpus import make_corpus, maskwright

SMALL = ["--model.hidden_size", "32", "--model.num_attention_heads", "2", "--model.intermediate_size", "64",
         "--layout.max_length", "48"]  # fmt: skip


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_corpus(tmp_path_factory.mktemp("corpus"))


def test_the_table_and_the_json(corpus: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    arguments = ["plan", "quick", "--corpus", str(corpus), "--out", str(tmp_path / "run"), "--seconds", "0.1", *SMALL,
                 "--training.batch_sequences", "12", "--training.steps", "900"]  # fmt: skip
    assert main([*arguments, "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert [tried["micro_sequences"] for tried in result["tried"]] in ([8, 12], [8])
    assert result["micro_sequences"] in (8, 12) and result["steps"] == 900 and result["hours_left"] > 0
    assert result["memory"]["peak"] == sum(
        result["memory"][part]
        for part in ("weights", "working_copy", "gradients", "optimizer", "activations", "program")
    )
    assert main([*arguments, "--training.micro_sequences", "6"]) == 0
    shown = capsys.readouterr().out
    assert "--training.micro_sequences 6" in shown and "900 of 900 steps" in shown and "epochs of" in shown
    assert f"{result['parameters']:,}" in shown
    assert not (tmp_path / "run").exists()


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    def run(*arguments: str | Path) -> str:
        assert main(["plan", *map(str, arguments)]) == 2
        captured = capsys.readouterr()
        assert captured.out == "" and captured.err.count("\n") == 1
        return captured.err

    return run


def test_bad_input_is_said_before_anything_is_probed(refused: Callable[..., str], corpus: Path, tmp_path: Path) -> None:
    assert "did you mean quick" in refused("quik", "--corpus", corpus)
    assert "no folder" in refused("quick", "--corpus", tmp_path / "gone")
    assert "512 positions" in refused("quick", "--corpus", corpus, "--layout.max_length", "600")
    assert "--seconds -1" in refused("quick", "--corpus", corpus, "--seconds", "-1")
    assert "training.steps" in refused("quick", "--corpus", corpus, "--training.stepps", "3")


def test_numbers_for_people() -> None:
    assert [size(number) for number in (0, 2**20, 2**30, 123_456_789_012)] == [
        "0.000 MiB", "1.0 MiB", "1.0 GiB", "115.0 GiB",
    ]  # fmt: skip
    assert [span(hours) for hours in (0, 0.5, 47.99, 48, 2400)] == [
        "0 s",
        "30 min",
        "47 h 59 min",
        "2 days 0 h",
        "100 days 0 h",
    ]


@pytest.mark.slow
def test_the_peak_is_that_of_a_real_run(corpus: Path, tmp_path: Path) -> None:
    """Planned in one process, then trained in another: the system's own counts of their memory agree."""
    import subprocess
    import time

    from tests.training.small_corpus import command, environment

    shape = ["--size", "mini", "--training.batch_sequences", "32", "--training.steps", "6"]
    planned = maskwright("plan", "quick", "--corpus", corpus, *shape, "--json")
    assert planned.returncode == 0, planned.stderr
    told = json.loads(planned.stdout)
    size, peak = told["micro_sequences"], told["memory"]["peak"]  # of the fastest, whichever that was
    run = subprocess.Popen(
        command(
            "pretrain", "quick", "--corpus", corpus, "--out", tmp_path / "run", *shape,
            "--training.micro_sequences", str(size), "--start", "random",
        ),
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment(),
    )  # fmt: skip
    seen = 0
    while run.poll() is None:
        status = Path(f"/proc/{run.pid}/status").read_text()
        if "VmHWM:" in status:
            seen = int(status.partition("VmHWM:")[2].split()[0]) * 1024
        time.sleep(0.01)
    assert run.returncode == 0
    assert peak == pytest.approx(seen, rel=0.2), told["memory"]
