"""`bench batches` and `bench start`: what stands beside ours, and what is left out. No time is judged."""

import importlib.util
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from maskwright.cli import main
from maskwright.corpus.build import build_corpus
from maskwright.corpus.read import Corpus
from maskwright.corpus.sources import SampleText
from maskwright.errors import MaskwrightError
from maskwright.lab.bench import batches, batches_packing, batches_rival, start, turns
from maskwright.lab.bench.batches import COLLATOR, LIMIT
from maskwright.lab.bench.shown import batches as shown
from maskwright.lab.bench.shown import start as start_shown
from maskwright.lab.bench.turns import Side
from maskwright.tokenizers.loading import train

needs_rival = pytest.mark.skipif(importlib.util.find_spec("transformers") is None, reason="needs transformers")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> str:
    made = str(tmp_path_factory.mktemp("bench") / "corpus")
    build_corpus(SampleText("en"), made)
    return made


def _result(speed: float) -> dict[str, Any]:
    rates = {"tokens_per_second": speed, "tokens_per_cpu_second": speed, "bytes_per_second": 20 * speed}
    return {**rates, "epochs": 1.0, "peak_mib": 1.0}


PACKED = [{"seconds": 0.2, "sequences": 1_000_000, "longest": 512, "row_tokens": 32_768, "filled": 0.9992}]


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[Side]:
    """The sides that would be measured, the collator at a fifth of our speed."""
    sides: list[Side] = []

    def measure(side: Side, threads: int) -> dict[str, Any]:
        sides.append(side)
        assert threads == 1
        known = {"batches_packing": PACKED[0], "copies": {"bytes_per_second": 1e9}}
        return known.get(side.module) or _result(2e6 if side.name == COLLATOR else 1e7)

    monkeypatch.setattr(turns, "_measure", measure)
    monkeypatch.setattr(batches, "find_spec", lambda name: name)
    return sides


