"""Byte-level BPE against the `tokenizers` library, transformers, and the regular expression it is cut by."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import regex
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer as Library

from maskwright.errors import BadInput
from maskwright.text.characters import IDEOGRAPH_CLASS
from maskwright.text.samples import sample
from maskwright.text.words import RjiebaSegmenter
from maskwright.tokenizers.byte_bpe import ByteBPE
from maskwright.tokenizers.byte_bpe_files import BYTES
from maskwright.tokenizers.gpt2_words import PreTokens

GPT2 = regex.compile(r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+")


def lines(language: str) -> list[str]:
    return [sentence for document in sample(language) for sentence in document.sentences]


BOTH = [*lines("en")[:3000], *lines("zh")[:3000]]


@pytest.fixture(scope="module")
def both() -> ByteBPE:
    """One vocabulary over English and Chinese together."""
    return ByteBPE.train(BOTH, 3000)


@pytest.fixture(scope="module")
def spaced() -> ByteBPE:
    return ByteBPE.train(BOTH, 2000, style="gpt2", add_prefix_space=True)


def library_of(tokenizer: ByteBPE) -> Library:
    """The library's own tokenizer, from the file we save, without special tokens."""
    data = json.loads(tokenizer.files()["tokenizer.json"])
    return Library.from_str(json.dumps({**data, "added_tokens": [], "post_processor": None}))


def assert_equal_to(library: Library, tokenizer: ByteBPE, texts: list[str]) -> None:
    encoded = tokenizer.encode_sentences(texts)
    wanted = library.encode_batch(texts, add_special_tokens=False)
    assert encoded.lengths.tolist() == [len(row.ids) for row in wanted]
    assert encoded.token_ids.tolist() == [i for row in wanted for i in row.ids]


def test_one_vocabulary_writes_both_languages(both: ByteBPE) -> None:
    assert both.vocab_size == 3000
    assert {"Ġthe", "Ġand"} <= set(both.tokens)
    chinese = [both.decode([i]) for i in range(both.vocab_size)]
    assert {"玄德", "曹操"} <= set(chinese)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_ids_equal_the_librarys_on_real_lines(both: ByteBPE, spaced: ByteBPE, language: str) -> None:
    for tokenizer in (both, spaced):
        assert_equal_to(library_of(tokenizer), tokenizer, lines(language)[3000:7000])


@pytest.mark.slow
@pytest.mark.parametrize("language", ["en", "zh"])
def test_ids_equal_the_librarys_on_100000_real_lines(both: ByteBPE, language: str) -> None:
    clauses = [part for line in lines(language) for part in re.split(r"(?<=[,;:，、：])", line) if part]
    clauses = list(dict.fromkeys([*clauses, *lines(language)]))[:100_000]
    assert len(clauses) == 100_000
    assert_equal_to(library_of(both), both, clauses)


odd = st.one_of(
    st.characters(exclude_categories=["Cs"]),
    st.sampled_from("aAzé1² \t\n\r，。,.'stremvldST-_中文语𠀀\u0301\u200d\u3000\u00a0\u2028\u0085ßΣ가\ufffd\0🙂"),
)
ALIKE = "一丁七万丈三上下㐀语"  # neighbours in Unicode: pieces of parts of characters are learnt
texts_of_alike = st.lists(st.text(ALIKE + " a，", max_size=30), max_size=5)
texts = st.lists(st.text(odd, max_size=30), max_size=5)


@given(texts)
@settings(max_examples=300)
def test_ids_equal_the_librarys_on_any_text(both: ByteBPE, spaced: ByteBPE, drawn: list[str]) -> None:
    for tokenizer in (both, spaced):
        assert_equal_to(library_of_once(tokenizer), tokenizer, drawn)


_LIBRARIES: dict[int, Library] = {}


def library_of_once(tokenizer: ByteBPE) -> Library:
    return _LIBRARIES.setdefault(id(tokenizer), library_of(tokenizer))


@given(st.text(odd, max_size=60))
@settings(max_examples=500)
def test_pre_tokens_are_those_of_the_published_regular_expression(text: str) -> None:
    """In the version of Unicode that the library knows: what other tables class otherwise is left out."""
    known = {c: GPT2.findall(f"a{c}1{c}!{c} {c}") for c in text}
    asked = {c: cut(f"a{c}1{c}!{c} {c}") for c in text}
    text = "".join(c for c in text if known[c] == asked[c])
    assert cut(text) == GPT2.findall(text)


