"""Speed's arithmetic, the processes that measure, and what is made of their results. No time is judged here."""

import importlib.util
import json
import subprocess
import sys
from dataclasses import asdict, replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from maskwright.batch import flat_batch
from maskwright.corpus.build import build_corpus
from maskwright.corpus.read import Corpus
from maskwright.corpus.sources import SampleText
from maskwright.errors import BadInput, MaskwrightError
from maskwright.lab.bench import (
    batches,
    corpus,
    ours,
    parts,
    pretrain,
    pretrain_pictures,
    recipes,
    turns,
)
from maskwright.lab.bench.clock import Times, time_steps
from maskwright.lab.bench.rectangle import rectangle
from maskwright.lab.bench.shapes import Shape, flops_per_token, shape
from maskwright.lab.bench.shown import parts as parts_shown
from maskwright.lab.bench.shown import pretrain as shown
from maskwright.lab.bench.shown import recipes as recipes_shown
from maskwright.lab.bench.turns import Side, in_turn, measure_side

SMALL = Shape(name="toy", layers=1, hidden=64, heads=1, sequences=2, length=16, vocabulary=600)
HAS_RIVAL = importlib.util.find_spec("transformers") is not None
needs_rival = pytest.mark.skipif(not HAS_RIVAL, reason="needs transformers")


@pytest.fixture(scope="module")
def sample_corpus(tmp_path_factory: pytest.TempPathFactory) -> str:
    made = str(tmp_path_factory.mktemp("bench") / "corpus")
    build_corpus(SampleText("en"), made)
    return made


# BERT's work per token in MFLOP as it is published for its sizes: sparse head (15 % predicted), dense head.
@pytest.mark.parametrize(
    ("layers", "hidden", "length", "sparse", "dense"),
    [
        (12, 768, 128, 545.4, 667.9),
        (12, 768, 512, 587.9, 710.4),
        (24, 1024, 128, 1878.8, 2043.5),
        (24, 1024, 512, 1992.0, 2156.8),
    ],
)
def test_flops_of_the_published_sizes(layers: int, hidden: int, length: int, sparse: float, dense: float) -> None:
    sized = {"layers": layers, "hidden": hidden, "length": length, "vocabulary": 30522}
    assert round(flops_per_token(**sized, predicted=0.15) / 1e6, 1) == sparse
    assert round(flops_per_token(**sized, predicted=1.0) / 1e6, 1) == dense


def test_flops_are_those_that_torch_counts_in_our_own_step() -> None:
    """torch.utils.flop_counter adds up the products that really run, in float32 and by the plain head."""
    from torch.utils.flop_counter import FlopCounterMode

    work = ours.Synthetic(SMALL, dropout=0.0)
    (batch,) = work.batches(0)
    with FlopCounterMode(display=False) as counter:
        sum(tally.loss_sum for tally in work.tallies(batch, None).values()).backward()  # type: ignore[union-attr]
    predicted = work.counts(batch)["mlm"] / SMALL.tokens
    read = predicted + SMALL.sequences / SMALL.tokens
    wanted = flops_per_token(layers=1, hidden=64, length=16, vocabulary=600, predicted=predicted, read=read)
    pooler = 6 * (64 * 64 + 64 * 2) * SMALL.sequences  # the formula leaves it out
    assert counter.get_total_flops() == round(wanted * SMALL.tokens + pooler)


def test_a_step_is_full_sequences_with_fifteen_percent_hidden_and_a_pair_in_each() -> None:
    sized = shape("tiny")
    (batch,) = ours.Synthetic(SMALL, dropout=0.1).batches(3)
    assert batch.num_sequences == 2 and batch.num_tokens == 32
    masked = ours.masked(sized, 5)
    assert masked.num_tokens == 32 * 128 and set(masked.cu_seqlens.diff().tolist()) == {128}
    assert masked.predict_ids is not None and len(masked.predict_ids) == 32 * 19
    assert masked.token_type_ids is not None and masked.token_type_ids.float().mean() == 63 / 128
    again, other = ours.masked(sized, 5), ours.masked(sized, 6)
    assert torch.equal(masked.token_ids, again.token_ids) and not torch.equal(masked.token_ids, other.token_ids)


