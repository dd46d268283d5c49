"""A word and its tag a line: CoNLL-2003 in both schemes, and files of one's own."""

from functools import partial
from pathlib import Path

import pytest

from maskwright.tasks.examples import Tagged
from maskwright.tasks.reading.columns import conll2003, tagged_lines
from maskwright.tasks.reading.faults import Faults
from tests.tasks.files import refused, written

IOB1 = """-DOCSTART- -X- O O

EU NNP I-NP I-ORG
rejects VBZ I-VP O
German JJ I-NP I-MISC
call NN I-NP O
. . O O

Bob NNP I-NP I-PER
Smith NNP I-NP I-PER
Ann NNP B-NP B-PER

-DOCSTART- -X- O O

LONDON NNP I-NP I-LOC
1996-08-30 CD I-NP O

"""
BIO = (
    IOB1.replace("I-ORG", "B-ORG")
    .replace("I-MISC", "B-MISC")
    .replace("I-LOC", "B-LOC")
    .replace("Bob NNP I-NP I-PER", "Bob NNP I-NP B-PER")
)


@pytest.mark.parametrize("content", [IOB1, BIO, IOB1.replace("\n", "\r\n"), BIO.rstrip("\n")])
def test_conll_becomes_bio_without_its_documents(tmp_path: Path, content: str) -> None:
    path = written(tmp_path, "eng.train", content)
    assert list(conll2003(path, Faults())) == [
        Tagged(("EU", "rejects", "German", "call", "."), ("B-ORG", "O", "B-MISC", "O", "O"), f"{path} line 3"),
        Tagged(("Bob", "Smith", "Ann"), ("B-PER", "I-PER", "B-PER"), f"{path} line 9"),
        Tagged(("LONDON", "1996-08-30"), ("B-LOC", "O"), f"{path} line 15"),
    ]


def test_a_b_that_iob1_does_not_allow_begins_an_entity_and_is_counted(tmp_path: Path) -> None:
    faults = Faults()
    path = written(tmp_path, "eng.train", IOB1 + "the DT I-NP O\nAtlanta NNP I-NP B-MISC\nGames NNPS I-NP I-MISC\n")
    assert list(conll2003(path, faults))[-1].tags == ("O", "B-MISC", "I-MISC")
    assert faults.quirks == {"sentences with tags in an order that IOB1 does not allow": 1}


def test_columns_of_ones_own(tmp_path: Path) -> None:
    path = written(tmp_path, "a.txt", "1\t曹\tB\n2\t操\tE\n3\t走\tS\n")
    (found,) = tagged_lines(path, Faults(), word=1, tag=2, joined=True)
    assert (found.words, found.tags, found.joined) == (("曹", "操", "走"), ("B", "E", "S"), True)
    (found,) = tagged_lines(path, Faults(), word=1, tag=None)
    assert found.tags is None


def test_parts_of_speech_are_no_scheme(tmp_path: Path) -> None:
    path = written(tmp_path, "a.txt", "Bob NNP\nleft VBD\n\nI PRP\n")
    assert [found.tags for found in tagged_lines(path, Faults())] == [("NNP", "VBD"), ("PRP",)]
    assert "a.txt has tags of no scheme known" in refused(partial(tagged_lines, into="BIO"), path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("Bob B-PER\nleft\n", "a.txt line 1: word 2 of its sentence, 'left', has 1 columns, and 2 are needed"),
        ("a O\n\nb B-PER\nc I-LOC\n", "a.txt has tags of BIO in an order that it does not allow: B-PER then I-LOC"),
    ],
)
def test_bad_sentences_are_named(tmp_path: Path, content: str, message: str) -> None:
    assert message in refused(tagged_lines, written(tmp_path, "a.txt", content))


def test_bad_sentences_are_skipped_and_listed(tmp_path: Path) -> None:
    path = written(tmp_path, "a.txt", "Bob B-PER\nSmith I-PER\n\nb B-PER\nc I-LOC\n\nAnn B-PER\nand\n\nJo B-PER\n")
    faults = Faults(skip=True)
    assert [found.words[0] for found in tagged_lines(path, faults)] == ["Bob", "Jo"]
    assert faults.skipped == 2
    assert "line 4: tag 2, I-LOC, may not follow B-PER in BIO" in faults.listed[0]


def test_a_scheme_that_is_given_is_held_to(tmp_path: Path) -> None:
    path = written(tmp_path, "a.txt", "Bob I-PER\n")
    assert "line 1: tag 1, I-PER, may not be the first in BIO" in refused(partial(tagged_lines, scheme="BIO"), path)