def cut(text: str) -> list[str]:
    points = np.frombuffer((text + "\n").encode("utf-32-le"), dtype=np.uint32)
    at, ends = PreTokens().find(points, np.array([len(text)]))
    return [text[begin:end] for begin, end in zip(at, ends, strict=True)]


@given(st.text(odd, max_size=60))
def test_nothing_is_lost(both: ByteBPE, text: str) -> None:
    assert both.decode(both.encode_sentences([text]).token_ids.tolist()) == text
    assert both.decode(both.encode_pair(text, special_in_text=False).ids.tolist(), skip_special=True) == text


@given(st.lists(st.text(ALIKE, min_size=1, max_size=9), min_size=1, max_size=30), st.integers(0, 60), texts_of_alike)
@settings(max_examples=200)
def test_cuts_between_characters_change_no_piece(seen: list[str], merges: int, drawn: list[str]) -> None:
    tokenizer = ByteBPE.train(seen, 261 + merges, min_count=1)
    assert_equal_to(library_of(tokenizer), tokenizer, [*drawn, *seen])


class Pairs:
    """A segmenter that takes two characters for a word."""

    name, version = "pairs", ""

    def spans(self, text: str) -> list[tuple[int, int]]:
        return [(i, min(i + 2, len(text))) for i in range(0, len(text), 2)]


@given(st.text(st.sampled_from("ab 1.中文语言字𠀀'st\u0301"), max_size=30), st.booleans())
@settings(max_examples=300)
def test_word_ids_never_cut_a_word_and_join_two_only_through_one_piece(
    both: ByteBPE, spaced: ByteBPE, text: str, segmented: bool
) -> None:
    """Words by brute force: pre-tokens of the published expression, parted where Chinese begins or ends, and in it.

    A token begins a word if its first byte is the first of a word, and joins words if another one is in it.
    """
    for tokenizer in (both, spaced):
        shift = int(tokenizer is spaced and text[:1] not in ("", " "))
        text_in = " " * shift + text
        begins = set()
        for match in GPT2.finditer(text_in):
            begins.add(match.start())
            first = match.start() + match[0].startswith(" ")  # the space belongs to what is behind it
            for i in range(first + 1, match.end()):
                now, before = (bool(re.match(f"[{IDEOGRAPH_CLASS}]", c)) for c in (text_in[i], text_in[i - 1]))
                if now != before or (now and not segmented) or (now and (i - shift) % 2 == 0):
                    begins.add(i)
        first_bytes = {len(text_in[:i].encode()) for i in begins}
        encoded = tokenizer.encode_sentences([text], Pairs() if segmented else None)
        ends = np.cumsum([len(tokenizer.id_to_token(i)) for i in encoded.token_ids.tolist()]).tolist()
        spans = list(zip([0, *ends], ends))
        assert encoded.word_starts.tolist() == [int(begin in first_bytes) for begin, _ in spans]
        assert encoded.joined.tolist() == [sum(any(begin < i < end for i in first_bytes) for begin, end in spans)]


def words_of(tokenizer: ByteBPE, text: str) -> list[str]:
    encoded = tokenizer.encode_sentences([text], RjiebaSegmenter())
    words: list[list[int]] = []
    for token, start in zip(encoded.token_ids.tolist(), encoded.word_starts.tolist(), strict=True):
        words = [*words, [token]] if start else [*words[:-1], [*words[-1], token]]
    assert len([word for word in words if len(word) == 1 and len(tokenizer.decode(word)) > 3]) >= encoded.joined.sum()
    return [tokenizer.decode(word) for word in words]


def test_words_of_both_scripts_are_the_segmenters_and_one_piece_is_one_unit() -> None:
    text = "使用语言模型来预测下一个词的probability。"
    words = ["使用", "语言", "模型", "来", "预测", "下", "一个", "词", "的", "probability", "。"]
    bytes_alone = ByteBPE([*BYTES, "<|endoftext|>"], [])
    assert words_of(bytes_alone, text) == words
    assert bytes_alone.encode_sentences([text], RjiebaSegmenter()).joined.tolist() == [0]
    with_piece = ByteBPE.train(["语言模型"] * 3, 400)
    assert words_of(with_piece, text) == [words[0], "语言模型", *words[3:]]
    assert with_piece.encode_sentences([text, text[:2]], RjiebaSegmenter()).joined.tolist() == [1, 0]


