"""`--auto-batch` at the command line: a run whose process found no memory is begun anew by another one."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from maskwright.cli import main, watching
from maskwright.config import read_toml
from maskwright.training import anew
from maskwright.training.metrics import read_metrics
from tests.training.small_corpus import SMALL, command, environment, make_corpus

pytestmark = pytest.mark.skipif(not watching.can_watch(), reason="this system does not count whom it ends")

ACTED = """#!{python}
import os, pathlib, signal, sys
log, counts = pathlib.Path({log!r}), pathlib.Path({counts!r})
fell = os.environ.get("MASKWRIGHT_FELL", "-")
with log.open("a") as out:
    out.write(fell + " " + " ".join(sys.argv[3:]) + "\\n")
def tell(number):
    os.write(int(os.environ["MASKWRIGHT_TELL"]), b"%d\\n" % number)
def ended_by_the_system():
    counts.write_text("nr_free_pages 3\\noom_kill %d\\n" % (int(counts.read_text().split()[-1]) + 1))
    os.kill(os.getpid(), signal.SIGKILL)
{acts}
"""


@pytest.fixture
def acted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Puts a script in the run's place; the lines it logged, one for each time it was begun."""

    def act(acts: str) -> Path:
        log, counts, script = tmp_path / "log", tmp_path / "vmstat", tmp_path / "python"
        counts.write_text("nr_free_pages 3\noom_kill 7\n")
        script.write_text(ACTED.format(python=sys.executable, log=str(log), counts=str(counts), acts=acts))
        script.chmod(0o755)
        monkeypatch.setattr(watching.sys, "executable", str(script))
        monkeypatch.setattr(watching, "COUNTS", counts)
        return log

    return act


def test_a_run_that_the_system_ended_is_begun_anew_with_what_it_fell_with(acted, capsys) -> None:
    log = acted("if fell == '-': tell(64), ended_by_the_system()\nif fell == '64': tell(32), ended_by_the_system()")
    assert watching.watch(["pretrain", "bert", "--auto-batch"]) == 0
    line = "pretrain bert --auto-batch"
    assert log.read_text().splitlines() == [f"- {line}", f"64 {line}", f"32 {line}"]
    said = capsys.readouterr().err
    assert "out of memory with 64 sequences at once: the system ended the process" in said
    assert "out of memory with 32 sequences" in said


def test_a_run_that_says_it_found_no_memory_is_begun_anew(acted) -> None:
    log = acted("tell(64)\nif fell == '-': sys.exit(75)\nsys.exit(3)")
    assert watching.watch(["pretrain"]) == 3
    assert len(log.read_text().splitlines()) == 2


def test_a_kill_by_somebody_else_is_the_end(acted, capsys) -> None:
    log = acted("tell(64)\nos.kill(os.getpid(), signal.SIGKILL)")
    assert watching.watch(["pretrain"]) == 128 + 9
    assert len(log.read_text().splitlines()) == 1
    assert "memory" not in capsys.readouterr().err


def test_want_of_memory_before_the_first_step_is_the_end(acted, capsys) -> None:
    log = acted("ended_by_the_system()")
    assert watching.watch(["pretrain"]) == 1
    assert len(log.read_text().splitlines()) == 1
    assert "before the first step" in capsys.readouterr().err


def test_a_line_without_the_option_and_a_run_that_is_watched_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    assert watching.is_wanted(["finetune", "x", "--auto-batch"])
    assert not watching.is_wanted(["pretrain", "bert"]) and not watching.is_wanted([])
    assert not watching.is_wanted(["plan", "--auto-batch"])
    monkeypatch.setenv(anew.TELL, "5")
    assert not watching.is_wanted(["pretrain", "bert", "--auto-batch"])


def test_where_the_system_does_not_count_nobody_watches(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(watching, "COUNTS", tmp_path / "none")
    assert watching.kills() is None and not watching.can_watch()


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_corpus(tmp_path_factory.mktemp("corpus"))


def test_a_run_takes_less_than_it_fell_with(
    tmp_path: Path, corpus: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    listening, telling = os.pipe()
    monkeypatch.setenv(anew.TELL, str(telling))
    line = ["pretrain", "bert", "--corpus", str(corpus), *SMALL, "--auto-batch"]
    line += ["--training.steps", "1", "--training.micro_sequences", "64", "--training.batch_sequences", "8"]
    monkeypatch.setenv(anew.FELL, "8")
    assert main([*line, "--out", str(tmp_path / "run")]) == 0
    assert anew.told(os.read(listening, 100)) == 4
    assert "going on with 4 sequences at once" in capsys.readouterr().err
    assert read_toml(tmp_path / "run" / "recipe.toml")["training"]["micro_sequences"] == 4
    monkeypatch.setenv(anew.FELL, "1")
    assert main([*line, "--out", str(tmp_path / "other")]) == 1
    assert "out of memory with 1 sequence at once" in capsys.readouterr().err


def _started(run: Path, corpus: Path) -> "subprocess.Popen[str]":
    line = ["pretrain", "bert", "--corpus", corpus, "--out", run, *SMALL, "--training.steps", "100000", "--auto-batch"]
    process = subprocess.Popen(
        command(*map(str, line)), env=environment(), stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    deadline = time.monotonic() + 120
    while not (run / "metrics.jsonl").exists() or not read_metrics(run):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.1)
    return process


def _ended(process: "subprocess.Popen[str]") -> str:
    """Everything it said, once it and its child have closed their ends."""
    return process.communicate(timeout=120)[1]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_reaches_the_run(tmp_path: Path, corpus: Path, number: signal.Signals, code: int) -> None:
    process = _started(tmp_path / "run", corpus)
    process.send_signal(number)
    said = _ended(process)
    assert process.returncode == code
    assert said.count(f"{number.name}: finishing this step") == 1
    assert any((tmp_path / "run" / "checkpoints").iterdir())


def test_a_signal_to_all_of_its_processes_is_one_wish(tmp_path: Path, corpus: Path) -> None:
    """As `timeout`, systemd and Slurm send theirs: the run gets its own, and the one that is passed on."""
    process = _started(tmp_path / "run", corpus)
    os.killpg(process.pid, signal.SIGTERM)
    time.sleep(0.02)
    os.killpg(process.pid, signal.SIGTERM)  # whoever comes first: there are four of them
    assert "SIGTERM: finishing this step" in _ended(process)
    assert process.returncode == 143 and any((tmp_path / "run" / "checkpoints").iterdir())


def test_a_run_whose_watcher_is_killed_saves_and_leaves(tmp_path: Path, corpus: Path) -> None:
    process = _started(tmp_path / "run", corpus)
    process.kill()
    assert "SIGTERM: finishing this step" in _ended(process)
    assert any((tmp_path / "run" / "checkpoints").iterdir())
