"""GLUE's tables, written as they are distributed, with what is odd in each."""

from pathlib import Path

import pytest

from maskwright.tasks.examples import Example, Labelled
from maskwright.tasks.reading.faults import Faults
from maskwright.tasks.suites import read_split
from tests.tasks.files import refusal, written

MNLI = (
    "index\tpromptID\tpairID\tgenre\tsentence1_binary_parse\tsentence2_binary_parse\tsentence1_parse\tsentence2_parse"
)
PARSES = "( a b )\t( c d )\t(ROOT (S))\t(ROOT (NP))"
MSR = "Quality\t#1 ID\t#2 ID\t#1 String\t#2 String"
QQP = "id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate\n"


def read(folder: Path, name: str, split: str, faults: Faults | None = None) -> list[tuple[object, ...]]:
    """(text, pair, label, id) of each example."""
    found = read_split(f"glue:{name}", folder, split, faults or Faults())
    return [(it.text, it.pair, it.label, it.id) for it in found if isinstance(it, Labelled)]


def test_cola_has_no_header_but_in_its_test_file(tmp_path: Path) -> None:
    written(tmp_path, "train.tsv", 'gj04\t1\t\tThe rain fell.\r\ncj99\t0\t*\tRain the "fell.\n')
    written(tmp_path, "test.tsv", "index\tsentence\n0\tShe smiled.\n")
    assert read(tmp_path, "cola", "train") == [
        ("The rain fell.", None, "1", None),
        ('Rain the "fell.', None, "0", None),
    ]
    assert read(tmp_path, "cola", "test") == [("She smiled.", None, None, "0")]


def test_sst2_keeps_the_space_behind_its_sentences(tmp_path: Path) -> None:
    written(tmp_path, "dev.tsv", "sentence\tlabel\nit 's a charming film . \t1\n`` unflinching '' , \"they said \t0\n")
    assert read(tmp_path, "sst2", "dev") == [
        ("it 's a charming film . ", None, "1", None),
        ("`` unflinching '' , \"they said ", None, "0", None),
    ]


def test_marks_of_quotation_are_marks_like_others(tmp_path: Path) -> None:
    rows = '0\t"He left.\tHe "stayed".\tentailment\n1\tNo"\t"Yes"\tnot_entailment\n'
    for name, header in (
        ("rte", "index\tsentence1\tsentence2\tlabel\n"),
        ("qnli", "index\tquestion\tsentence\tlabel\n"),
    ):
        written(tmp_path / name, "train.tsv", header + rows)
        assert read(tmp_path / name, name, "train") == [
            ('"He left.', 'He "stayed".', "entailment", "0"),
            ('No"', '"Yes"', "not_entailment", "1"),
        ]


def test_stsb_is_a_number(tmp_path: Path) -> None:
    header = "index\tgenre\tfilename\tyear\told_index\tsource1\tsource2\tsentence1\tsentence2"
    row = "0\tmain-captions\tMSRvid\t2012test\t0001\tnone\tnone\tA plane.\tAn air plane."
    written(tmp_path, "train.tsv", f"{header}\tscore\n{row}\t5.000\n")
    written(tmp_path, "test.tsv", f"{header}\n{row}\n")
    assert read(tmp_path, "stsb", "train") == [("A plane.", "An air plane.", 5.0, "0")]
    assert read(tmp_path, "stsb", "test") == [("A plane.", "An air plane.", None, "0")]


def test_torn_rows_of_qqp_are_passed_over_and_counted(tmp_path: Path) -> None:
    written(
        tmp_path,
        "train.tsv",
        QQP + '1\t3\t4\tWhy is it?\tHow so?\t0\n2\t5\t6\tWhat is\nthis?\tAnd "that?\t1\n3\t7\t8\tWho?\t\t0\n',
    )
    faults = Faults()
    assert read(tmp_path, "qqp", "train", faults) == [("Why is it?", "How so?", "0", "1"), ("Who?", "", "0", "3")]
    assert faults.quirks == {"rows torn by a line end in a question": 2, "texts that are empty": 1}
    assert faults.skipped == 0
    written(tmp_path, "test.tsv", "id\tquestion1\tquestion2\n0\tWhy?\tHow?\n")
    assert read(tmp_path, "qqp", "test") == [("Why?", "How?", None, "0")]