TRAIN = """
import sys
from maskwright.text.samples import sample
from maskwright.tokenizers.byte_bpe import ByteBPE
text = [s for language in ("en", "zh") for d in sample(language)[::6] for s in d.sentences]
print(ByteBPE.train(iter(text), 4000).fingerprint)
"""


def test_training_gives_the_same_vocabulary_in_every_process() -> None:
    found = set()
    for seed, threads in (("0", "1"), ("1", "2"), ("77", "4")):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "RAYON_NUM_THREADS": threads}
        run = subprocess.run([sys.executable, "-c", TRAIN], env=environment, capture_output=True, text=True, check=True)
        found.add(run.stdout)
    assert len(found) == 1


def test_special_tokens_in_a_text_are_text_unless_wanted(both: ByteBPE) -> None:
    text = "She <mask> him</s><pad>"
    assert not np.isin(both.encode_sentences([text]).token_ids, both.special_ids).any()
    assert not np.isin(both.encode_pair(text, special_in_text=False).ids[1:-1], both.special_ids).any()
    marked = both.encode_pair(text)
    assert [t for t in marked.tokens if t in ("<mask>", "<pad>")] == ["<mask>", "<pad>"]
    at = marked.tokens.index("<mask>")
    assert len({*marked.word_ids[at - 1 : at + 2].tolist()}) == 3


def test_lone_surrogates_are_no_text(both: ByteBPE) -> None:
    wanted = both.encode_sentences(["a \ufffdb"]).token_ids.tolist()
    assert both.encode_sentences(["a \ud800b"]).token_ids.tolist() == wanted
    assert both.encode_pair("a \udfffb").ids[1:-1].tolist() == wanted


@pytest.mark.parametrize("style", ["roberta", "gpt2"])
@pytest.mark.parametrize("add_prefix_space", [False, True])
def test_transformers_loads_what_we_save(tmp_path: Path, style: Any, add_prefix_space: bool) -> None:
    transformers = pytest.importorskip("transformers")
    first = [*lines("en")[:100], *lines("zh")[:100], "Élan naïve", "", "  two  spaces"]
    tokenizer = ByteBPE.train(first, 1000, style=style, add_prefix_space=add_prefix_space)
    tokenizer.save(tmp_path / "t")
    stock = transformers.AutoTokenizer.from_pretrained(tmp_path / "t")
    assert len(stock) == tokenizer.vocab_size
    ours = tokenizer.encode_pairs(list(zip(first, first[::-1], strict=True)))
    assert [row.ids.tolist() for row in ours] == stock(first, first[::-1])["input_ids"]
    assert not any(row.type_ids.any() for row in ours)
    if style == "roberta":
        assert stock.mask_token_id == tokenizer.mask_id
        text = "She <mask> him"
        assert tokenizer.encode_pair(text).ids.tolist() == stock(text)["input_ids"]
    stock.save_pretrained(tmp_path / "again")
    assert ByteBPE.load(tmp_path / "again").fingerprint == tokenizer.fingerprint


def test_offsets_equal_the_librarys(both: ByteBPE) -> None:
    """Where a piece is more than white space; the library has white space by itself as nothing."""
    library = Library.from_str(both.files()["tokenizer.json"].decode())
    for text in [*lines("en")[:300], *lines("zh")[:300], "  a  b\n c"]:
        ours, theirs = both.encode_pair(text), library.encode(text)
        assert ours.ids.tolist() == theirs.ids
        for (begin, end), span in zip(ours.offsets.tolist(), theirs.offsets, strict=True):
            assert (begin, end) == span or text[begin:end].isspace()


