"""The text of the corpus bench brings new words as a natural text does."""

import json
from pathlib import Path

import numpy as np

from maskwright.lab.bench import corpus
from maskwright.text.samples import sample
from maskwright.text.sentences import split_sentences


def test_new_words_come_as_heaps_law_says_and_old_ones_again(tmp_path: Path) -> None:
    corpus.write_text(tmp_path / "text", 3_000_000)
    known = {word for chapter in sample("en") for sentence in chapter.sentences for word in sentence.lower().split()}
    seen: dict[str, int] = {}
    words = told = 0
    growth: list[tuple[int, int]] = []
    for line in (tmp_path / "text").read_text().splitlines():
        text = json.loads(line)["text"]
        assert len(split_sentences(text, "en")) >= 0.8 * corpus.SENTENCES
        for word in text.lower().split():
            told += word in known
            words += 1
            if word not in known:
                seen[word] = seen.get(word, 0) + 1
        growth.append((words, len(seen)))
    assert told > 0.9 * words
    (few, then), (many, now) = growth[len(growth) // 8], growth[-1]
    assert abs(np.log(now / then) / np.log(many / few) - 0.49) < 0.05
    counts = sorted(seen.values(), reverse=True)
    assert counts[0] > 100 and counts[len(counts) // 2] < 20 and sum(counts) > 1.5 * len(counts)


def test_the_text_is_the_same_each_time(tmp_path: Path) -> None:
    for name in ("a", "b"):
        corpus.write_text(tmp_path / name, 200_000)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_each_made_up_word_has_its_own_spelling() -> None:
    assert len({corpus.spelled(number) for number in range(100_000)}) == 100_000
