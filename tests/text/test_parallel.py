"""Pairs of sentences from files of each shape, and what is wrong with a file that has none."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from maskwright.errors import BadInput
from maskwright.text.inputs import find_inputs
from maskwright.text.parallel import Pair, pair_files, read_pairs

NAMES = "en", "zh"
DOCUMENTS = [
    [("It rained.", "下雨了。"), ("She smiled. He bowed.", "她笑了。他鞠躬。")],
    [("“Quoted”, he said.", "他说：“引文”。")],
    [("Again.", "又一次。"), ("", "没有英文。"), ("No Chinese.", "")],
]
BLANK = "\n\n"
ONE = {
    "plain.tsv": BLANK.join("\n".join(map("\t".join, document)) for document in DOCUMENTS) + "\n",
    "header.tsv": "zh\tdocument\tnote\ten\n"
    + "".join(f"{zh}\t{number}\tx\t{en}\n" for number, document in enumerate(DOCUMENTS) for en, zh in document),
    "blank.jsonl": BLANK.join(
        "\n".join(json.dumps({"id": 1, "zh": zh, "en": en or None}) for en, zh in document) for document in DOCUMENTS
    ),
    "named.jsonl": "".join(
        json.dumps({"en": en, "zh": zh, "document": number}, ensure_ascii=False) + "\r\n"
        for number, document in enumerate(DOCUMENTS)
        for en, zh in document
    ),
}


def read(*paths: Path) -> list[Pair]:
    return [pair for file in pair_files(find_inputs(paths)) for pair in read_pairs(file, NAMES)]


def documents(pairs: list[Pair]) -> list[list[tuple[str, str]]]:
    found: list[list[tuple[str, str]]] = []
    for pair in pairs:
        if pair.begins:
            found.append([])
        found[-1].append(pair.sides)
    return found


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("name", ONE)
def test_pairs_of_one_file_are_read_back(tmp_path: Path, name: str, packed: bool) -> None:
    content = ONE[name].encode()
    path = tmp_path / (name + ".gz" * packed)
    path.write_bytes(gzip.compress(content) if packed else content)
    pairs = read(path)
    assert documents(pairs) == DOCUMENTS
    lines = ONE[name].split("\n")
    for pair in pairs:
        assert all(side in lines[pair.line - 1] or "\\u" in lines[pair.line - 1] for side in pair.sides)


def test_pairs_of_two_files_are_read_back(tmp_path: Path) -> None:
    paths = [tmp_path / f"corpus.{name}" for name in NAMES]
    for side, path in enumerate(paths):
        path.write_text(BLANK.join("\n".join(pair[side] for pair in document) for document in DOCUMENTS) + "\n")
    pairs = read(*paths)
    assert documents(pairs) == DOCUMENTS
    assert [pair.line for pair in pairs] == [1, 2, 4, 6, 7, 8]
    paths[0].write_text(paths[0].read_text() + "\n \n")  # an editor's empty lines at the end
    assert documents(read(*paths)) == DOCUMENTS


def test_white_space_is_collapsed_and_a_sentence_is_what_the_row_holds(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    path.write_text('One.  Two! \t "一" \n \t \n"Three\t三"\n')
    assert documents(read(path)) == [[("One. Two!", '"一"')], [('"Three', '三"')]]


def test_each_file_begins_a_document(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / f"{name}.tsv").write_text("same\t一样\n")
    assert documents(read(tmp_path)) == [[("same", "一样")]] * 2


def refusal(call: Callable[[], object]) -> str:
    with pytest.raises(BadInput) as caught:
        call()
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.tsv", "x\t一\n\nalone\n", "a.tsv line 3 has no tab"),
        ("a.tsv", "x\t一\ny\t二\tz\n", "a.tsv line 2 has 3 columns, and the rows before it 2"),
        ("a.tsv", "id\ten\tfr\n1\tx\ty\n", "a.tsv line 1 has 3 columns, none of them named zh: give two, or name"),
        ("a.tsv", "id\ten\tzh\n1\tx\n", "a.tsv line 2 has 2 columns, and the rows before it 3"),
        ("a.jsonl", '{"en": "x", "zh": "一"}\n{"en": "y"}\n', 'a.jsonl line 2 has no "zh" (it has en)'),
        ("a.jsonl", '{"en": "x", "zh": ["一"]}\n', 'a.jsonl line 1 has a "zh" that is not a string'),
        ("a.jsonl", '{"en": "x", "zh": "\\ud800"}\n', "half of a surrogate pair"),
        ("a.jsonl", "en zh\n", "a.jsonl line 1 is not JSON"),
        ("a.csv", "en,zh\nx,y\n", "a.csv is no file of pairs"),
        ("a.txt", "x\ty\n", "a.txt has no other side"),
    ],
)
def test_one_line_says_what_is_wrong_with_a_file(tmp_path: Path, name: str, content: str, message: str) -> None:
    (tmp_path / name).write_text(content)
    assert message in refusal(lambda: read(tmp_path / name))


def test_files_that_do_not_align_are_named_with_their_lines(tmp_path: Path) -> None:
    en, zh = tmp_path / "a.en", tmp_path / "a.zh"
    ten, nine = "".join(f"{n}\n" for n in range(10)), "".join(f"{n}\n" for n in range(9))
    for first, second, short, long in ((ten, nine, zh, en), (nine, ten, en, zh)):
        en.write_text(first)
        zh.write_text(second)
        assert f"{short} ends with line 9, where {long} goes on with line 10" in refusal(lambda: read(en, zh))


def test_two_sides_in_a_folder_are_not_guessed_to_belong_together(tmp_path: Path) -> None:
    for name in ("a.en.txt", "a.zh.txt"):
        (tmp_path / name).write_text("x\n")
    assert "name it and its other side, not their folder" in refusal(lambda: read(tmp_path))