def test_mnli_is_matched_and_mismatched_and_has_five_labels_in_development(tmp_path: Path) -> None:
    written(
        tmp_path,
        "train.tsv",
        f"{MNLI}\tsentence1\tsentence2\tlabel1\tgold_label\n0\t1\t1n\tfiction\t{PARSES}\tA b\tC d\tneutral\tneutral\n",
    )
    five = "\t".join(f"label{number}" for number in range(1, 6))
    for part in ("matched", "mismatched"):
        votes = "neutral\t" * 3 + "contradiction\t" * 2
        written(
            tmp_path,
            f"dev_{part}.tsv",
            f"{MNLI}\tsentence1\tsentence2\t{five}\tgold_label\n9\t1\t1n\t{part}\t{PARSES}\tA\tB\t{votes}neutral\n",
        )
        written(tmp_path, f"test_{part}.tsv", f"{MNLI}\tsentence1\tsentence2\n7\t1\t1n\t{part}\t{PARSES}\tE\tF\n")
    assert read(tmp_path, "mnli", "train") == [("A b", "C d", "neutral", "0")]
    assert read(tmp_path, "mnli", "dev") == read(tmp_path, "mnli", "dev_mismatched") == [("A", "B", "neutral", "9")]
    assert read(tmp_path, "mnli", "test_mismatched") == [("E", "F", None, "7")]


def test_mrpc_as_glue_makes_it(tmp_path: Path) -> None:
    written(tmp_path, "dev.tsv", f'\ufeff{MSR}\n1\t11\t12\tHe said "no\tHe denied"\n')
    written(tmp_path, "test.tsv", "index\t#1 ID\t#2 ID\t#1 String\t#2 String\n0\t21\t22\tA\tB\n")
    assert read(tmp_path, "mrpc", "dev") == [('He said "no', 'He denied"', "1", None)]
    assert read(tmp_path, "mrpc", "test") == [("A", "B", None, "0")]


def test_mrpc_as_microsoft_has_it_is_parted_by_the_list_of_pairs(tmp_path: Path) -> None:
    rows = "".join(f"{n % 2}\t{n}\t{n + 50}\tA {n}\tB {n}\r\n" for n in range(1, 6))
    written(tmp_path, "msr_paraphrase_train.txt", f"\ufeff{MSR}\r\n{rows}")
    written(tmp_path, "msr_paraphrase_test.txt", f"\ufeff{MSR}\r\n1\t7\t8\tC\tD\r\n")
    assert len(read(tmp_path, "mrpc", "train")) == 5
    written(tmp_path, "dev_ids.tsv", "2\t52\n5\t55\n")
    assert [text for text, *_ in read(tmp_path, "mrpc", "train")] == ["A 1", "A 3", "A 4"]
    assert [text for text, *_ in read(tmp_path, "mrpc", "dev")] == ["A 2", "A 5"]
    assert read(tmp_path, "mrpc", "test") == [("C", "D", "1", None)]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "wnli",
            "index\tsentence1\tsentence2\tlabel\n0\ta\tb\t2\n",
            "train.tsv line 2 has the label '2'; there are 0, 1",
        ),
        (
            "wnli",
            "index\tsentence1\tlabel\n0\ta\t1\n",
            "no column 'sentence2': its columns are index, sentence1, label",
        ),
        ("wnli", "index\tsentence1\tsentence2\n0\ta\tb\n", "train.tsv line 2 does not say what is right"),
        ("wnli", "index\tsentence1\tsentence2\tlabel\n0\ta\tb\n", "train.tsv line 2 has 3 columns, and its table 4"),
        ("cola", "x\t1\tThe rain.\n", "train.tsv line 1 has 3 columns, and its table 4: source, label, mark, sentence"),
        (
            "stsb",
            "index\tsentence1\tsentence2\tscore\n0\ta\tb\tnan\n",
            "'nan' in its column 'score', which is no finite",
        ),
        (
            "stsb",
            "index\tsentence1\tsentence2\tscore\n0\ta\tb\thigh\n",
            "'high' in its column 'score', which is no number",
        ),
    ],
)
def test_bad_rows_are_named(tmp_path: Path, name: str, content: str, message: str) -> None:
    written(tmp_path, "train.tsv", content)
    assert message in refusal(lambda: read(tmp_path, name, "train"))


def test_bad_rows_are_listed_when_they_are_skipped(tmp_path: Path) -> None:
    written(tmp_path, "train.tsv", "index\tsentence1\tsentence2\tlabel\n0\ta\tb\t1\n1\ta\n2\tc\td\t7\n3\te\tf\t0\n")
    faults = Faults(skip=True)
    assert [it[3] for it in read(tmp_path, "wnli", "train", faults)] == ["0", "3"]
    assert faults.skipped == 2
    assert ["line 3 has 2 columns" in faults.listed[0], "line 4 has the label '7'" in faults.listed[1]] == [True, True]


def test_examples_come_one_by_one(tmp_path: Path) -> None:
    path = written(tmp_path, "train.tsv", "index\tsentence1\tsentence2\tlabel\n" + "0\ta\tb\t1\n" * 3 + "torn\n")
    examples = read_split("glue:wnli", path.parent, "train", Faults())
    first: Example = next(examples)
    assert first == Labelled("a", "b", "1", f"{path} line 2", "0")
