"""Measurements are kept as they come, and a bench that was cut off goes on behind them."""

import json
from pathlib import Path
from typing import Any

import pytest

from maskwright.cli import main
from maskwright.errors import BadInput
from maskwright.lab.bench import pretrain, record, turns
from maskwright.lab.bench.record import NOWHERE, Record
from maskwright.lab.bench.shapes import shape
from maskwright.lab.bench.turns import Side, in_turn

SIDES = [Side("a", "ours", {"n": 1}), Side("b", "ours", {"n": 2})]


class Interrupted(Exception):
    pass


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The sides that were really measured, in order; each gives its place among them."""
    order: list[str] = []

    def measure(side: Side, threads: int) -> dict[str, Any]:
        order.append(side.name)
        return {"place": len(order)}

    monkeypatch.setattr(turns, "_measure", measure)
    return order


def test_what_was_cut_off_goes_on_behind_what_is_there(
    tmp_path: Path, measured: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        whole = turns._measure

        def until_the_third(side: Side, threads: int) -> dict[str, Any]:
            if len(measured) == 3:
                raise Interrupted
            return whole(side, threads)

        patch.setattr(turns, "_measure", until_the_third)
        with pytest.raises(Interrupted):
            in_turn(SIDES, 3, 1, record=Record(tmp_path))
    assert len((tmp_path / "measured.jsonl").read_text().splitlines()) == 3
    found = in_turn(SIDES, 3, 1, record=Record(tmp_path))
    assert "".join(measured) == "ababab"
    assert found == {"a": [{"place": 1}, {"place": 3}, {"place": 5}], "b": [{"place": 2}, {"place": 4}, {"place": 6}]}
    assert in_turn(SIDES, 3, 1, record=Record(tmp_path)) == found and len(measured) == 6


def test_another_comparison_measures_the_same_side_again(tmp_path: Path, measured: list[str]) -> None:
    """As the machine may be faster by then."""
    kept = Record(tmp_path)
    in_turn(SIDES[:1], 2, 1, name="tiny", record=kept)
    in_turn(SIDES[:1], 2, 1, name="base", record=kept)
    assert len(measured) == 4
    assert in_turn(SIDES[:1], 2, 1, name="base", record=Record(tmp_path)) == {"a": [{"place": 3}, {"place": 4}]}


@pytest.mark.parametrize("what", ["given", "threads", "environment", "code"])
def test_something_else_is_measured_anew(
    tmp_path: Path, measured: list[str], monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    in_turn(SIDES[:1], 1, 1, record=Record(tmp_path))
    changed = {"given": {"n": 9}} if what == "given" else {"environment": {"A": "b"}} if what == "environment" else {}
    if what == "code":
        monkeypatch.setattr(record, "_code", lambda root: "another")
    in_turn([SIDES[0]._replace(**changed)], 1, 2 if what == "threads" else 1, record=Record(tmp_path))
    assert len(measured) == 2


def test_a_line_that_was_being_written_is_passed_over(tmp_path: Path, measured: list[str]) -> None:
    in_turn(SIDES, 1, 1, record=Record(tmp_path))
    file = tmp_path / "measured.jsonl"
    file.write_bytes(file.read_bytes()[:-9])
    assert in_turn(SIDES, 1, 1, record=Record(tmp_path))["b"] == [{"place": 3}]
    assert [json.loads(line)["name"] for line in (tmp_path / "measured.jsonl").read_text().splitlines()[::2]] == [
        "a",
        "b",
    ]
    assert in_turn(SIDES, 1, 1, record=Record(tmp_path))["b"] == [{"place": 3}] and len(measured) == 3


def test_without_a_folder_nothing_is_kept(tmp_path: Path, measured: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    in_turn(SIDES, 2, 1)
    with NOWHERE.place() as place:
        assert place.is_dir()
    assert not place.exists() and not list(tmp_path.iterdir()) and len(measured) == 4
    with Record(tmp_path / "kept").place() as place:
        pass
    assert place.is_dir() and place.parent == tmp_path / "kept"


def test_another_version_is_measured_in_turn_with_the_code_from_its_checkout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "src" / "maskwright").mkdir(parents=True)
    (tmp_path / "src" / "maskwright" / "__init__.py").touch()
    seen: list[Side] = []

    def measure(side: Side, threads: int) -> dict[str, Any]:
        seen.append(side)
        speed = 300.0 if not side.environment else 200.0
        return {"tokens_per_second": speed, "tokens_per_cpu_second": speed, "peak_mib": 1.0} | {
            "flops_per_second": 1e9, "flops_per_cpu_second": 1e9,
        }  # fmt: skip

    monkeypatch.setattr(turns, "_measure", measure)
    terms = pretrain.Terms(seconds=1, rounds=2, threads=1)
    (result,) = pretrain.compare([shape("tiny")], terms, beside=str(tmp_path), alone=True)
    assert result["ratio"] == {f"maskwright of {tmp_path}": {"median": 1.5, "least": 1.5, "most": 1.5}}
    ours, other = seen[1:3]
    assert other.environment == {"PYTHONPATH": str(tmp_path / "src")}
    assert (other.module, other.given) == (ours.module, ours.given)


def test_a_folder_without_the_code_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="there is no src/maskwright in it"):
        pretrain.compare(
            [shape("tiny")], pretrain.Terms(seconds=1, rounds=1, threads=1), beside=str(tmp_path), alone=True
        )


def test_what_could_not_be_kept_or_drawn_is_said_before_anything_is_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, measured: list[str]
) -> None:
    (tmp_path / "file").touch()
    assert main(["bench", "pretrain", "--alone", "--out", str(tmp_path / "file")]) == 2
    assert "is a file: measurements are kept in a folder" in capsys.readouterr().err
    monkeypatch.setattr("maskwright.cli.bench.find_spec", lambda name: None)
    assert main(["bench", "pretrain", "--alone", "--report", str(tmp_path / "speed.svg")]) == 2
    assert "pip install 'maskwright[plots]'" in capsys.readouterr().err
    assert not measured


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (["start", "--out", "x"], "start keeps no measurements"),
        (["encode", "--beside", "x"], "only pretrain is measured --beside another version"),
    ],
)
def test_options_that_go_with_others_are_refused(
    capsys: pytest.CaptureFixture[str], line: list[str], words: str
) -> None:
    assert main(["bench", *line]) == 2
    assert words in capsys.readouterr().err
