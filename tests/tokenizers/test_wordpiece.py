"""WordPiece against Google's own test vectors, brute force, the `tokenizers` library and transformers."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from maskwright.errors import BadInput
from maskwright.text.samples import sample
from maskwright.tokenizers.files import SPECIAL_TOKENS
from maskwright.tokenizers.wordpiece import WordPiece, WordPieceOptions

GOOGLE = ["want", "##want", "##ed", "wa", "un", "runn", "##ing", ","]


def lines(language: str) -> list[str]:
    return [sentence for document in sample(language) for sentence in document.sentences]


@pytest.fixture(scope="module")
def english() -> WordPiece:
    return WordPiece.train(lines("en")[:6000], 3000)


@pytest.fixture(scope="module")
def chinese() -> WordPiece:
    return WordPiece.train(lines("zh")[:6000], 2500)


def pieces(tokenizer: WordPiece, text: str) -> list[str]:
    encoded = tokenizer.encode_sentences([text])
    found = [tokenizer.id_to_token(int(i)) for i in encoded.token_ids]
    assert found == list(tokenizer.encode_pair(text, special_in_text=False).tokens[1:-1])
    return found


# google-research/bert, tokenization_test.py
@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("UNwant\u00e9d,running", "un ##want ##ed , runn ##ing"),
        ("unwanted running", "un ##want ##ed runn ##ing"),
        ("unwantedX running", "[UNK] runn ##ing"),
        ("", ""),
    ],
)
def test_googles_wordpiece_vectors(text: str, wanted: str) -> None:
    assert pieces(WordPiece([*SPECIAL_TOKENS, *GOOGLE]), text) == wanted.split()


@pytest.mark.parametrize(
    ("lowercase", "text", "wanted"),
    [
        (True, " \tHeLLo!how  \n Are yoU?  ", "hello ! how are you ?"),
        (True, "H\u00e9llo", "hello"),
        (False, " \tHeLLo!how  \n Are yoU?  ", "HeLLo ! how Are yoU ?"),
        (True, "ah\u535a\u63a8zz", "ah \u535a \u63a8 zz"),
        (True, "a\u00a0b\rc\u0005d", "a b cd"),
        (True, "a-b$c`d.e", "a - b $ c ` d . e"),
    ],
)
def test_googles_basic_vectors(lowercase: bool, text: str, wanted: str) -> None:
    words = list(dict.fromkeys(wanted.split()))
    tokenizer = WordPiece([*SPECIAL_TOKENS, *words], WordPieceOptions(lowercase=lowercase))
    assert pieces(tokenizer, text) == wanted.split()
    assert tokenizer.encode_sentences([text]).word_starts.all()


@pytest.mark.parametrize(("limit", "length"), [(100, 100), (100, 101), (200, 200), (200, 201)])
def test_long_words_are_unknown(limit: int, length: int) -> None:
    tokenizer = WordPiece([*SPECIAL_TOKENS, "a", "##a"], WordPieceOptions(max_input_chars_per_word=limit))
    wanted = ["a"] + ["##a"] * (length - 1) if length <= limit else ["[UNK]"]
    assert pieces(tokenizer, "a" * length) == wanted


TINY = ["a", "b", "ab", "##a", "##b", "##ab", "##ba", "bab", "##bba", "c", "##cc"]


def longest_match(word: str, vocab: set[str]) -> list[str]:
    found: list[str] = []
    while word:
        prefix = "##" if found else ""
        fitting = [n for n in range(len(word), 0, -1) if prefix + word[:n] in vocab]
        if not fitting:
            return ["[UNK]"]
        found.append(prefix + word[: fitting[0]])
        word = word[fitting[0] :]
    return found


@given(st.lists(st.text("abcd", min_size=1, max_size=12), max_size=6))
@settings(deadline=None)
def test_brute_force_longest_match(words: list[str]) -> None:
    tokenizer = WordPiece([*SPECIAL_TOKENS, *TINY])
    wanted = [longest_match(word, set(TINY)) for word in words]
    assert pieces(tokenizer, " ".join(words)) == [piece for word in wanted for piece in word]
    starts = tokenizer.encode_sentences([" ".join(words)]).word_starts
    assert starts.tolist() == [int(i == 0) for word in wanted for i in range(len(word))]


def reference(tokenizer: WordPiece, folder: Path) -> Tokenizer:
    """The `tokenizers` library's own tokenizer, from the file we save, without special tokens."""
    tokenizer.save(folder)
    data = json.loads((folder / "tokenizer.json").read_text())
    return Tokenizer.from_str(json.dumps({**data, "added_tokens": [], "post_processor": None}))


