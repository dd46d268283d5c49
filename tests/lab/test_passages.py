"""Passages: every sentence once, in order, whole, within the limit, never over two chapters."""

from itertools import pairwise

import numpy as np
import pytest

from maskwright.lab.passages import Chapter, cut_passages
from maskwright.text.samples import sample
from maskwright.tokenizers.wordpiece import WordPiece


@pytest.fixture(scope="module")
def tokenizer():
    return WordPiece.train([text for chapter in sample("en")[50:60] for text in chapter.sentences], 1_000)


@pytest.mark.parametrize("limit", [20, 64, 128])
def test_passages_are_the_chapters_again(tokenizer, limit):
    chapters = [Chapter(*chapter) for chapter in sample("en")[50:54]]
    made = cut_passages(chapters, tokenizer, limit)
    left_out = 0
    for chapter in chapters:
        short = [text for text in chapter.sentences if len(tokenizer.encode_pair(text).ids) <= limit]
        left_out += len(chapter.sentences) - len(short)
        mine = [passage for passage in made.passages if passage.chapter == chapter.title]
        assert " ".join(passage.text for passage in mine) == " ".join(short)
        assert {passage.part for passage in mine} == {chapter.part}
    assert made.left_out == left_out
    lengths = np.array([len(tokenizer.encode_pair(passage.text).ids) for passage in made.passages])
    assert lengths.max() <= limit and np.median(lengths) > 0.6 * limit


def test_a_passage_takes_all_that_fits(tokenizer):
    chapters = [Chapter(*chapter) for chapter in sample("en")[50:52]]
    passages = cut_passages(chapters, tokenizer, 128).passages
    for this, following in pairwise(passages):
        if this.chapter == following.chapter:
            whole = len(tokenizer.encode_pair(this.text).ids) + len(tokenizer.encode_pair(following.text).ids) - 2
            assert whole > 128


def test_chinese_sentences_stand_beside_each_other_without_blanks():
    chapter = Chapter(*sample("zh")[0])
    tokenizer = WordPiece.train(chapter.sentences, 2_000)
    made = cut_passages([chapter], tokenizer, 128, joint="")
    assert "".join(passage.text for passage in made.passages) == "".join(chapter.sentences)
    assert not any(" " in passage.text for passage in made.passages)
