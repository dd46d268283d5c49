"""Words against counting by hand, the `tokenizers` library and transformers."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer as Library
from tokenizers.pre_tokenizers import BertPreTokenizer

from maskwright.errors import BadInput
from maskwright.text.samples import sample
from maskwright.text.words import RjiebaSegmenter
from maskwright.tokenizers.words import Words, WordsOptions


def lines(language: str) -> list[str]:
    return [sentence for document in sample(language) for sentence in document.sentences]


@pytest.fixture(scope="module")
def english() -> Words:
    return Words.train(lines("en")[:6000], 3000)


@pytest.fixture(scope="module")
def chinese() -> Words:
    return Words.train(lines("zh")[:3000], 3000, segmenter=RjiebaSegmenter())


def test_the_vocabulary_is_the_most_frequent_words(english: Words) -> None:
    counts = Counter(
        word for line in lines("en")[:6000] for word, _ in BertPreTokenizer().pre_tokenize_str(line.lower())
    )
    assert english.tokens[0] == "<unk>" and english.vocab_size == 3000
    wanted = sorted(counts, key=lambda word: (-counts[word], word))[:2999]
    assert list(english.tokens[1:]) == wanted


def test_the_chinese_vocabulary_is_the_segmenters(chinese: Words) -> None:
    segmenter = RjiebaSegmenter()
    counts = Counter(line[a:b] for line in lines("zh")[:3000] for a, b in segmenter.spans(line))
    best = [word for word, _ in counts.most_common(200) if len(word) > 1 and word.isalpha()]
    assert len(best) > 30 and set(best) <= set(chinese.tokens)
    encoded = chinese.encode_sentences(["黄巾，曹操"], segmenter)
    assert [chinese.id_to_token(i) for i in encoded.token_ids] == ["黄巾", "，", "曹操"]
    assert encoded.word_starts.all()


def library_of(tokenizer: Words) -> Library:
    data = json.loads(tokenizer.files()["tokenizer.json"])
    return Library.from_str(json.dumps({**data, "added_tokens": []}))


def test_ids_equal_the_librarys_on_real_lines(english: Words, chinese: Words) -> None:
    """For segmented Chinese the library is given the words with spaces between them."""
    texts = lines("en")[5000:8000]
    wanted = library_of(english).encode_batch(texts)
    assert english.encode_sentences(texts).token_ids.tolist() == [i for row in wanted for i in row.ids]
    segmenter, texts = RjiebaSegmenter(), lines("zh")[3000:4000]
    wanted = library_of(chinese).encode_batch([" ".join(t[a:b] for a, b in segmenter.spans(t)) for t in texts])
    assert chinese.encode_sentences(texts, segmenter).token_ids.tolist() == [i for row in wanted for i in row.ids]


@given(st.lists(st.text(st.sampled_from("aAé1 \t\n中文語。，'-\u3000\u0301ßİ🙂<unk>"), max_size=30), max_size=4))
def test_ids_equal_the_librarys_on_any_text(texts: list[str]) -> None:
    for chinese in (True, False):
        tokenizer = Words(["<unk>", "a", "中", "中文", "unk", "é"], WordsOptions(tokenize_chinese_chars=chinese))
        wanted = library_of(tokenizer).encode_batch(texts)
        assert tokenizer.encode_sentences(texts).token_ids.tolist() == [i for row in wanted for i in row.ids]
        words = [tokenizer.encode_pair(text, special_in_text=False) for text in texts]
        assert [i for row in words for i in row.ids.tolist()] == [i for row in wanted for i in row.ids]


def test_unknown_words_are_named() -> None:
    unknown: list[tuple[int, str]] = []
    Words(["<unk>", "a"]).encode_sentences(["a xyz <unk>", "b"], unknown=unknown)
    assert unknown == [(0, "xyz"), (0, "<"), (0, "unk"), (0, ">"), (1, "b")]


def test_transformers_loads_what_we_save(english: Words, tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    english.save(tmp_path / "t")
    stock = transformers.AutoTokenizer.from_pretrained(tmp_path / "t")
    texts = lines("en")[:200]
    assert [row.ids.tolist() for row in english.encode_pairs(texts)] == stock(texts)["input_ids"]
    assert Words.load(tmp_path / "t").fingerprint == english.fingerprint


@pytest.mark.parametrize(
    ("keys", "value"),
    [
        (("model", "vocab"), {"a": 0}),
        (("model", "vocab", "the"), 0),
        (("model", "unk_token"), "the"),
        (("normalizer", "strip_accents"), True),
        (("normalizer", "lowercase"), "yes"),
        (("normalizer",), {"type": "Lowercase"}),
        (
            ("pre_tokenizer",),
            {"type": "Split", "pattern": {"Regex": "^(a+)+$"}, "behavior": "Isolated", "invert": False},
        ),
        (("post_processor",), {"type": "ByteLevel"}),
        (("added_tokens", 0, "content"), "<extra>"),
    ],
)
def test_what_is_not_ours_is_refused(english: Words, tmp_path: Path, keys: tuple[Any, ...], value: Any) -> None:
    english.save(tmp_path / "t")
    path = tmp_path / "t" / "tokenizer.json"
    data = inner = json.loads(path.read_text())
    for key in keys[:-1]:
        inner = inner[key]
    inner[keys[-1]] = value
    path.write_text(json.dumps(data))
    with pytest.raises(BadInput, match=r"tokenizer\.json") as caught:
        Words.load(path)
    assert "\n" not in str(caught.value)


def test_training_on_nothing_is_refused() -> None:
    with pytest.raises(BadInput, match="no vocabulary from this text"):
        Words.train(["once upon"], 100)