@needs_rival
def test_both_sides_train_on_the_same_tokens_and_labels() -> None:
    from maskwright.lab.bench import rival

    flat = ours.masked(SMALL, 2)
    given = rectangle(rival.batches(SMALL)[2])
    assert given["input_ids"].shape == (2, 16) and given["attention_mask"].all()
    assert torch.equal(given["input_ids"].reshape(-1), flat.token_ids)
    labels = given["labels"].reshape(-1)
    assert flat.predict_rows is not None and flat.predict_ids is not None
    assert torch.equal((labels != -100).nonzero()[:, 0], flat.predict_rows)
    assert torch.equal(labels[flat.predict_rows], flat.predict_ids)


def test_sequences_of_text_are_padded_to_the_longest_of_their_batch() -> None:
    flat = flat_batch(
        np.arange(5) + 10, np.array([0, 3, 5]), predict_rows=np.array([1, 4]), predict_ids=np.array([7, 8])
    )
    given = rectangle(flat)
    assert given["input_ids"].tolist() == [[10, 11, 12], [13, 14, 0]]
    assert given["attention_mask"].tolist() == [[1, 1, 1], [1, 1, 0]]
    assert given["labels"].tolist() == [[-100, 7, -100], [-100, 8, -100]]
    assert set(given) == {"input_ids", "attention_mask", "labels"}  # nothing of segments and pairs, which it has not


@needs_rival
def test_both_sides_train_on_the_same_sequences_of_a_corpus(sample_corpus: str) -> None:
    from maskwright.lab.bench import rival
    from maskwright.lab.bench.recipes import sized
    from maskwright.recipes import bert

    opened = Corpus.open(sample_corpus)
    work = bert.build(sized("bert", sample_corpus, opened.tokenizer.vocab_size, SMALL), opened)
    theirs = rival.batches(SMALL, sample_corpus)
    assert len(theirs) == rival.OF_TEXT
    for step in range(3):
        (mine,) = work.batches(step)
        assert torch.equal(mine.token_ids, theirs[step].token_ids)
        assert torch.equal(mine.cu_seqlens, theirs[step].cu_seqlens)
        assert mine.pair_labels is not None and theirs[step].pair_labels is not None
        assert torch.equal(mine.pair_labels, theirs[step].pair_labels)


def test_steps_are_timed_after_the_first_ones_are_dropped() -> None:
    calls: list[int] = []
    times = time_steps(lambda: calls.append(1), seconds=0.0, warm_up=2, least=5)
    assert len(calls) == 7 and len(times.wall) == len(times.cpu) == 5
    told = Times([0.5, 2.0, 1.0], [1.0, 1.0, 1.0]).told(tokens=100)
    assert (told["tokens_per_second"], told["tokens_per_cpu_second"], told["steps"]) == (100.0, 100.0, 3)
    told = Times([0.5, 2.0, 1.0], [1.0, 1.0, 1.0]).told(tokens=[100, 100, 300])
    assert (told["tokens_per_second"], told["tokens_per_cpu_second"]) == (200.0, 100.0)
    assert 1 < told["peak_mib"] < 100_000


@pytest.mark.parametrize("side", ["ours", pytest.param("rival", marks=needs_rival)])
def test_a_side_trains_for_a_few_steps_in_a_process_of_its_own(side: str) -> None:
    given: dict[str, Any] = {"shape": asdict(SMALL), "seconds": 0.0}
    if side == "rival":
        given |= {"precision": "bf16", "fused": True}
    result = measure_side(Side(side, side, given), threads=1)
    assert result["steps"] == 3 and result["tokens_per_second"] > 0
    # random tokens are guessed as one of 600, random pairs as one of 2
    assert abs(result["loss"] - np.log(600) - np.log(2)) < 1
    assert 50 < result["peak_mib"] < 20_000


