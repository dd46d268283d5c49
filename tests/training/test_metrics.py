import json
import math
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskwright.errors import BadInput
from maskwright.training import metrics
from maskwright.training.metrics import HeldOut, MetricsLog, read_metrics


def log(to: MetricsLog, step: int, seconds: float = 1.0) -> None:
    held_out = HeldOut(5 / step, {"mlm": 5 / step}, {"mlm": 0.3}) if step % 4 == 0 else None
    to.log(
        step=step,
        tokens=step * 4096,
        loss=7.0 / step + 0.1,
        losses={"mlm": 6.0 / step, "nsp": 1.0 / step + 0.1},
        accuracy={"mlm": 1 / 3, "nsp": 0.5},
        learning_rate=1e-4 / 3,
        gradient_norm=math.pi / step,
        seconds=seconds,
        tokens_per_second=4096 * step / seconds,
        held_out=held_out,
    )


def untimed(run: Path) -> list[str]:
    lines = (run / "metrics.jsonl").read_text().splitlines()
    return [line.partition(', "timing": ')[0] for line in lines]


def test_one_whole_line_each_with_timing_last(tmp_path: Path):
    with MetricsLog(tmp_path, tensorboard=False) as to:
        for step in range(1, 6):
            log(to, step)
            assert len((tmp_path / "metrics.jsonl").read_bytes().splitlines()) == step  # there at once
    entries = read_metrics(tmp_path)
    keys = ["step", "tokens", "loss", "losses", "accuracy", "learning_rate", "gradient_norm", "timing"]
    assert list(entries[0]) == keys
    assert list(entries[3]) == [*keys[:-1], "held_out", "timing"]
    assert entries[2]["losses"] == {"mlm": 6.0 / 3, "nsp": 1.0 / 3 + 0.1}
    assert read_metrics(tmp_path, up_to=3) == entries[:3]
    assert read_metrics(tmp_path / "nothing here") == []


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=4, max_size=4))
def test_floats_come_back_bit_for_bit(tmp_path_factory: pytest.TempPathFactory, values: list[float]):
    run = tmp_path_factory.mktemp("run")
    loss, mlm, rate, norm = values
    with MetricsLog(run, tensorboard=False) as to:
        to.log(
            step=1,
            tokens=2,
            loss=loss,
            losses={"mlm": mlm},
            accuracy={"mlm": float("nan")},
            learning_rate=rate,
            gradient_norm=norm,
            seconds=float("inf"),
            tokens_per_second=0.0,
        )
    (entry,) = read_metrics(run)
    read = [entry["loss"], entry["losses"]["mlm"], entry["learning_rate"], entry["gradient_norm"]]
    assert struct.pack("4d", *read) == struct.pack("4d", *values)
    assert entry["accuracy"]["mlm"] is None
    assert entry["timing"]["seconds"] is None


@pytest.mark.parametrize("checkpoint_at", [0, 2, 4, 6])
@pytest.mark.parametrize("killed_after", [6, 7, 9])
def test_a_resumed_run_ends_with_the_lines_of_an_uninterrupted_one(
    tmp_path: Path, checkpoint_at: int, killed_after: int
):
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    for run in (whole, stopped):
        run.mkdir()
    with MetricsLog(whole, tensorboard=False) as to:
        for step in range(1, 11):
            log(to, step)
    first = MetricsLog(stopped, tensorboard=False)
    for step in range(1, killed_after + 1):
        log(first, step, seconds=step * 2.0)
    first._file.write(b'{"step": 99, "tok')  # a line torn by the kill
    first._file.flush()
    with MetricsLog(stopped, at_step=checkpoint_at, tensorboard=False) as second:
        assert second.seconds_before == checkpoint_at * 2.0
        assert [entry["step"] for entry in read_metrics(stopped)] == list(range(1, checkpoint_at + 1))
        for step in range(checkpoint_at + 1, 11):
            log(second, step, seconds=123.0)
    assert untimed(stopped) == untimed(whole)
    assert sorted(p.name for p in stopped.iterdir()) == ["metrics.jsonl"]