def test_the_collator_has_the_same_sequences_ready_made(corpus: str) -> None:
    made = batches_rival.ready(corpus, sequences=32, length=64)
    data = batches.data_for(corpus, "roberta", sequences=32, length=64)
    assert len(made) == min(batches_rival.MADE, data.epoch_sequences(0) // 32) and {len(step) for step in made} == {32}
    opened = Corpus.open(corpus).tokenizer
    for step in (0, 5):
        tokens = sum(batch.num_tokens for batch in data.batches(step))
        assert sum(map(len, made[step])) == tokens
        assert all(ids[0] == opened.cls_id and opened.mask_id not in ids and len(ids) <= 64 for ids in made[step])


@needs_rival
def test_the_collator_is_measured_by_the_tokens_that_are_text(corpus: str) -> None:
    result = batches_rival.measure(corpus=corpus, seconds=0.05, sequences=16)
    assert result["steps"] >= 1 and 16 * 5 < result["tokens"] / result["steps"] <= 16 * 128
    assert result["tokens_per_second"] > 0 and result["epochs"] > 0 and result["peak_mib"] > 50


def test_packing_is_told_in_seconds_and_the_share_that_is_filled() -> None:
    result = batches_packing.measure(number=20_000)
    assert result["sequences"] == 20_000 and result["seconds"] > 0 and 0.99 < result["filled"] <= 1


def test_the_table_has_the_collator_and_what_packing_takes(
    seen: list[Side], corpus: str, capsys: pytest.CaptureFixture[str]
) -> None:
    line = ["bench", "batches", "--corpus", corpus, "--recipe", "bert", "roberta", "--rounds", "2"]
    assert main(line) == 0
    assert [side.name for side in seen] == [*[LIMIT, "bert", "roberta", COLLATOR] * 2, "packing", "packing"]
    assert seen[3].given == {"corpus": corpus, "seconds": 8.0} and seen[3].module == "batches_rival"
    shown = capsys.readouterr().out
    assert f"{COLLATOR}  1      2.00" in shown
    assert {line.split()[4] for line in shown.splitlines() if line.startswith("bert")} == {"20.0%"}
    assert "the finished batches copied once, at 1.00 (1.00-1.00) GB/s" in shown
    assert f"roberta: 5.00x (5.00-5.00) the speed of {COLLATOR}, which has its sequences ready-made" in shown
    assert "1,000,000 drawn sequences of at most 512 tokens packed into rows of 32,768: 0.20 (0.20-0.20) s" in shown
    assert "99.92% filled" in shown
    assert main([*line, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert list(told["batches"]) == [LIMIT, "bert", "roberta", COLLATOR] and told["packing"] == PACKED * 2
    assert told["beside"] == {"recipe": "roberta", "median": 5.0, "least": 5.0, "most": 5.0}


@pytest.mark.parametrize("why", ["--alone", "missing"])
def test_without_the_collator_ours_is_told_alone(
    seen: list[Side], corpus: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    if why == "missing":
        monkeypatch.setattr(batches, "find_spec", lambda name: None)
    line = ["bench", "batches", "--corpus", corpus, "--recipe", "bert", "--rounds", "1"]
    assert main([*line, *(["--alone"] if why == "--alone" else [])]) == 0
    assert [side.name for side in seen] == [LIMIT, "bert", "packing"]
    assert f"without {COLLATOR}: left out, not installed, or the corpus has no [MASK]" in capsys.readouterr().out


def test_a_corpus_without_a_mask_has_no_collator(seen: list[Side], tmp_path: Path) -> None:
    tokenizer = train("byte_bpe", ["It was a truth universally acknowledged."] * 9, 300, style="gpt2")
    build_corpus(SampleText("en"), tmp_path / "corpus", tokenizer=tokenizer)
    assert list(batches.compare(str(tmp_path / "corpus"), ["gpt2"], seconds=1, rounds=1)) == [LIMIT, "gpt2"]


def test_the_simplest_recipe_that_was_measured_stands_beside_the_collator() -> None:
    rows = {"xlnet": [_result(9.0)] * 3, "bert": [_result(8.0), _result(4.0), _result(6.0)]}
    assert batches.beside(rows) is None
    rows[COLLATOR] = [_result(2.0)] * 3
    assert batches.beside(rows) == {"recipe": "bert", "median": 3.0, "least": 2.0, "most": 4.0}
    del rows["bert"]
    assert batches.beside(rows) is None
    assert "speed of" not in shown.table({"batches": rows, "packing": PACKED})


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The packages that are there; what would import them does nothing."""
    there = {"transformers", "sentence_transformers"}
    monkeypatch.setattr(start, "COMMANDS", {start.LIMIT: ["-c", "pass"], "nothing": ["-c", "pass"]})
    monkeypatch.setattr(start, "OTHERS", {name: (f"import {name}", "pass") for name in sorted(there)})
    monkeypatch.setattr(start, "find_spec", lambda name: name if name in there else None)
    return there


def test_what_users_of_others_import_stands_beside_where_it_is_installed(installed: set[str]) -> None:
    both = ["python", "nothing", "import sentence_transformers", "import transformers"]
    assert [row["command"] for row in start.compare(1)] == both
    assert [row["command"] for row in start.compare(1, alone=True)] == ["python", "nothing"]
    installed.remove("sentence_transformers")
    assert [row["command"] for row in start.compare(1)] == ["python", "nothing", "import transformers"]


def test_commands_are_started_round_by_round_and_the_first_round_is_dropped(
    installed: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter([0.0, 9.0, 9.0, 19.0, 20.0, 20.5, 20.5, 21.5, 30.0, 31.0, 31.0, 33.0, 40.0, 41.0, 41.0, 44.0])
    monkeypatch.setattr(start.time, "perf_counter", lambda: next(clock))
    _, row = start.compare(3, alone=True)
    assert row["command"] == "nothing" and row["seconds"] == {"median": 2.0, "least": 1.0, "most": 3.0}
    assert row["share_of_limit"] == {"median": 0.5, "least": pytest.approx(1 / 3), "most": 0.5}
    assert start_shown.table([row]).splitlines()[1].split()[:3] == ["nothing", "2.00", "(1.00-3.00)"]


def test_a_command_that_fails_is_no_measurement(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(start, "COMMANDS", {"broken": ["-c", "raise SystemExit(3)"]})
    with pytest.raises(MaskwrightError, match="broken ended with 3"):
        start.compare(1, alone=True)


def test_the_code_that_is_imported_is_there() -> None:
    assert importlib.util.find_spec(start.COMMANDS["import maskwright, and what load brings"][1].split()[1])
    if importlib.util.find_spec("transformers"):
        assert start.OTHERS["transformers"][1] == "from transformers import BertForMaskedLM"
        assert hasattr(importlib.import_module("transformers"), "BertForMaskedLM")


def test_lengths_that_are_packed_are_drawn_the_same_each_time() -> None:
    one, other = (batches_packing.measure(number=1000)["filled"] for _ in range(2))
    assert np.isclose(one, other)
