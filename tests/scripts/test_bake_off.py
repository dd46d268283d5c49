"""The bake-off: its rows are recipes, a run goes into the record, and its page keeps what was written by hand."""

import json
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

import bake_off
import comparison.pace
import comparison.runs
from comparison.recipes import recipe_of
from comparison.report import GROUPS, Spread, write_report
from comparison.rows import RUNS, runs_of
from comparison.terms import Job, Terms
from maskwright.corpus.build import build_corpus
from maskwright.corpus.read import Corpus
from maskwright.progress import silent
from maskwright.text.samples import sample


@pytest.fixture(scope="module")
def corpora(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of corpora with one of the beginning of the sample text, in documents of five sentences."""
    folder = tmp_path_factory.mktemp("corpora")
    source = folder / "en.jsonl"
    sentences = [sentence for document in sample("en") for sentence in document.sentences][:2_000]
    documents = ["\n".join(sentences[first : first + 5]) for first in range(0, len(sentences), 5)]
    source.write_text("\n".join(json.dumps({"text": text}) for text in documents), encoding="utf-8")
    build_corpus([source], folder / "en", vocab_size=500)
    return folder


def test_every_row_is_a_recipe_and_every_run_a_row(corpora: Path, tmp_path: Path) -> None:
    terms, corpus = Terms(corpora, tmp_path, 1e6), Corpus.open(corpora / "en")
    recipes: dict[str, Any] = {name: recipe_of(terms, Job("en", name, 0), corpus, 1e6) for name in RUNS}
    assert set(runs_of(list(GROUPS))) == RUNS.keys()
    first = recipes["token"]
    assert [name for name, made in recipes.items() if made == first] == ["token", "part-dynamic", "bert-started"]
    # equal tokens: larger updates, fewer of them
    assert recipes["batch-256"].training.steps == pytest.approx(first.training.steps / 8, rel=0.1)


def told(name: str, seed: int, loss: float, language: str = "en") -> dict[str, Any]:
    return {
        "language": language, "name": name, "seed": seed, "budget": 3e6, "steps": 900, "tokens": 3_000_000,
        "seconds": 80.0, "parameters": 10, "held_out": {"loss": loss, "accuracy": 0.25},
        "held_out_words": {"loss": loss + 1, "accuracy": 0.2}, "probe": {"task": "topic", "accuracy": 0.8},
    }  # fmt: skip


def test_intervals_are_students() -> None:
    values = [4.9, 5.3, 5.2]
    low, high = stats.t.interval(0.95, 2, np.mean(values), stats.sem(values))
    found = Spread.of(values)
    assert (found.mean - found.half, found.mean + found.half) == pytest.approx((low, high), rel=1e-3)


def test_a_page_keeps_what_is_written_around_its_tables(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("Before.\n\n<!-- rates -->\nold\n<!-- end -->\n\nAfter.\n\n<!-- masks -->\n<!-- end -->\n")
    answers = [told("token", seed, 5 + seed / 10) for seed in range(3)]
    answers += [told("rate-40", seed, 4.5 + seed / 10) for seed in range(3)]
    write_report(answers, page)
    text = page.read_text()
    assert text.startswith("Before.\n\n<!-- rates -->") and "old" not in text
    assert text.endswith("<!-- end -->\n\nAfter.\n\n<!-- masks -->\n<!-- end -->\n")
    # the same difference with every seed: no spread, though each row has one
    assert "| 40 % | 3 | 900 | 4.600 ± 0.248 | -0.500 ± 0.000 | 25.00 ± 0.00 |" in text
    picture = (tmp_path / "pictures" / "bake-off-rates.svg").read_text()
    assert "40 % falling to 15 %" in picture and "English: held-out loss" in picture
    write_report(answers, page)
    assert page.read_text() == text and (tmp_path / "pictures" / "bake-off-rates.svg").read_text() == picture


class InTurn:
    """A pool of one: this process."""

    def __init__(self, *_: Any, **__: Any) -> None: ...

    def __enter__(self) -> "InTurn":
        return self

    def __exit__(self, *_: Any) -> None: ...

    def submit(self, run: Any, *arguments: Any) -> "Future[Any]":
        future: Future[Any] = Future()
        future.set_result(run(*arguments))
        return future


def test_runs_go_into_the_record_and_are_not_made_again(
    corpora: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(comparison.runs, "probe", lambda *_: {"task": "topic", "accuracy": 0.5, "texts": 2})
    monkeypatch.setattr(bake_off, "ProcessPoolExecutor", InTurn)
    record = tmp_path / "record.json"
    terms = Terms(corpora, tmp_path / "out", 8e3)
    monkeypatch.setattr(comparison.runs, "in_context", lambda *_: None)
    monkeypatch.setattr(comparison.runs, "senses", lambda *_: None)
    monkeypatch.setattr(comparison.pace, "STEPS", 1)
    first = [Job("en", name, 0) for name in ("token", "part-static-1", "bert", "gpt-time", "bags", "word2vec-time")]
    bake_off.train_all(terms, first, record, 1, silent)
    made = bake_off.read(record)
    assert list(made) == sorted(first)
    masked = [one for one in made.values() if "held_out" in one]
    assert [one["name"] for one in masked] == ["bert", "part-static-1", "token"]
    assert all(6e3 < one["tokens"] < 1e4 and 3 < one["held_out"]["loss"] < 8 for one in masked)
    pace = json.loads((tmp_path / "out" / "en" / "seconds-a-token.json").read_text())
    gpt = made[Job("en", "gpt-time", 0)]["tokens"]
    assert gpt == pytest.approx(8e3 * pace["bert"] / pace["gpt"], abs=32 * 128)
    monkeypatch.setattr(bake_off, "run", lambda _, job: told(job.name, job.seed, 5.0) | {"budget": 8e3})
    bake_off.train_all(terms, [*first, Job("en", "span", 1)], record, 1, silent)
    assert bake_off.read(record) == made | {Job("en", "span", 1): told("span", 1, 5.0) | {"budget": 8e3}}
    with pytest.raises(SystemExit, match="holds runs of 8000 tokens at size tiny, not 9000"):
        bake_off.train_all(terms._replace(tokens=9e3), first, record, 1, silent)
