"""`bench pretrain`: which sides are measured where, what they are given, and the size of a step. No time is judged."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from maskwright.cli import main
from maskwright.corpus.build import build_corpus
from maskwright.corpus.read import Corpus
from maskwright.corpus.sources import SampleText
from maskwright.errors import BadInput
from maskwright.lab.bench import ours, pretrain, pretrain_pictures, recipes, rival
from maskwright.lab.bench.pretrain import ALLOCATOR_SET, COMPILED, GRAPHS, INSTALLED, LIMIT, OURS, SET
from maskwright.lab.bench.shapes import Shape, shape
from maskwright.lab.bench.shown import pretrain as shown
from maskwright.lab.bench.turns import Side

TERMS = pretrain.Terms(seconds=3, rounds=2, threads=1)
SMALL = Shape(name="toy", layers=1, hidden=64, heads=1, sequences=4, length=32, vocabulary=600)
SPEEDS = {OURS: 300.0, GRAPHS: 360.0, INSTALLED: 100.0, COMPILED: 150.0, SET: 200.0}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> str:
    made = str(tmp_path_factory.mktemp("bench") / "corpus")
    build_corpus(SampleText("en"), made)
    return made


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> dict[str, Side]:
    """The sides that would be measured, each with a speed of its own; on a GPU, and with transformers there."""
    sides: dict[str, Side] = {}

    def measured(asked: Sequence[Side], rounds: int, *_: Any, **__: Any) -> dict[str, list[dict[str, Any]]]:
        sides.update({side.name: side for side in asked})
        return {
            name: [
                {"flops_per_second": 1e12, "flops_per_cpu_second": 1e12}
                if name == LIMIT
                else {"tokens_per_second": SPEEDS[name], "tokens_per_cpu_second": SPEEDS[name], "peak_mib": 1.0}
            ]
            * rounds
            for name in sides
        }

    monkeypatch.setattr(pretrain, "in_turn", measured)
    monkeypatch.setattr(pretrain, "device_for", lambda: torch.device("cuda"))
    monkeypatch.setattr(pretrain, "rival_there", lambda: True)
    monkeypatch.setattr(pretrain, "better_settings", lambda *_, **__: {"precision": "float32", "fused": False})
    return sides


def _rivals(given: Mapping[str, Any]) -> dict[str, Any]:
    return {"seconds": 3, "precision": "bf16", "fused": True, **given}


@pytest.mark.parametrize("precision", ["bf16", "fp8"])
def test_on_a_gpu_ours_is_played_back_too_and_transformers_is_compiled(seen: dict[str, Side], precision: str) -> None:
    tiny = shape("tiny", gpu=True)
    given = {"dropout": 0.1, "shape": asdict(tiny)}
    own = {} if precision == "bf16" else {"precision": precision}
    pretrain.compare([tiny], replace(TERMS, precision=precision))
    assert seen == {
        LIMIT: Side(LIMIT, "limit", {"seconds": 1.5}),
        OURS: Side(OURS, "ours", {**given, **own, "seconds": 3}),
        GRAPHS: Side(GRAPHS, "ours", {**given, **own, "graphs": "always", "seconds": 3}),
        INSTALLED: Side(INSTALLED, "rival", _rivals(given)),
        COMPILED: Side(COMPILED, "rival", _rivals({**given, "compiled": True})),
    }


@pytest.mark.parametrize("precision", ["bf16", "fp8"])
@pytest.mark.parametrize("packed", [False, True])
def test_on_text_both_have_its_layout_and_ours_alone_its_settings(
    seen: dict[str, Side], corpus: str, precision: str, packed: bool
) -> None:
    tiny = shape("tiny", gpu=True)
    row = {"training.batch_tokens": 1024 * 128} if packed else {}
    given = {"dropout": 0.1, "corpus": corpus, **({"changes": row} if row else {}), "shape": asdict(tiny)}
    own = row | ({} if precision == "bf16" else {"training.precision": precision})
    pretrain.compare([tiny], replace(TERMS, precision=precision, packed=packed), corpus=corpus)
    assert list(seen) == [LIMIT, OURS, GRAPHS, INSTALLED, COMPILED]
    written = {**given, "recipe": "bert", "seconds": 3, **({"changes": own} if own else {})}
    assert seen[OURS] == Side(OURS, "recipes", written)
    assert seen[GRAPHS] == Side(GRAPHS, "recipes", {**written, "changes": {**own, "training.graphs": "always"}})
    assert seen[INSTALLED] == Side(INSTALLED, "rival", _rivals(given))
    assert seen[COMPILED].given == _rivals({**given, "compiled": True})


def test_alone_on_a_gpu_leaves_ours_both_ways(seen: dict[str, Side]) -> None:
    pretrain.compare([shape("tiny", gpu=True)], TERMS, alone=True)
    assert list(seen) == [LIMIT, OURS, GRAPHS]


def test_on_a_cpu_transformers_has_its_settings_by_trial_and_once_the_allocators(
    seen: dict[str, Side], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pretrain, "device_for", lambda: torch.device("cpu"))
    pretrain.compare([shape("tiny")], TERMS)
    assert list(seen) == [LIMIT, OURS, INSTALLED, SET]
    assert seen[SET].environment == ALLOCATOR_SET and seen[SET].given == seen[INSTALLED].given
    assert (seen[SET].given["precision"], seen[SET].given["fused"]) == ("float32", False)


def test_what_is_played_back_is_ours_and_no_rival(seen: dict[str, Side], tmp_path: Path) -> None:
    (result,) = pretrain.compare([shape("tiny", gpu=True)], TERMS)
    assert list(result["ratio"]) == list(result["cpu_ratio"]) == [INSTALLED, COMPILED]
    assert result["played_back"]["gain"] == {"median": 1.2, "least": 1.2, "most": 1.2}
    share = result["share_of_limit"]["median"]
    assert result["played_back"]["share_of_limit"]["median"] == pytest.approx(1.2 * share)
    assert json.loads(json.dumps(result)) == result

    head, row, _, *notes = shown.table([result]).splitlines()
    columns = (
        "maskwright, share of limit, played back, share of limit, transformers as installed, ratio, compiled, ratio"
    )
    assert " ".join(head.split()) == columns.replace(",", "") + " peak MiB"
    assert row.startswith("2x128, 1024 x 128 ") and "-  " not in row
    for words in ("300 (300-300)", "360 (360-360)", "3.00x", "150 (150-150)", "2.00x", "1 / 1 / 1 / 1"):
        assert words in row
    assert "2x128: played back, ours has 1.20x (1.20-1.20) its speed" in notes
    assert not any(COMPILED in note for note in notes)

    html = shown.page([result]).html()
    for words in (GRAPHS, COMPILED, "played back, of the limit", ">compiled<"):
        assert words in html
    assert "allocator" not in html
    pretrain_pictures.draw([result], tmp_path / "speed.svg")
    drawn = (tmp_path / "speed.svg").read_text()
    assert ">compiled<" in drawn and "as installed" in drawn and "played back" not in drawn


def test_a_cpus_table_has_the_allocator_and_nothing_played_back(
    seen: dict[str, Side], monkeypatch: pytest.MonkeyPatch, corpus: str, tmp_path: Path
) -> None:
    monkeypatch.setattr(pretrain, "device_for", lambda: torch.device("cpu"))
    (result,) = pretrain.compare([shape("tiny")], replace(TERMS, packed=True), corpus=corpus)
    assert result["played_back"] is None and result["packed"]
    head, row, *_ = shown.table([result]).splitlines()
    assert head.split()[-5:] == ["allocator", "set", "ratio", "peak", "MiB"] and "played" not in head
    assert row.startswith("2x128, rows of 4,096, sequences of at most 128 ")
    pretrain_pictures.draw([result], tmp_path / "speed.svg")
    assert "2x128, rows of 4,096" in (tmp_path / "speed.svg").read_text()


def test_without_transformers_nothing_is_said_of_what_it_pads(seen: dict[str, Side], corpus: str) -> None:
    (result,) = pretrain.compare([shape("tiny")], TERMS, corpus=corpus, alone=True)
    assert shown.table([result]).splitlines()[-1] == f"text of {corpus}"


def test_longer_sequences_are_as_many_as_keep_the_steps_tokens() -> None:
    for gpu in (False, True):
        usual, long = shape("base", gpu=gpu), shape("base", gpu=gpu, length=512)
        assert usual.tokens == long.tokens and long.length == 512
    assert shape("large", length=4096).sequences == 1
    assert shape("large", length=512, sequences=7).tokens == 7 * 512


def test_more_positions_than_bert_has_are_given_to_both_sides(seen: dict[str, Side], corpus: str) -> None:
    pretrain.compare([shape("tiny", length=600)], TERMS, corpus=corpus, alone=True)
    assert seen[OURS].given["changes"] == {"model.max_position_embeddings": 600}
    long = replace(SMALL, length=600)
    made = recipes.sized("bert", corpus, 600, long, changes={"model.max_position_embeddings": 600})
    assert (made.model.max_position_embeddings, made.layout.max_length) == (600, 600)
    work = ours.Synthetic(long, dropout=0.0)
    (batch,) = work.batches(0)
    assert batch.max_seqlen == 600 and sum(tally.loss_sum for tally in work.tallies(batch, None).values()) > 0


def test_of_a_packed_row_both_sides_see_the_same_sequences(corpus: str) -> None:
    from maskwright.recipes import bert

    row = replace(SMALL, sequences=16, length=128)
    changes = {"training.batch_tokens": row.tokens}
    opened = Corpus.open(corpus)
    work = bert.build(recipes.sized("bert", corpus, opened.tokenizer.vocab_size, row, changes=changes), opened)
    theirs = rival.batches(row, corpus, changes)
    for step in range(5):
        (mine,) = work.batches(step)
        assert torch.equal(mine.token_ids, theirs[step].token_ids)
        assert torch.equal(mine.cu_seqlens, theirs[step].cu_seqlens)
    filled = np.array([batch.num_tokens for batch in theirs])
    assert filled.max() <= row.tokens and np.median(filled) > 0.95 * row.tokens
    assert len({batch.num_sequences for batch in theirs}) > 1


def test_packed_steps_are_measured(corpus: str) -> None:
    changes = {"training.batch_tokens": SMALL.tokens}
    result = recipes.measure(corpus=corpus, shape=asdict(SMALL), seconds=0.0, recipe="bert", changes=changes)
    assert result["steps"] == 3 and result["tokens_per_second"] > 0


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (["pretrain", "--packed"], "--packed fills rows with sequences of text: give a --corpus, or leave it off"),
        (["recipes", "--packed", "--corpus", "x"], "leave --packed off for recipes"),
        (["encode", "--length", "512"], "only pretrain is measured at another step: leave --length off for encode"),
        (["parts", "--length", "64", "--sequences", "2"], "leave --length and --sequences off for parts"),
        (["pretrain", "--length", "4"], "--length 4: [CLS] a [SEP] b [SEP] are 5 tokens, so give 5 or more"),
        (["pretrain", "--sequences", "0"], "--sequences 0: a step has 1 or more"),
    ],
)
def test_steps_that_cannot_be_measured_are_told_in_a_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, line: list[str], words: str
) -> None:
    monkeypatch.setattr(pretrain, "compare", lambda *_, **__: pytest.fail("it measured"))
    assert main(["bench", *line]) == 2
    said = capsys.readouterr().err
    assert words in said and said.count("\n") == 1


def test_the_line_reaches_what_is_measured(
    seen: dict[str, Side], corpus: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pretrain, "device_for", lambda: torch.device("cpu"))
    line = ["bench", "pretrain", "--size", "tiny", "--length", "256", "--sequences", "3", "--packed", "--alone"]
    assert main([*line, "--corpus", corpus, "--rounds", "1", "--json"]) == 0
    (result,) = json.loads(capsys.readouterr().out)
    assert (result["sequences"], result["length"], result["packed"]) == (3, 256, True)
    assert seen[OURS].given["changes"] == {"training.batch_tokens": 768}


def test_another_version_has_ours_as_written(seen: dict[str, Side], tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="there is no src/maskwright in it"):
        pretrain.compare([shape("tiny")], TERMS, beside=str(tmp_path))
    (tmp_path / "src" / "maskwright").mkdir(parents=True)
    (tmp_path / "src" / "maskwright" / "__init__.py").touch()
    SPEEDS[f"{OURS} of {tmp_path}"] = 150.0
    (result,) = pretrain.compare([shape("tiny", gpu=True)], TERMS, beside=str(tmp_path), alone=True)
    assert list(seen) == [LIMIT, OURS, GRAPHS, f"{OURS} of {tmp_path}"]
    assert seen[f"{OURS} of {tmp_path}"].given == seen[OURS].given
    assert list(result["ratio"]) == [f"{OURS} of {tmp_path}"]