@pytest.mark.parametrize(
    "torn", [b'{"step": 3', b"\0\0\0\0\0\0\0", b"\xff\xfe\n", b'{"no step": 1}\n', b"[]\n", b'{"step": 3}']
)
def test_a_torn_end_is_no_entry_and_does_not_stay(tmp_path: Path, torn: bytes):
    with MetricsLog(tmp_path, tensorboard=False) as to:
        log(to, 1)
        log(to, 2)
    whole = (tmp_path / "metrics.jsonl").read_bytes()
    (tmp_path / "metrics.jsonl").write_bytes(whole + torn)
    assert [entry["step"] for entry in read_metrics(tmp_path)] == [1, 2]
    MetricsLog(tmp_path, at_step=5, tensorboard=False).close()
    assert (tmp_path / "metrics.jsonl").read_bytes() == whole


def test_lines_survive_a_kill_without_sync(tmp_path: Path):
    code = """
import os, sys
from tests.training.test_metrics import MetricsLog, log
to = MetricsLog(sys.argv[1], tensorboard=False)
for step in range(1, 4):
    log(to, step)
os.kill(os.getpid(), 9)
"""
    killed = subprocess.run([sys.executable, "-c", code, tmp_path], cwd=Path(__file__).parents[2], check=False)
    assert killed.returncode == -9
    assert [entry["step"] for entry in read_metrics(tmp_path)] == [1, 2, 3]


class TestTensorBoard:
    @pytest.fixture(autouse=True)
    def installed(self) -> None:
        pytest.importorskip("tensorboard")

    def test_the_same_numbers_without_the_steps_that_were_redone(self, tmp_path: Path):
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

        first = MetricsLog(tmp_path)
        for step in range(1, 8):
            log(first, step)
        first.close()
        with MetricsLog(tmp_path, at_step=4) as second:
            for step in range(5, 11):
                log(second, step)
        board = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
        assert set(board.Tags()["scalars"]) == {
            "learning_rate",
            "gradient_norm",
            "tokens_per_second",
            "loss/train",
            "loss_mlm/train",
            "loss_nsp/train",
            "accuracy_mlm/train",
            "accuracy_nsp/train",
            "loss/held_out",
            "loss_mlm/held_out",
            "accuracy_mlm/held_out",
        }
        events = board.Scalars("loss_mlm/train")
        assert [event.step for event in events] == list(range(1, 11))
        assert [event.value for event in events] == pytest.approx([6.0 / step for step in range(1, 11)])
        assert [event.step for event in board.Scalars("loss_mlm/held_out")] == [4, 8]


def test_a_lost_end_is_named(tmp_path: Path):
    for wrong in ("missing", "empty or damaged"):
        with pytest.raises(BadInput, match=rf"metrics.jsonl is {wrong}"):
            metrics.last_metrics(tmp_path)
        (tmp_path / "metrics.jsonl").write_text("{\n")
    with MetricsLog(tmp_path, tensorboard=False) as to:
        log(to, 4)
    assert metrics.last_metrics(tmp_path)["step"] == 4


def test_tensorboard_stops_no_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    writer = pytest.importorskip("torch.utils.tensorboard.writer").SummaryWriter

    def full(*arguments: object, **named: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(writer, "add_scalar", full)
    with MetricsLog(tmp_path) as to:
        log(to, 4)
    assert [entry["step"] for entry in read_metrics(tmp_path)] == [4]


def test_without_tensorboard_there_is_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(metrics.importlib.util, "find_spec", lambda name: None)
    with MetricsLog(tmp_path) as to:
        log(to, 1)
    assert not metrics.board_is_installed()
    assert [p.name for p in tmp_path.iterdir()] == ["metrics.jsonl"]
    assert json.loads((tmp_path / "metrics.jsonl").read_text())["step"] == 1
