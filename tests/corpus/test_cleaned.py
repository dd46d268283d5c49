"""Cleaning as a part of a build: what is left reads back exactly, and the account tells of the rest."""

import json
from pathlib import Path

import pytest

from maskwright.cli import main
from maskwright.corpus.build import build_corpus
from maskwright.corpus.read import Corpus
from maskwright.errors import BadInput
from maskwright.text.cleaning.cleaner import CleaningConfig
from maskwright.text.samples import sample
from maskwright.text.sentences import split_sentences
from maskwright.tokenizers.wordpiece import WordPiece

CHAPTERS = [" ".join(chapter.sentences[:12]) for chapter in sample("en")[:24]]


@pytest.fixture(scope="module")
def tokenizer() -> WordPiece:
    return WordPiece.train(CHAPTERS, 1500)


def rows(path: Path, texts: list[str]) -> Path:
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    return path


def texts(corpus: Corpus) -> list[list[str]]:
    """Of all documents, by their place in the file."""
    found = {
        int(split.document_name(d).rpartition(":")[2]): split.document_text(d)
        for split in (corpus.train, corpus.held_out)
        for d in range(split.num_documents)
    }
    return [found[line] for line in sorted(found)]


def test_a_corpus_reads_back_to_exactly_the_cleaned_text(tokenizer: WordPiece, tmp_path: Path) -> None:
    given = [text.replace("the", "ｔｈｅ").replace(". ", ".\u200b ") for text in CHAPTERS]
    cleaning = CleaningConfig(controls=True, width="letters")
    made = build_corpus([rows(tmp_path / "t.jsonl", given)], tmp_path / "c", tokenizer=tokenizer, cleaning=cleaning)
    assert texts(made) == [split_sentences(text, "en") for text in CHAPTERS]
    steps = made.manifest.cleaning.steps
    assert steps["width"].characters == 3 * sum(text.count("the") for text in CHAPTERS)
    assert steps["controls"].characters == sum(text.count(". ") for text in CHAPTERS)
    assert made.manifest.libraries.keys() == {"unicodedata"}
    card = (made.path / "README.md").read_text()
    assert "| width | 24 |" in card and "ｔｈｅ" in card


@pytest.mark.parametrize(("kind", "left"), [("none", 27), ("exact", 25), ("near", 24)])
def test_duplicates_stay_out_whoever_works(tokenizer: WordPiece, tmp_path: Path, kind: str, left: int) -> None:
    nearly = CHAPTERS[3].replace("was", "is", 1)
    path = rows(tmp_path / "t.jsonl", [*CHAPTERS, CHAPTERS[0].upper(), CHAPTERS[5], nearly])
    cleaning = CleaningConfig.model_validate({"duplicates": kind})
    for workers in (1, 2):
        made = build_corpus(
            [path], tmp_path / f"c{workers}", tokenizer=tokenizer, cleaning=cleaning, workers=workers, held_out=0.1
        )
        assert len(texts(made)) == left
        assert texts(made)[:24] == [split_sentences(text, "en") for text in CHAPTERS]
    assert (tmp_path / "c1" / "manifest.json").read_bytes() == (tmp_path / "c2" / "manifest.json").read_bytes()
    account = made.manifest.cleaning
    assert (account.documents, account.kept_documents) == (27, left)
    exact = account.steps.get("exact duplicates")
    assert (exact.dropped_documents if exact else 0) == (0 if kind == "none" else 2)
    if kind == "near":
        assert "t.jsonl:27" in account.steps["near duplicates"].examples[0]
    assert made.manifest.duplicates == (1 if kind == "none" else 0)  # upper case is another text, and the same to them


def test_nothing_left_says_which_step_took_it(tokenizer: WordPiece, tmp_path: Path) -> None:
    path = rows(tmp_path / "t.jsonl", CHAPTERS)
    with pytest.raises(BadInput, match="cleaning left none of 24 documents; most went by length .24, such as"):
        build_corpus([path], tmp_path / "c", tokenizer=tokenizer, cleaning=CleaningConfig(min_characters=10**6))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["t.jsonl"]


def test_cleaning_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = rows(tmp_path / "t.jsonl", [*CHAPTERS, CHAPTERS[0]])
    line = ["corpus", str(path), "--out", str(tmp_path / "c"), "--vocab-size", "600", "--workers", "1"]
    assert main([*line, "--clean.duplicates", "exact", "--clean.controls", "true", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["cleaning"]["exact duplicates"].startswith("1 documents")
    assert main([*line, "--clean.duplicates", "near", "--json"]) == 2
    assert "holds another corpus" in capsys.readouterr().err
    assert main(["corpus", "head", str(tmp_path / "c"), "--documents", "2"]) == 0
    assert CHAPTERS[0].split(".")[0] in capsys.readouterr().out
    assert main(["corpus", "verify", str(tmp_path / "c")]) == 0
    shard = next((tmp_path / "c").glob("train-*.arrow"))
    shard.write_bytes(shard.read_bytes().replace(b"e", b"f", 1))
    assert main(["corpus", "verify", str(tmp_path / "c")]) == 2
    assert str(shard) in capsys.readouterr().err


def test_what_the_text_column_is_called(tokenizer: WordPiece, tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text("".join(json.dumps({"body": text}) + "\n" for text in CHAPTERS))
    with pytest.raises(BadInput, match=r"t\.jsonl line 1 .*body"):
        build_corpus([path], tmp_path / "c", tokenizer=tokenizer)
    assert len(texts(build_corpus([path], tmp_path / "c", tokenizer=tokenizer, column="body"))) == 24


def test_documents_without_text_are_counted(tokenizer: WordPiece, tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in (*CHAPTERS[:3], None, "  ", CHAPTERS[3])))
    made = build_corpus([path], tmp_path / "c", tokenizer=tokenizer)
    assert len(texts(made)) == 4
    lost = made.manifest.dropped["documents without text"]
    assert (lost.count, lost.examples) == (2, ("t.jsonl:4", "t.jsonl:5"))
