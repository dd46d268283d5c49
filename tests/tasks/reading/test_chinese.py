"""ChnSentiCorp, LCQMC, MSRA's entities and SIGHAN's segmentation, in the forms that they are passed on in."""

from pathlib import Path

import pytest

from maskwright.tasks.examples import Labelled, Tagged
from maskwright.tasks.reading.faults import Faults
from maskwright.tasks.reading.msra import msra
from maskwright.tasks.reading.segmented import segmented
from maskwright.tasks.reading.tab_separated import chnsenticorp, lcqmc
from maskwright.tasks.schemes import words_of_tags
from tests.tasks.files import refused, written


@pytest.mark.parametrize(
    ("content", "label", "id"),
    [
        ('label\ttext_a\n1\t房间"很大。\n', "1", None),
        ('qid\tlabel\ttext_a\n0\t1\t房间"很大。\n', "1", "0"),
        ('qid\ttext_a\n0\t房间"很大。\n', None, "0"),
        ('1\t房间"很大。\n', "1", None),
    ],
)
def test_chnsenticorp(tmp_path: Path, content: str, label: str | None, id: str | None) -> None:
    (found,) = chnsenticorp(written(tmp_path, "train.tsv", content), Faults())
    assert found[:3] == ('房间"很大。', None, label)
    assert found.id == id


@pytest.mark.parametrize("header", ["", "text_a\ttext_b\tlabel\n"])
def test_lcqmc(tmp_path: Path, header: str) -> None:
    path = written(tmp_path, "train.txt", f"{header}怎么还款\t如何还钱\t1\n谁\t几点\t0\n")
    begun = 2 if header else 1
    assert list(lcqmc(path, Faults())) == [
        Labelled("怎么还款", "如何还钱", "1", f"{path} line {begun}"),
        Labelled("谁", "几点", "0", f"{path} line {begun + 1}"),
    ]


def test_rows_of_another_width_are_named(tmp_path: Path) -> None:
    path = written(tmp_path, "a.tsv", "怎么还款\t1\n")
    assert "a.tsv line 1 has 2 columns, and its table 3: text_a, text_b, label" in refused(lcqmc, path)


SENTENCE = tuple("王明在北京大学。"), ("B-PER", "I-PER", "O", "B-ORG", "I-ORG", "I-ORG", "I-ORG", "O")


@pytest.mark.parametrize(
    "content",
    [
        "".join(f"{character} {tag}\n" for character, tag in zip(*SENTENCE)) + "\n",
        "王 B-PER\n明 E-PER\n在 O\n北 B-ORG\n京 M-ORG\n大 M-ORG\n学 E-ORG\n。 O\n\n",
        "text_a\tlabel\n" + "\t".join("\2".join(column) for column in SENTENCE) + "\n",
        "王明/nr 在/o 北京大学/nt 。/o\n",
    ],
    ids=["BIO", "BMESO", "table", "words"],
)
def test_msra_in_all_its_forms_is_the_same(tmp_path: Path, content: str) -> None:
    (found,) = msra(written(tmp_path, "train.txt", content), Faults())
    assert (found.words, found.tags, found.joined) == (*SENTENCE, True)


def test_names_that_a_copy_of_msra_cut_are_read_and_counted(tmp_path: Path) -> None:
    faults = Faults()
    path = written(tmp_path, "train.txt", "梁 S-PER\n\n庆 M-PER\n庭 E-PER\n、 O\n王 B-PER\n")
    assert [found.tags for found in msra(path, faults)] == [("B-PER",), ("B-PER", "I-PER", "O", "B-PER")]
    assert faults.quirks == {"sentences with tags in an order that BMESO does not allow": 1}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("text_a\tlabel\n王\2明\tB-PER\n", "train.txt line 2 has 2 words and 1 tags: each word has one"),
        ("text_a\tlabel\n王\2明\tO\2I-PER\n", "line 2: tag 2, I-PER, may not follow O in BIO"),
        ("王明/nr\n在/x\n", "line 2: word 1, '在/x', is not a word, a bar, and one of nr, ns, nt, o"),
    ],
)
def test_bad_lines_of_msra_are_named(tmp_path: Path, content: str, message: str) -> None:
    assert message in refused(msra, written(tmp_path, "train.txt", content))


@pytest.mark.parametrize("between", ["  ", " ", "\u3000"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_words_of_sighan_are_parted_by_any_white_space(tmp_path: Path, between: str, end: str) -> None:
    words = [["却说", "曹操", "败", "走", "。"], ["“", "华容道", "”"]]
    content = end.join(between.join(line) + between for line in words) + end + end
    found = list(segmented(written(tmp_path, "msr_training.utf8", content), Faults()))
    assert [words_of_tags(one.words, one.tags or ()) for one in found] == words
    assert found[0][:2] == (tuple("却说曹操败走。"), ("B", "E", "B", "E", "S", "S", "S"))


def test_text_to_segment_has_no_tags(tmp_path: Path) -> None:
    path = written(tmp_path, "msr_test.utf8", "却说曹操。\n")
    assert list(segmented(path, Faults(), segmented=False)) == [
        Tagged(tuple("却说曹操。"), None, f"{path} line 1", joined=True)
    ]