def test_files_of_each_form_come_back_equal(both: ByteBPE, spaced: ByteBPE, tmp_path: Path) -> None:
    for name, tokenizer in (("both", both), ("spaced", spaced)):
        tokenizer.save(tmp_path / name)
        paths = [tmp_path / name, tmp_path / name / "tokenizer.json", tmp_path / name / "vocab.json"]
        assert {ByteBPE.load(path).fingerprint for path in paths} == {tokenizer.fingerprint}
        (tmp_path / name / "tokenizer.json").unlink()
        assert ByteBPE.load(tmp_path / name).fingerprint == tokenizer.fingerprint


def changed(path: Path, *keys: str | int, to: Any) -> None:
    data = json.loads(path.read_text())
    inner = data
    for key in keys[:-1]:
        inner = inner[key]
    inner[keys[-1]] = to
    path.write_text(json.dumps(data))


FOREIGN: list[tuple[tuple[str | int, ...], Any]] = [
    (("model", "type"), "Unigram"),
    (("model", "dropout"), 0.1),
    (("model", "unk_token"), "the"),
    (("model", "byte_fallback"), True),
    (("model", "continuing_subword_prefix"), "##"),
    (("model", "vocab"), []),
    (("model", "vocab", "a"), 2**31),
    (("model", "vocab", "a"), 0),
    (("model", "vocab"), {"<|endoftext|>": 0}),
    (("model", "merges"), {}),
    (("model", "merges"), [["q", "zzz"]]),
    (("model", "merges"), ["one two three"]),
    (("model", "merges"), [["a", 3]]),
    (("normalizer",), {"type": "Replace", "pattern": {"Regex": "^(a+)+$"}, "content": ""}),
    (("pre_tokenizer",), {"type": "Split", "pattern": {"Regex": "^(a+)+$"}, "behavior": "Isolated", "invert": False}),
    (("pre_tokenizer", "use_regex"), False),
    (("pre_tokenizer", "add_prefix_space"), "yes"),
    (("decoder",), None),
    (("post_processor",), {"type": "BertProcessing", "sep": ["</s>", 2], "cls": ["<s>", 0]}),
    (("post_processor", "sep"), ["<s>", 0]),
    (("post_processor",), {"type": "TemplateProcessing", "single": [], "pair": []}),
    (("added_tokens", 0, "id"), 2**31),
    (("added_tokens", 0, "content"), "<extra>"),
    (("added_tokens", 0, "rstrip"), True),
    (("added_tokens",), [7]),
]


@pytest.mark.parametrize(("keys", "value"), FOREIGN)
def test_what_is_not_byte_level_bpe_is_refused(
    both: ByteBPE, tmp_path: Path, keys: tuple[str | int, ...], value: Any
) -> None:
    both.save(tmp_path / "t")
    changed(tmp_path / "t" / "tokenizer.json", *keys, to=value)
    with pytest.raises(BadInput) as caught:
        ByteBPE.load(tmp_path / "t")
    assert "tokenizer.json" in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("vocab.json", b'{"a": 0, "a": 1}', "'a' stands twice"),
        ("vocab.json", b'{"a": 1}', "without a gap"),
        ("vocab.json", b"[", "no readable JSON"),
        ("vocab.json", b"\xff\xfe", "JSON"),
        ("merges.txt", b"#version: 0.2\na b c\n", "line 2"),
        ("merges.txt", b"#version: 0.2\nq zzz\n", "merge 1"),
        ("merges.txt", b"#version\n\xff \xfe\n", "byte 9 is not UTF-8"),
        ("merges.txt", b"#version\r\na b\r\n", "'b\\\\r'"),
        ("merges.txt", None, "merges.txt is missing"),
        ("vocab.json", None, "vocab.json is no file"),
    ],
)
def test_bad_vocabularies_name_the_place(
    both: ByteBPE, tmp_path: Path, name: str, data: bytes | None, message: str
) -> None:
    both.save(tmp_path / "t")
    (tmp_path / "t" / "tokenizer.json").unlink()
    (tmp_path / "t" / name).unlink()
    if data is not None:
        (tmp_path / "t" / name).write_bytes(data)
    with pytest.raises(BadInput, match=message) as caught:
        ByteBPE.load(tmp_path / "t")
    assert "\n" not in str(caught.value)


def test_a_vocabulary_too_small_for_the_bytes_is_refused() -> None:
    with pytest.raises(BadInput, match="the bytes alone take 261"):
        ByteBPE.train(["abc"], 100)
