"""`bench race`: its examples, its clock, its sides, what is kept and what is made of it. No time is judged here."""

import importlib.util
import itertools
import json
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from maskwright.cli import main
from maskwright.corpus.build import build_corpus
from maskwright.corpus.read import Corpus
from maskwright.draws import generator
from maskwright.errors import BadInput
from maskwright.lab.bench.race import examples, ours, passing, pictures, racer, run
from maskwright.lab.bench.race.curve import Curve, Point, check_terms, read_curve
from maskwright.lab.bench.race.racer import Clock, Racer
from maskwright.lab.bench.race.run import Race
from maskwright.objectives.next_sentence import NextSentenceHead
from tests.checkpoints import made_up

needs_rival = pytest.mark.skipif(
    importlib.util.find_spec("transformers") is None or importlib.util.find_spec("accelerate") is None,
    reason="needs transformers and accelerate",
)
WORDS = "the of paris capital france is a cat sat on mat river long and blue".split()
TERMS: dict[str, Any] = {
    "size": "tiny", "seed": 0, "batch": 4, "rate": 1e-3, "dropout": 0.1, "warmup": 0.1, "precision": "float32",
    "changes": {**run.SAME_OBJECTIVE, "start.tokens": "random", "training.batch_sequences": 4},
}  # fmt: skip


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """Documents of drawn sentences, of more and less than a block; some with what is no word."""
    folder = tmp_path_factory.mktemp("race")
    draws = generator(0, "race")
    with (folder / "text.jsonl").open("w") as file:
        for _ in range(60):
            sentences = [
                " ".join(WORDS[i] for i in draws.integers(0, len(WORDS), draws.integers(3, 12))) + " ."
                for _ in range(draws.integers(2, 30))
            ]
            file.write(json.dumps({"text": " ".join(sentences)}) + "\n")
    return build_corpus([folder / "text.jsonl"], folder / "c", tokenizer=made_up.tokenizer(), held_out=0.2)


@pytest.fixture
def made(corpus: Corpus, tmp_path: Path) -> dict[str, Any]:
    """What a side is told."""
    examples.make_examples(corpus, tmp_path / "examples.npz")
    return {"examples": str(tmp_path / "examples.npz"), "corpus": str(corpus.path), "terms": TERMS}