def assert_equal_to(library: Tokenizer, tokenizer: WordPiece, texts: list[str]) -> None:
    encoded = tokenizer.encode_sentences(texts)
    wanted = library.encode_batch(texts, add_special_tokens=False)
    assert encoded.lengths.tolist() == [len(row.ids) for row in wanted]
    assert encoded.token_ids.tolist() == [i for row in wanted for i in row.ids]
    words = [row.word_ids for row in wanted]
    assert encoded.word_starts.tolist() == [int(i == 0 or w[i] != w[i - 1]) for w in words for i in range(len(w))]


@pytest.mark.parametrize("language", ["en", "zh"])
def test_ids_equal_the_librarys_on_100000_real_lines(language: str, tmp_path: Path) -> None:
    """Sentences and clauses of the sample, no line twice."""
    clauses = [part for line in lines(language) for part in re.split(r"(?<=[,;:，、：])", line) if part]
    clauses = list(dict.fromkeys([*clauses, *lines(language)]))[:100_000]
    assert len(clauses) == 100_000
    tokenizer = WordPiece.train(lines(language)[::5], 3000)
    assert_equal_to(reference(tokenizer, tmp_path / "t"), tokenizer, clauses)


odd = st.one_of(
    st.characters(exclude_categories=["Cs"]),
    st.sampled_from("aAzé \t\n\r，。,.'-中文语𠀀\u0301\u0308\u200d\u00ad\u3000ßİΣς가\ufffd\0\ue000豈㐀"),
)


@given(
    st.lists(st.text(odd, max_size=40), max_size=5),
    st.sampled_from([(True, None, True), (False, None, True), (False, True, True), (True, False, False)]),
)
@settings(max_examples=400, deadline=None)
def test_ids_equal_the_librarys_on_any_text(texts: list[str], kind: tuple[bool, bool | None, bool]) -> None:
    lowercase, strip_accents, chinese_characters = kind
    options = WordPieceOptions(
        lowercase=lowercase, strip_accents=strip_accents, tokenize_chinese_chars=chinese_characters
    )
    every = sorted({c for text in texts for c in text if c.isprintable() and c != " "} | set("aé中"))
    tokenizer = WordPiece(list(dict.fromkeys([*SPECIAL_TOKENS, *every, *("##" + c for c in every)])), options)
    assert_equal_to(tokenizer._plain, tokenizer, texts)


@pytest.mark.slow
@pytest.mark.parametrize("lowercase", [True, False])
def test_every_character_of_unicode_splits_as_in_the_library(lowercase: bool) -> None:
    tokenizer = WordPiece([*SPECIAL_TOKENS, "a", "b", "##b", "##a"], WordPieceOptions(lowercase=lowercase))
    points = [p for p in range(0x110000) if not 0xD800 <= p < 0xE000]
    for first in range(0, len(points), 100_000):
        texts = [f"a{chr(p)}b，{chr(p)}\u0301" for p in points[first : first + 100_000]]
        assert_equal_to(tokenizer._plain, tokenizer, texts)