def test_measuring_imports_transformers_on_neither_our_side_nor_the_frame() -> None:
    code = (
        "import sys; import maskwright.lab.bench.ours, maskwright.lab.bench.pretrain, maskwright.cli.bench;"
        "print('transformers' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False\n"


def test_the_allocator_setting_reaches_the_process(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    seen: list[dict[str, str]] = []

    def run(arguments: list[str], env: dict[str, str], **_: Any) -> Any:
        seen.append(env)
        assert arguments[:2] == [sys.executable, "-m"]
        return type("Done", (), {"returncode": 0, "stdout": "a warning\n{}\n", "stderr": ""})

    monkeypatch.setattr(turns.subprocess, "run", run)
    measure_side(Side("a", "ours", {}), 3)
    measure_side(Side("b", "ours", {}, pretrain.ALLOCATOR_SET), 3)
    assert [env["OMP_NUM_THREADS"] for env in seen] == ["3", "3"]
    assert "MALLOC_TRIM_THRESHOLD_" not in seen[0] and seen[1]["MALLOC_TRIM_THRESHOLD_"] == str(2**31 - 1)


def test_a_side_that_fails_is_named_with_its_last_word() -> None:
    with pytest.raises(MaskwrightError, match="measuring it ended with 1: TypeError.*no_such"):
        measure_side(Side("it", "limit", {"no_such": 1}), 1)


def test_sides_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    monkeypatch.setattr(turns, "_measure", lambda side, threads: order.append(side.name) or {"n": len(order)})
    results = in_turn([Side("a", "", {}), Side("b", "", {})], 3, 1)
    assert "".join(order) == "ababab"
    assert [r["n"] for r in results["a"]] == [1, 3, 5]


def _measured(speed: float, peak: float = 10.0) -> dict[str, Any]:
    return {"tokens_per_second": speed, "tokens_per_cpu_second": speed / 2, "peak_mib": peak}


TERMS = pretrain.Terms(seconds=1, rounds=3, threads=2)


def _summary() -> dict[str, Any]:
    results = {
        pretrain.LIMIT: [{"flops_per_second": 1e11, "flops_per_cpu_second": 1e11}] * 3,
        pretrain.OURS: [_measured(4000, 30), _measured(8000, 20), _measured(6000)],
        pretrain.INSTALLED: [_measured(1000), _measured(1000), _measured(500)],
        pretrain.SET: [_measured(2000), _measured(2000), _measured(2000)],
    }
    return pretrain.summary(shape("tiny"), TERMS, {"precision": "bf16", "fused": True}, results)


def test_ratios_are_taken_round_by_round_and_then_their_median() -> None:
    made = _summary()
    assert made["tokens_per_second"][pretrain.OURS] == {"median": 6000, "least": 4000, "most": 8000}
    assert made["ratio"][pretrain.INSTALLED] == {"median": 8, "least": 4, "most": 12}
    assert made["ratio"][pretrain.SET]["median"] == 3
    assert made["peak_mib"][pretrain.OURS] == 30


def test_the_share_of_the_limit_is_products_time_over_time_taken() -> None:
    made = _summary()
    read = 20 / 128  # 19 hidden tokens and [CLS]
    layers = 6 * (12 + 2 + 10 * read) * 128**2 + 12 * (1 + read) * 128 * 128
    products = layers + 6 * (128**2 + 30522 * 128) * 19 / 128
    assert made["mflops_per_token"] == pytest.approx(products / 1e6)
    assert made["share_of_limit"]["median"] == pytest.approx((6000 * products) / 1e11)


def test_the_better_precision_and_adamw_are_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    speeds = {("bf16", True): 5.0, ("float32", True): 7.0, ("float32", False): 8.0}

    def measured(side: Side, *_: Any) -> dict[str, float]:
        return {"tokens_per_second": speeds[side.given["precision"], side.given["fused"]]}

    monkeypatch.setattr(pretrain, "measure_side", measured)
    assert pretrain.better_settings({}, TERMS) == {"precision": "float32", "fused": False}


def test_without_transformers_one_line_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pretrain, "rival_there", lambda: False)
    with pytest.raises(BadInput, match=r"transformers, which is not installed: pip install 'maskwright\[hf\]'"):
        pretrain.compare([shape("tiny")], TERMS)


def test_an_unknown_size_is_refused() -> None:
    with pytest.raises(BadInput, match="no size 'huge': take tiny, mini"):
        shape("huge")


def test_the_table_and_the_page_say_what_was_measured(tmp_path: Path) -> None:
    results = [_summary()]
    head, row, _, *notes = shown.table(results).splitlines()
    assert head.split()[0] == "maskwright" and row.startswith("2x128, 32 x 128")
    for words in ("6,000 (4,000-8,000)", "1,000 (500-1,000)", "8.00x", "3.00x", "30 / 10 / 10"):
        assert words in row
    assert "2 threads" in notes[0] and "bf16 with fused AdamW" in notes[1]

    shown.page(results).write(tmp_path / "speed.html")
    words: list[str] = []
    parser = HTMLParser()
    parser.handle_data = words.append  # type: ignore[method-assign]
    parser.feed((tmp_path / "speed.html").read_text())
    assert {"maskwright", "transformers as installed", "transformers, allocator set"} <= set(words)


def test_the_picture_has_a_bar_of_each_figure(tmp_path: Path) -> None:
    pretrain_pictures.draw([_summary()], tmp_path / "new" / "speed.svg")
    drawn = (tmp_path / "new" / "speed.svg").read_text()
    for words in ("2x128, 32", ">8<", ">3<", "as installed", "allocator set", "of the matrix limit"):
        assert words in drawn
    pretrain_pictures.draw([_summary()], tmp_path / "again.svg")
    assert (tmp_path / "again.svg").read_text() == drawn


def test_results_without_a_rival_are_told_too(tmp_path: Path) -> None:
    results = {
        pretrain.LIMIT: [{"flops_per_second": 1e11, "flops_per_cpu_second": 1e11}] * 3,
        pretrain.OURS: [_measured(4000)] * 3,
    }
    alone = pretrain.summary(shape("tiny"), TERMS, {}, results)
    assert alone["ratio"] == {}
    head, row, *_ = shown.table([alone]).splitlines()
    assert head.split() == ["maskwright", "share", "of", "limit", "peak", "MiB"] and row.split()[-1] == "10"
    assert json.loads(json.dumps(alone)) == alone
    assert "maskwright" in shown.page([alone]).html()
    pretrain_pictures.draw([alone], tmp_path / "alone.svg")


def test_the_parts_of_a_step_make_up_the_whole() -> None:
    two_layers = replace(SMALL, layers=2)  # the last one's attention is of few rows, and another function
    found = parts.measure(shape=asdict(two_layers), seconds=0.0)
    assert sum(found["shares"].values()) == pytest.approx(1)
    assert {"products", "head: products", "attention: products", "norm", "gelu", "optimizer"} <= set(found["shares"])
    assert found["milliseconds"] > 0 and found["batch_share"] > 0
    table = parts_shown.table([{"shape": "2x64", "threads": 1, **found}]).splitlines()
    assert table[0].split() == ["2x64"] and table[-1].startswith("milliseconds a step")


def test_what_an_operation_calls_belongs_to_its_part() -> None:
    class Operation:
        def __init__(self, name: str, taken: float, caller: "Operation | None" = None) -> None:
            self.name, self.self_cpu_time_total, self.cpu_parent = name, taken, caller

    head = Operation("_ProjectedBackward", 1)
    outer = Operation("aten::linear", 2, head)
    made = [head, outer, Operation("aten::addmm", 4, outer), Operation("aten::gelu", 8), Operation("aten::tanh", 16)]
    assert parts.sort_out(made) == {"head": 1, "head: products": 6, "gelu": 8, "the rest": 16}


def test_batches_are_made_from_a_corpus_and_counted(tmp_path: Path) -> None:
    made = tmp_path / "text.jsonl"
    corpus.write_text(made, 200_000)
    built = corpus.measure(text=str(made), out=str(tmp_path / "corpus"), tokenizer=None)
    assert built["tokens"] > 20_000 and built["megabytes_per_second"] > 0
    result = batches.measure(corpus=str(tmp_path / "corpus"), seconds=0.05, sequences=16)
    assert result["steps"] >= 1 and result["tokens"] > 16 * 5
    assert result["tokens_per_second"] > 0 and result["epochs"] > 0


RECIPES = ["roberta", "albert", "spanbert", "xlm", "xlnet", "gpt", "gpt2", "elmo"]


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_takes_the_shape_dropout_and_optimizer_of_all(name: str) -> None:
    made = recipes.sized(name, "corpus", 500, SMALL)
    if name == "elmo":  # as allennlp published its small one; 2 x 16 tokens are a lane that is read both ways
        assert (made.model.cell_size, made.model.projection_size, made.model.vocab_size) == (1024, 128, 500)
        assert made.training.batch_sequences == made.training.micro_sequences == 1
    else:
        shape_of = made.model
        numbers = shape_of.num_hidden_layers, shape_of.hidden_size, shape_of.num_attention_heads, shape_of.vocab_size
        assert numbers == (1, 64, 1, 600)
        assert made.training.batch_sequences == made.training.micro_sequences == 2
        assert getattr(shape_of, "intermediate_size", 256) == 256
    rates = {value for key, value in made.model.model_dump().items() if "dropout" in key}
    assert rates == {0.1} and (made.optimizer.name, made.optimizer.rate) == ("adamw", 1e-4)
    if name == "xlnet":
        assert (made.model.mem_len, made.model.reuse_len, made.permutation.max_length) == (12, 8, 16)


@pytest.mark.parametrize("name", ["bert", "xlnet", "gpt", "elmo"])
def test_a_recipe_is_measured_by_its_own_steps(sample_corpus: str, name: str) -> None:
    given = {"corpus": sample_corpus, "shape": asdict(replace(SMALL, sequences=4)), "seconds": 0.0, "recipe": name}
    result = recipes.measure(**given)
    assert result["steps"] == 3 and result["tokens_per_second"] > 0 and result["mflops"] > 0
    wanted = {"bert": 2 / 16, "xlnet": 2 / 16, "gpt": 15 / 16, "elmo": 1.0}[name]
    assert result["predictions"] == pytest.approx(wanted, abs=0.05)
    if name == "gpt":
        few = recipes.measure(**given, predicted=0.25)
        assert few["predictions"] == pytest.approx(0.25, abs=0.02)
        scored = 6 * 64 * 8000 * (result["predictions"] - few["predictions"]) / 1e6  # a product of H columns and V rows
        assert result["mflops"] - few["mflops"] == pytest.approx(scored, rel=0.1)


def test_what_a_token_costs_is_told_beside_berts() -> None:
    def row(speed: float, predictions: float) -> dict[str, Any]:
        return {**_measured(speed), "predictions": predictions, "mflops": 2.0, "device": "cpu"}

    results = {
        "bert": [row(800, 0.15), row(1000, 0.15), row(600, 0.15)],
        "gpt": [row(400, 1.0), row(250, 1.0), row(200, 1.0)],
    }
    made = recipes.summary(shape("tiny"), TERMS, results)
    assert made["recipes"]["gpt"]["cost"] == {"median": 3.0, "least": 2.0, "most": 4.0}
    assert made["recipes"]["bert"]["cpu_cost"]["most"] == 1.0
    head, first, second, _, notes = recipes_shown.table([made]).splitlines()
    assert head.startswith("2x128, 32 x 128") and first.split()[:2] == ["bert", "800"]
    for words in ("250 (200-400)", "3.00x (2.00-4.00)", "1.00", "2.0"):
        assert words in second
    assert "3 rounds; 2 threads, dropout 0.1, cpu" in notes
    assert json.loads(json.dumps(made)) == made


def test_the_text_of_the_corpus_bench_has_the_size_asked_for_and_no_document_twice(tmp_path: Path) -> None:
    size = corpus.write_text(tmp_path / "text", 300_000)
    lines = (tmp_path / "text").read_text().splitlines()
    assert size == (tmp_path / "text").stat().st_size and 300_000 <= size < 320_000
    assert len(set(lines)) == len(lines)
    assert all(len(json.loads(line)["text"]) > 100 for line in lines)