@pytest.fixture
def ticking(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that goes on by a tenth of a second whenever it is read: a race is then the same on every machine."""
    ticks = itertools.count()
    monkeypatch.setattr(racer, "perf_counter", lambda: next(ticks) / 10)


def point(loss: float, seconds: float, tokens: int = 1, other: float | None = None) -> Point:
    losses = {"sentences": loss, "blocks": loss if other is None else other}
    return Point(step=1, tokens=tokens, seconds=seconds, cpu_seconds=seconds, losses=losses, accuracy=losses)


@needs_rival
def test_blocks_are_those_of_run_mlm(corpus: Corpus, monkeypatch: pytest.MonkeyPatch) -> None:
    """The stock tokenizer on the documents' text, then the example's grouping, written out plainly."""
    from transformers import AutoTokenizer

    monkeypatch.setattr(examples, "TEXTS", 7)
    stock: Any = AutoTokenizer.from_pretrained(str(corpus.path / "tokenizer"))
    split = corpus.train
    texts = [" ".join(split.document_text(i)) for i in range(split.num_documents)]
    wanted: list[list[int]] = []
    for first in range(0, len(texts), 7):
        row = list(itertools.chain.from_iterable(stock(texts[first : first + 7])["input_ids"]))
        wanted += [row[at : at + 128] for at in range(0, len(row) // 128 * 128, 128)]
    found = examples.blocks(split, cls_id=stock.cls_token_id, sep_id=stock.sep_token_id)
    assert len(wanted) > 20 and found.tolist() == wanted


def test_the_test_is_hidden_as_bert_s_and_read_as_it_was_made(corpus: Corpus, tmp_path: Path) -> None:
    path = tmp_path / "e.npz"
    counts = examples.make_examples(corpus, path, held_out=5)
    tests = examples.tests(path)
    assert counts == {"train": len(examples.train_blocks(path)), "sentences": 5, "blocks": 5}
    mask, special = corpus.tokenizer.mask_id, corpus.tokenizer.special_ids
    for kind, batches in tests.items():
        lengths = torch.cat([batch.cu_seqlens.diff() for batch in batches])
        hidden = sum(len(batch.predict_rows) for batch in batches)  # type: ignore[arg-type]
        masked = sum(int((batch.token_ids == mask).sum()) for batch in batches)
        assert hidden / int(lengths.sum()) == pytest.approx(0.15, abs=0.02)
        assert masked / hidden == pytest.approx(0.8, abs=0.12)
        for batch in batches:
            assert not np.isin(batch.predict_ids, special).any() and batch.token_type_ids is not None
        if kind == "blocks":
            assert (lengths == 128).all()
    first = examples.make_examples(corpus, tmp_path / "again.npz", held_out=5)
    assert first == counts and (tmp_path / "again.npz").stat().st_size == path.stat().st_size


def test_a_corpus_that_is_too_small_is_refused(tmp_path: Path) -> None:
    (tmp_path / "t.jsonl").write_text('{"text": "the cat sat on a mat ."}\n')
    small = build_corpus([tmp_path / "t.jsonl"], tmp_path / "c", tokenizer=made_up.tokenizer(), held_out=0)
    with pytest.raises(BadInput, match="has no 128 tokens to train on"):
        examples.make_examples(small, tmp_path / "e.npz")


@needs_rival
def test_both_sides_score_the_same_weights_alike(made: dict[str, Any], tmp_path: Path) -> None:
    """Our folder, loaded by the stock network: padded there, flat here, with a head of pairs or without."""
    from transformers import BertForMaskedLM

    from maskwright.lab.bench.race import rival

    config = {"hidden_size": 32, "num_attention_heads": 2, "max_position_embeddings": 128}
    network = made_up.folder(tmp_path / "m", heads=("mlm",), **config)
    stock: Any = BertForMaskedLM.from_pretrained(str(tmp_path / "m")).train()
    tests, cpu = examples.tests(Path(made["examples"])), torch.device("cpu")
    here, there = ours.scores(network, tests, cpu), rival.scores(stock, tests, cpu)
    for kind in examples.KINDS:
        assert here[0][kind] == pytest.approx(there[0][kind], abs=1e-5)
        assert here[1][kind] == there[1][kind]
    assert stock.training and here[0]["blocks"] != here[0]["sentences"]
    network.heads["nsp"] = NextSentenceHead(32)
    assert ours.scores(network, tests, cpu) == here


@needs_rival
def test_seen_blocks_are_those_that_the_trainer_shows(made: dict[str, Any]) -> None:
    from maskwright.lab.bench.race.rival import seen

    blocks = len(examples.train_blocks(Path(made["examples"])))
    shown = [min(4, blocks - first) for first in range(0, blocks, 4)] * 3
    assert [seen(step, blocks, 4) for step in range(len(shown) + 1)] == [0, *itertools.accumulate(shown)]


def test_the_clock_stands_while_it_is_told_to(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(racer, "perf_counter", lambda: now)
    monkeypatch.setattr(racer, "process_time", lambda: 2 * now)
    clock = Clock(5.0, 7.0)
    now = 103.0
    assert clock.read() == (8.0, 13.0)
    clock.stop()
    now = 200.0
    assert clock.read() == (8.0, 13.0)
    clock.go()
    now = 201.0
    clock.go()  # it runs already
    assert clock.read() == (9.0, 15.0)


def test_looks_come_evenly_and_rates_end_with_the_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr(racer, "perf_counter", lambda: now)
    side = Racer(tmp_path / "c.json", {}, budget=20, looks=4, spawned=time.monotonic())
    now = 4.0  # of word vectors
    assert side.begin_steps()
    rate = side.rate("linear", 0.25)
    looked: list[float] = []
    rates: list[float] = []
    while side.share < 1:
        now += 1.0
        rates.append(rate())
        if side.due:
            with side.standing():
                now += 50.0
                side.note(len(rates), 10, ({"blocks": 1.0}, {"blocks": 0.5}))
            looked.append(side.points[-1].seconds)
    assert looked == [8.0, 12.0, 16.0, 20.0]
    assert rates == pytest.approx([0.25, 0.5, 0.75, *(1 - i / 12 for i in range(13))], abs=1e-4)
    told = read_curve(tmp_path / "c.json")
    assert told is not None and told.finished and told.begun == 4.0 and list(told.points) == side.points


def test_a_budget_that_the_beginning_takes_is_spent_without_a_point(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    monkeypatch.setattr(racer, "perf_counter", lambda: now)
    side = Racer(tmp_path / "c.json", {}, budget=3, looks=4, spawned=time.monotonic())
    now = 3.5
    assert not side.begin_steps()
    told = read_curve(tmp_path / "c.json")
    assert told is not None and told.finished and not told.points and told.begun == 3.5


def test_passing_against_brute_force() -> None:
    """Of random curves, noisy ones that go up and down; every pair of points compared."""
    for seed in range(30):
        draws = generator(seed, "curves")

        def drawn(count: int, name: str, longest: float) -> Curve:
            draws = generator(seed, name)  # noqa: B023
            seconds = np.sort(draws.uniform(1, longest, count)).tolist()
            losses = (8 - np.sort(draws.uniform(0, 3, count)) + draws.normal(0, 0.3, count)).tolist()
            tokens = np.sort(draws.integers(1, 10**6, count)).tolist()
            points = [point(loss, s, t) for loss, s, t in zip(losses, seconds, tokens)]
            return Curve(terms={}, lead=float(draws.uniform(1, 9)), points=points, finished=True)

        rival = drawn(12, "rival", 1000)
        mine = {f"{i} s": drawn(int(draws.integers(0, 8)), f"ours {i}", 60) for i in range(3)}
        for it, at in zip(passing.passing(rival, mine, "blocks"), rival.points, strict=True):
            loss = at.losses["blocks"]
            theirs = min((p.seconds, p.tokens) for p in rival.points if p.losses["blocks"] <= loss)
            all_ours = [
                (p.seconds, p.tokens, name)
                for name, curve in mine.items()
                for p in curve.points
                if p.losses["blocks"] <= loss
            ]
            assert (it.loss, it.seconds, it.tokens) == (loss, *theirs)
            if not all_ours:
                assert it.budget is None and it.sooner is None
                continue
            seconds, tokens, name = min(all_ours)
            assert (it.our_seconds, it.our_tokens, it.budget) == (seconds, tokens, name)
            assert it.sooner == theirs[0] / seconds and it.fewer_tokens == theirs[1] / tokens
            assert it.sooner_with_start == (theirs[0] + rival.lead) / (seconds + mine[name].lead)


def test_ours_is_done_where_it_has_the_rival_s_lowest_loss_on_both_tests() -> None:
    rival = Curve(terms={}, points=[point(5.0, 10, other=5.5), point(4.0, 20, other=4.5), point(4.2, 30, other=4.4)])
    one = Curve(terms={}, points=[point(3.9, 2, other=4.45)])
    two = Curve(terms={}, points=[point(4.1, 3, other=4.4)])
    assert not passing.beaten(rival, {"2 s": one}) and not passing.beaten(rival, {"3 s": two, "0 s": Curve(terms={})})
    assert passing.beaten(rival, {"2 s": one, "3 s": two})
    told = passing.verdict(rival, {"2 s": one, "3 s": two})
    assert (told["sentences"]["sooner"], told["blocks"]["sooner"]) == (20 / 2, 30 / 3)


def test_a_curve_of_other_terms_is_another_race_s(tmp_path: Path) -> None:
    curve = Curve(terms={"rate": 1e-3, "batch": 8})
    curve.write(tmp_path / "c.json")
    assert read_curve(tmp_path / "c.json") == replace(curve, points=[])
    check_terms(None, {}, tmp_path, "")
    check_terms(curve, {"rate": 1e-3, "batch": 8}, tmp_path, "")
    with pytest.raises(BadInput, match=r"c\.json was run with rate 0\.001, and this race has 0\.01: give another"):
        check_terms(curve, {"rate": 1e-2, "batch": 8}, tmp_path / "c.json", "give another --out")
    (tmp_path / "c.json").write_text("[]")
    with pytest.raises(BadInput, match=r"is no curve of a race"):
        read_curve(tmp_path / "c.json")


@pytest.mark.usefixtures("ticking")
def test_ours_learns_and_ends_with_its_budget(
    made: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ours, "keep_memory", lambda: None)  # for processes of our own only
    ours.measure(**made, curve=str(tmp_path / "ours.json"), budget=20.0, looks=3, spawned=time.monotonic())
    curve = read_curve(tmp_path / "ours.json")
    assert curve is not None and curve.finished and len(curve.points) == 3
    assert 20 <= curve.points[-1].seconds < 21 and curve.points[-1].tokens >= 4 * curve.points[-1].step
    assert curve.points[-1].losses["blocks"] < np.log(made_up.tokenizer().vocab_size)


@needs_rival
@pytest.mark.usefixtures("ticking")
def test_an_interrupted_rival_goes_on_from_its_last_point(
    made: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from maskwright.lab.bench.race import rival

    told = {**made, "curve": str(tmp_path / "rival.json"), "budget": 9.0, "looks": 3}
    scores, looked = rival.scores, 0

    def two(*given: Any) -> tuple[Mapping[str, float], Mapping[str, float]]:
        nonlocal looked
        looked += 1
        if looked == 3:
            raise KeyboardInterrupt
        return scores(*given)

    monkeypatch.setattr(rival, "scores", two)
    with pytest.raises(KeyboardInterrupt):
        rival.measure(**told, spawned=time.monotonic())
    half = read_curve(tmp_path / "rival.json")
    assert half is not None and not half.finished and len(half.points) == 2

    monkeypatch.setattr(rival, "scores", scores)
    late = replace(half, points=[*half.points, replace(half.points[-1], step=half.points[-1].step + 1)])
    late.write(tmp_path / "rival.json")  # a point whose state was not saved any more
    rival.measure(**told, spawned=time.monotonic() - 1000)
    whole = read_curve(tmp_path / "rival.json")
    assert whole is not None and whole.finished
    assert list(whole.points[:2]) == list(half.points) and (whole.lead, whole.begun) == (half.lead, half.begun)
    assert whole.points[2].step > half.points[1].step and 9 <= whole.points[2].seconds < 10


@needs_rival
@pytest.mark.slow
def test_a_race_of_seconds_is_run_kept_and_gone_on_with(
    corpus: Corpus, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "race"
    line = [
        "bench", "race", "--corpus", str(corpus.path), "--rival", "kept", "--minutes", "0.05", "--budget", "2", "4",
        "--rival-batch", "4", "--looks", "2", "--threads", "1", "--out", str(out), "--json",
        "--start.tokens", "random", "--training.batch_sequences", "4",
    ]  # fmt: skip
    assert main(line) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["rival"]["terms"]["precision"] in run.TRIED and record["rival"]["terms"]["dropout"] == 0
    assert set(record["verdict"]) == set(examples.KINDS) and "2 s" in record["ours"]
    assert json.loads((out / "race.json").read_text())["rival"] == record["rival"]
    assert "sooner" in (out / "race.html").read_text() and not list(out.glob("trial-*"))
    assert pictures.text(record).startswith("held out")

    assert main(line) == 0  # all is there
    assert json.loads(capsys.readouterr().out)["rival"] == record["rival"]
    assert main([*line, "--rival-rate", "0.01"]) == 2
    assert "was run with rate 0.0015, and this race has 0.01: give another --out" in capsys.readouterr().err
    assert main([*line, "--masks.rate", "0.2"]) == 2
    assert "run ours --again" in capsys.readouterr().err
    assert main([*line, "--masks.rate", "0.2", "--again"]) == 0
    again = json.loads(capsys.readouterr().out)
    assert again["rival"] == record["rival"] and again["ours"]["2 s"]["terms"]["changes"]["masks.rate"] == "0.2"


def test_the_picture_and_the_page_are_of_both_axes(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    rival = Curve(
        terms={"seconds": 60.0, "batch": 8, "rate": 1e-3, "dropout": 0.1, "precision": "bf16"},
        points=[point(6.0, 30, 10**6), point(5.0, 60, 2 * 10**6)],
    )
    curves = {"2 s": Curve(terms={}, points=[point(5.5, 1, 10**5), point(4.9, 2, 2 * 10**5)]), "1 s": Curve(terms={})}
    record: dict[str, Any] = {
        "race": {"size": "tiny", "rival": "stock", "threads": 2},
        "corpus": {"tokens": 10**6, "vocabulary": 8000},
        "machine": {"system": "here"},
        "verdict": passing.verdict(rival, curves),
        **json.loads(json.dumps({"rival": _told(rival), "ours": {name: _told(c) for name, c in curves.items()}})),
    }
    pictures.draw(record, tmp_path / "race.svg")
    drawn = (tmp_path / "race.svg").read_text()
    assert drawn.startswith("<?xml") and "tokens seen" in drawn
    assert "1 s for 30" in drawn and "2 s for 60" in drawn and "30 times sooner" in drawn
    page = pictures.page(record).html()
    assert "30.0 ×" in page and "5.000: 2.0 s beside 60 s" in page
    assert "30.0x" in pictures.text(record) and "10.0x fewer" in pictures.text(record)


def _told(curve: Curve) -> dict[str, Any]:
    from dataclasses import asdict

    return asdict(curve)


def test_what_is_missing_or_makes_no_race_is_said_in_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(run, "rival_there", lambda: False)
    with pytest.raises(BadInput, match=r"pip install 'maskwright\[hf\]'"):
        run.check(Race())
    monkeypatch.setattr(run, "rival_there", lambda: True)
    monkeypatch.setattr(run.importlib.util, "find_spec", lambda name: name)
    with pytest.raises(BadInput, match="0 minutes and budgets of 20, 30, 45, 60, 80 seconds: give both sides some"):
        run.check(Race(minutes=0))
    with pytest.raises(BadInput, match="looks 0, rival's batch 32, threads 1"):
        run.check(Race(looks=0))
    assert (Race().rival_seconds, Race(rival="kept").rival_seconds) == (2400, 900)
    assert main(["bench", "race", "--size", "huge", "--out", str(tmp_path)]) == 2
    assert "there is no size 'huge'" in capsys.readouterr().err
    assert main(["bench", "race", "--rival-rate", "2", "--out", str(tmp_path)]) == 2
    assert "--rival-rate 2: give a rate between 0 and 1" in capsys.readouterr().err