def test_the_tables_limit_changes_nothing(english: WordPiece, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = lines("en")[:3000]
    wanted = english.encode_sentences(texts)
    monkeypatch.setattr("maskwright.tokenizers.lookup._MOST_UNITS", 50)
    monkeypatch.setattr("maskwright.tokenizers.lookup._CHUNK", 300)
    fresh = WordPiece(english.tokens).encode_sentences(texts)
    assert all((ours == theirs).all() for ours, theirs in zip(fresh, wanted, strict=True))


def test_the_table_stays_small_however_many_words_there_are(
    english: WordPiece, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("maskwright.tokenizers.lookup._MOST_UNITS", 1000)
    monkeypatch.setattr("maskwright.tokenizers.lookup._CHUNK", 2000)
    fresh = WordPiece(english.tokens)
    most = 0
    for first in range(0, 20_000, 500):
        fresh.encode_sentences([f"word{number} and {number}" for number in range(first, first + 500)])
        table = fresh._lookup
        most = max(most, len(table._names))
        assert len(table._unit_of_name) <= len(table._names) and len(table._columns["ids"]) < 20_000
    assert 1000 < most < 1000 + 2000


def test_special_tokens_in_a_text_are_text_unless_wanted(english: WordPiece) -> None:
    text = "She [MASK] him [SEP] [PAD]"
    marks = [english.pad_id, english.cls_id, english.sep_id, english.mask_id]
    assert not np.isin(english.encode_sentences([text]).token_ids, marks).any()
    assert english.encode_pair(text).ids.tolist().count(english.mask_id) == 1
    assert (english.encode_pair(text, special_in_text=False).ids != english.mask_id).all()


def test_unknown_words_are_named_with_their_sentences(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = ["a xyz, 字 xyz", "", "a", "xyz a q"]
    for chunk in (2**18, 1):
        monkeypatch.setattr("maskwright.tokenizers.lookup._CHUNK", chunk)
        unknown: list[tuple[int, str]] = []
        WordPiece([*SPECIAL_TOKENS, "a"]).encode_sentences(texts, unknown=unknown)
        assert unknown == [(0, "xyz"), (0, ","), (0, "字"), (3, "xyz"), (3, "q")]


def test_lone_surrogates_are_no_text(english: WordPiece) -> None:
    wanted = english.encode_sentences(["a b"])
    assert english.encode_sentences(["a \ud800b"]).token_ids.tolist() == wanted.token_ids.tolist()
    assert english.encode_pair("a \udfffb").ids[1:-1].tolist() == wanted.token_ids.tolist()


class Cutter:
    """A segmenter that knows its words beforehand."""

    def __init__(self, *words: str) -> None:
        self.words = words

    def spans(self, text: str) -> list[tuple[int, int]]:
        assert "".join(self.words) == text
        ends = np.cumsum([len(word) for word in self.words]).tolist()
        return [(end - len(word), end) for word, end in zip(self.words, ends, strict=True)]


def test_chinese_words_are_the_segmenters_and_english_ones_the_pre_tokenizers() -> None:
    text = "使用语言模型来预测下一个词的probability。"
    characters = sorted(set(text[:14]) - set("的")) + ["的", "。"]
    tokenizer = WordPiece([*SPECIAL_TOKENS, *characters, "pro", "##bab", "##ility"])
    cut = Cutter("使用", "语言", "模型", "来", "预测", "下", "一个", "词", "的", "probability", "。")
    encoded = tokenizer.encode_sentences([text], cut)
    tokens = [tokenizer.id_to_token(int(i)) for i in encoded.token_ids]
    words: list[str] = []
    for token, start in zip(tokens, encoded.word_starts, strict=True):
        words = [*words, token] if start else [*words[:-1], words[-1] + token.removeprefix("##")]
    assert words == list(cut.words)
    assert tokenizer.encode_sentences([text]).word_starts.tolist() == [1] * 15 + [0, 0, 1]


def test_a_segmenters_word_does_not_reach_over_what_is_not_chinese() -> None:
    tokenizer = WordPiece([*SPECIAL_TOKENS, "t", "恤", "好", "ok"])
    assert tokenizer.encode_sentences(["T恤好"], Cutter("T恤好")).word_starts.tolist() == [1, 1, 0]
    assert tokenizer.encode_sentences(["好 恤"], Cutter("好 恤")).word_starts.tolist() == [1, 1]


@pytest.mark.parametrize("pair", [None, "The second text, Élodie's."])
def test_pairs_equal_the_librarys(english: WordPiece, tmp_path: Path, pair: str | None) -> None:
    english.save(tmp_path / "t")
    library = Tokenizer.from_file(str(tmp_path / "t" / "tokenizer.json"))
    text = "It is a truth, universally ACKNOWLEDGED [MASK] 中国!"
    ours, theirs = english.encode_pair(text, pair), library.encode(text, pair)
    assert ours.ids.tolist() == theirs.ids
    assert ours.type_ids.tolist() == theirs.type_ids
    assert ours.tokens == tuple(theirs.tokens)
    assert [tuple(span) for span in ours.offsets.tolist()] == theirs.offsets
    changes = [a != b for a, b in zip(theirs.word_ids, theirs.word_ids[1:], strict=False)]
    assert (np.diff(ours.word_ids) != 0).tolist() == changes
    assert (
        len(set(ours.word_ids.tolist()))
        == len({*zip(theirs.word_ids, theirs.sequence_ids, strict=True)} - {(None, None)}) + 1
    )


@given(st.integers(0, 12), st.integers(0, 12), st.integers(3, 20))
@settings(max_examples=200, deadline=None)
def test_truncation_equals_the_librarys(first: int, second: int, limit: int) -> None:
    tokenizer = WordPiece([*SPECIAL_TOKENS, "a", "b"])
    library = Tokenizer.from_str(Tokenizer.to_str(tokenizer._marked))
    from tokenizers.processors import BertProcessing

    library.post_processor = BertProcessing(("[SEP]", tokenizer.sep_id), ("[CLS]", tokenizer.cls_id))
    library.enable_truncation(limit)
    text, pair = " a" * first, " b" * second
    ours = tokenizer.encode_pair(text, pair, max_length=limit, truncate=True)
    assert ours.ids.tolist() == library.encode(text, pair).ids
    if first + second + 3 > limit:
        with pytest.raises(BadInput, match=f"{first + second + 3} tokens .* limit is {limit}"):
            tokenizer.encode_pair(text, pair, max_length=limit)


def test_decoding_gives_the_words_back(english: WordPiece) -> None:
    text = "it is a truth universally acknowledged"
    assert english.decode(english.encode_pair(text).ids, skip_special=True) == text


@pytest.mark.parametrize("lowercase", [True, False])
def test_transformers_loads_what_we_save(tmp_path: Path, lowercase: bool) -> None:
    transformers = pytest.importorskip("transformers")
    texts = [*lines("en")[:200], *lines("zh")[:200], "Élan [MASK] naïve", ""]
    tokenizer = WordPiece.train(texts, 2000, lowercase=lowercase)
    tokenizer.save(tmp_path / "t")
    stock = transformers.AutoTokenizer.from_pretrained(tmp_path / "t")
    assert type(stock).__name__ in ("BertTokenizer", "BertTokenizerFast")
    assert len(stock) == tokenizer.vocab_size and stock.mask_token_id == tokenizer.mask_id
    wanted = stock(texts, texts[::-1])
    ours = tokenizer.encode_pairs(list(zip(texts, texts[::-1], strict=True)))
    assert [row.ids.tolist() for row in ours] == wanted["input_ids"]
    assert [row.type_ids.tolist() for row in ours] == wanted["token_type_ids"]
    stock.save_pretrained(tmp_path / "again")
    assert WordPiece.load(tmp_path / "again").fingerprint == tokenizer.fingerprint


TRAIN = """
import sys
from maskwright.text.samples import sample
from maskwright.tokenizers.wordpiece import WordPiece
text = [s for language in ("en", "zh") for d in sample(language)[::6] for s in d.sentences]
print(WordPiece.train(iter(text), 5000).fingerprint)
"""


def test_training_gives_the_same_vocabulary_in_every_process() -> None:
    found = set()
    for seed, threads in (("0", "1"), ("1", "2"), ("77", "4")):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "RAYON_NUM_THREADS": threads}
        run = subprocess.run([sys.executable, "-c", TRAIN], env=environment, capture_output=True, text=True, check=True)
        found.add(run.stdout)
    assert len(found) == 1


def test_a_trained_vocabulary_is_in_order_and_as_large_as_asked(english: WordPiece, chinese: WordPiece) -> None:
    for tokenizer, size in ((english, 3000), (chinese, 2500)):
        assert tokenizer.tokens[:5] == SPECIAL_TOKENS
        assert tokenizer.vocab_size <= size
        characters = [t for t in tokenizer.tokens[5:] if len(t) == 1]
        assert characters == sorted(characters)
    assert english.vocab_size == 3000
    assert {"the", "and", "miss"} <= set(english.tokens)
    unknown = (chinese.encode_sentences(lines("zh")).token_ids == chinese.unk_id).mean()
    assert unknown < 0.05


@pytest.mark.parametrize(("texts", "size"), [([], 100), ([" \t"], 100), (["abc abc"], 5), (["abc abc"], 6)])
def test_training_on_nothing_is_refused(texts: list[str], size: int) -> None:
    with pytest.raises(BadInput, match="vocabulary"):
        WordPiece.train(texts, size)
