"""Word spans cover a text in order, and find the words they should."""

import hashlib
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskwright.errors import BadInput
from maskwright.text.samples import sample
from maskwright.text.words import CharacterSegmenter, RjiebaSegmenter, Segmenter, as_segmenter, find_segmenter

SEGMENTERS = [CharacterSegmenter(), RjiebaSegmenter()]


@pytest.mark.parametrize("segmenter", SEGMENTERS, ids=lambda one: one.name)
@given(text=st.one_of(st.text(), st.text(st.sampled_from("使用语言模型A b1.。\n\u3000é🙂\u200d_"))))
def test_spans_cover_everything_but_white_space(segmenter: Segmenter, text: str) -> None:
    covered = [False] * len(text)
    end = 0
    for begin, end_of_word in segmenter.spans(text):
        assert end <= begin < end_of_word <= len(text)
        end = end_of_word
        covered[begin:end] = [True] * (end - begin)
        assert text[begin:end].strip()
    assert "".join(c for c, inside in zip(text, covered, strict=True) if not inside).strip() == ""


def test_words_of_both_scripts() -> None:
    text = "使用语言模型来预测下一个词的probability。"
    words = [text[begin:end] for begin, end in find_segmenter("rjieba").spans(text)]
    assert words == "使用 语言 模型 来 预测 下 一个 词 的 probability 。".split()
    characters = [text[begin:end] for begin, end in find_segmenter("characters").spans(text)]
    assert characters == [*"使用语言模型来预测下一个词的", "probability", "。"]


def test_a_real_book_has_words_of_more_than_one_character() -> None:
    """Names of the Romance are words; between a quarter and a half of all words have two characters or more."""
    segmenter = RjiebaSegmenter()
    text = "".join(sample("zh")[0].sentences)
    words = [text[begin:end] for begin, end in segmenter.spans(text)]
    assert {"玄德", "张飞", "黄巾", "天下"} <= set(words)
    assert 0.25 < sum(len(word) > 1 for word in words) / len(words) < 0.5
    assert segmenter.version.count(".") >= 1


def test_without_rjieba_characters_are_the_words(monkeypatch: pytest.MonkeyPatch) -> None:
    assert find_segmenter().name == find_segmenter("auto").name == "rjieba"
    monkeypatch.setitem(sys.modules, "rjieba", None)
    assert find_segmenter("auto").name == "characters"
    with pytest.raises(BadInput, match=r"pip install 'maskwright\[zh\]'"):
        find_segmenter("rjieba")
    with pytest.raises(BadInput, match="'jieba' is not known: there are auto, characters, rjieba"):
        find_segmenter("jieba")


def test_words_of_a_dictionary_are_words(tmp_path: Path) -> None:
    path = tmp_path / "words.txt"
    path.write_text("\ufeff奥德赛号\n语言模型 1000 n\n\n机械降神 5\n云海关 nz\n", encoding="utf-8")
    text = "使用语言模型的奥德赛号机械降神云海关"
    segmenter = find_segmenter("rjieba", path)
    found = {text[begin:end] for begin, end in segmenter.spans(text)}
    assert {"奥德赛号", "语言模型", "机械降神", "云海关"} <= found
    assert segmenter.dictionary == hashlib.sha256(path.read_bytes()).hexdigest()
    plain = {text[begin:end] for begin, end in find_segmenter("rjieba").spans(text)}
    assert "语言模型" not in plain and find_segmenter("rjieba").dictionary == ""


@pytest.mark.parametrize("line", ["语言 模型 词", "语言 0", "语言 -3 n", "语言 5 n 多", "语言 1.5", f"语言 {2**40}"])
def test_malformed_lines_of_a_dictionary_are_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "words.txt"
    path.write_text(f"好词\n{line}\n", encoding="utf-8")
    with pytest.raises(BadInput, match="line 2") as caught:
        RjiebaSegmenter(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(("data", "message"), [(b"\xff", "byte 0"), (b"\n\n", "no words"), (None, "cannot be read")])
def test_what_is_no_dictionary(tmp_path: Path, data: bytes | None, message: str) -> None:
    if data is not None:
        (tmp_path / "words.txt").write_bytes(data)
    with pytest.raises(BadInput, match=message):
        find_segmenter("auto", tmp_path / "words.txt")
    with pytest.raises(BadInput, match="take no dictionary"):
        find_segmenter("characters", tmp_path / "words.txt")


def test_a_segmenter_of_ones_own_is_named_by_module_and_attribute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine.py").write_text(
        "def pairs(text):\n    return [(i, min(i + 2, len(text))) for i in range(0, len(text), 2)]\n\n\n"
        "class Whole:\n    version = '1.5'\n    def spans(self, text):\n        return [(0, len(text))]\n\n\n"
        "whole = Whole()\nnumber = 3\ndef wrong(text):\n    return [(1, 1)]\n"
        "def other(text):\n    return text.split()\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    pairs = find_segmenter("mine:pairs")
    assert (pairs.name, pairs.spans("语言模型词")) == ("mine:pairs", [(0, 2), (2, 4), (4, 5)])
    for name in ("mine:Whole", "mine:whole"):
        assert (find_segmenter(name).version, find_segmenter(name).spans("语言")) == ("1.5", [(0, 2)])
    for name, message in (
        ("mine:nothing", "cannot be imported"),
        ("nowhere:pairs", "cannot be imported"),
        (":pairs", "cannot be imported"),
        ("mine:number", "maps no string to spans"),
    ):
        with pytest.raises(BadInput, match=message):
            find_segmenter(name)
    for name, message in (("mine:wrong", r"span \(1, 1\)"), ("mine:other", "a span is")):
        with pytest.raises(BadInput, match=message):
            find_segmenter(name).spans("语言 模型")


def test_a_function_is_a_segmenter_too() -> None:
    assert as_segmenter(lambda text: [(0, len(text))], "whole").spans("语言") == [(0, 2)]
    assert as_segmenter(SEGMENTERS[0]) is SEGMENTERS[0]
