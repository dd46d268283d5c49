"""Corpora that are drawn are like those that are built, and what their size costs is told."""

import json
from pathlib import Path

import numpy as np
import pytest

from maskwright.cli import main
from maskwright.corpus.build import build_corpus
from maskwright.corpus.read import Corpus
from maskwright.corpus.sources import SampleText
from maskwright.lab.bench import drawn_corpus, scale


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return build_corpus(SampleText("en"), tmp_path_factory.mktemp("sample") / "corpus")


@pytest.mark.slow
def test_a_drawn_corpus_is_a_corpus_like_the_sample(tmp_path: Path, sample: Corpus) -> None:
    drawn_corpus.write_corpus(tmp_path / "drawn", 1_000_000, sample.tokenizer, shard_tokens=300_000)
    made = Corpus.open(tmp_path / "drawn", verify="checksums")
    assert made.tokenizer.fingerprint == sample.tokenizer.fingerprint
    tokens = {name: counts.tokens for name, counts in made.manifest.splits.items()}
    assert tokens["train"] == pytest.approx(950_000, rel=0.01) and tokens["held-out"] == pytest.approx(50_000, rel=0.02)
    assert made.train.num_tokens == tokens["train"] and len(made.train.shards) == 4
    drawn, real = (np.diff(split.sentence_offsets) for split in (made.train, sample.train))
    assert drawn.mean() == pytest.approx(real.mean(), rel=0.05)
    assert np.log(drawn).std() == pytest.approx(np.log(real).std(), rel=0.1)
    ids, starts = made.train.gather(np.array([0]), np.array([made.train.num_tokens]))
    assert ids.min() > sample.tokenizer.special_ids.max() and ids.max() < sample.tokenizer.vocab_size
    counts = np.sort(np.bincount(ids))[::-1]
    assert counts[9] / counts[99] == pytest.approx(10, rel=0.3)  # Zipf
    assert (starts[made.train.sentence_offsets[:-1]] == 1).all() and 0.85 < starts.mean() < 0.95
    text = [made.train.text(i) for i in range(1000)]
    assert sum(map(len, text)) / made.train.sentence_offsets[1000] == pytest.approx(4.4, rel=0.01)


@pytest.mark.slow
def test_the_verb_leaves_a_record_and_no_corpora(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    line = ["bench", "scale", "--tokens", "100000", "--recipe", "bert", "xlnet", "--seconds", "0.2", "--json"]
    assert main([*line, "--out", str(tmp_path / "scale")]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert rows == json.loads((tmp_path / "scale" / "scale.json").read_text())
    assert [(row["tokens"], row["recipe"]) for row in rows] == [(100_000, "bert"), (100_000, "xlnet")]
    for row in rows:
        marks = row["start"]["marks"]
        order = ["imported", "opened", "built", "batch", "step", "held out", "sound", "stretch"]
        times = [marks[name]["seconds"] for name in order]
        assert list(marks) == order and times == sorted(times) and times[0] > 0
        assert 0 < marks["stretch"]["own_mib"] <= marks["stretch"]["peak_mib"]
        assert row["start"]["batches_per_second"] > 0 and row["late"]["step"] > 2
    assert {file.name for file in (tmp_path / "scale").iterdir()} <= {"scale.json", "scale.svg"}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["--tokens", "10"], "--tokens 10: a corpus for steps of 256 sequences has 100,000 or more"),
        (["--seconds", "0"], "--seconds 0 of batches measure nothing"),
        (["--recipe", "bret"], "there is no recipe 'bret'"),
        (["--recipe", "word2vec"], "learned in one go"),
    ],
)
def test_what_cannot_be_measured_is_told_first(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, given: list[str], words: str
) -> None:
    monkeypatch.setattr(scale, "compare", lambda *_, **__: pytest.fail("it measured"))
    assert main(["bench", "scale", "--out", str(tmp_path / "scale"), *given]) == 2
    assert words in capsys.readouterr().err and not (tmp_path / "scale").exists()
