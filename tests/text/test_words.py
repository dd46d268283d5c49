"""Word spans cover a text in order, and find the words they should."""

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskwright.errors import BadInput
from maskwright.text.samples import sample
from maskwright.text.words import CharacterSegmenter, RjiebaSegmenter, Segmenter, find_segmenter

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
