"""BPE with ends of words against transformers' OpenAIGPTTokenizer, which is the library's, on real and odd text."""

import json
from pathlib import Path
from typing import Any

import pytest
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer as Library

from maskwright.errors import BadInput
from maskwright.text.samples import sample
from maskwright.tokenizers.bpe import BPE
from maskwright.tokenizers.loading import load_tokenizer


def lines(language: str) -> list[str]:
    return [sentence for document in sample(language) for sentence in document.sentences]


BOTH = [*lines("en")[:3000], *lines("zh")[:1000]]


@pytest.fixture(scope="module")
def bpe() -> BPE:
    return BPE.train(BOTH, 4000)


@pytest.fixture(scope="module")
def stock(bpe: BPE) -> Any:
    merges = [tuple(merge) for merge in bpe.merges]
    return transformers.OpenAIGPTTokenizer(vocab=dict(bpe.vocabulary.ids), merges=merges)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_ids_equal_transformers_on_real_lines(bpe: BPE, stock: Any, language: str) -> None:
    texts = lines(language)[3000:4500]
    encoded = bpe.encode_sentences(texts)
    wanted = stock(texts, add_special_tokens=False)["input_ids"]
    assert encoded.lengths.tolist() == list(map(len, wanted))
    assert encoded.token_ids.tolist() == [i for row in wanted for i in row]
    pairs = list(zip(texts[:200], texts[200:400], strict=True))
    assert [row.ids.tolist() for row in bpe.encode_pairs(pairs)] == stock(*map(list, zip(*pairs)))["input_ids"]
    assert bpe.decode(wanted[0]) == stock.decode(wanted[0], clean_up_tokenization_spaces=False)


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=30), max_size=4))
@settings(max_examples=150)
def test_ids_equal_the_librarys_on_any_text(bpe: BPE, drawn: list[str]) -> None:
    data = json.loads(bpe.files()["tokenizer.json"])
    library = Library.from_str(json.dumps({**data, "added_tokens": []}))
    wanted = library.encode_batch(drawn)
    assert bpe.encode_sentences(drawn).token_ids.tolist() == [i for row in wanted for i in row.ids]


def test_words_are_berts(bpe: BPE) -> None:
    encoded = bpe.encode_sentences(["don't well-known 语言"])
    words = [bpe.tokens[i] for i, start in zip(encoded.token_ids, encoded.word_starts, strict=True) if start]
    assert len(words) == 3 + 3 + 2 and words[0].startswith("d") and words[1] == "'</w>"


@pytest.mark.parametrize("form", ["all", "vocab and merges", "theirs"])
def test_files_come_back_equal(bpe: BPE, stock: Any, tmp_path: Path, form: str) -> None:
    if form == "theirs":
        stock.save_pretrained(tmp_path / "t")
    else:
        bpe.save(tmp_path / "t")
    if form == "vocab and merges":
        (tmp_path / "t" / "tokenizer.json").unlink()
    again = load_tokenizer(tmp_path / "t")
    assert isinstance(again, BPE) and again.fingerprint == bpe.fingerprint
    if form == "all":
        assert type(transformers.AutoTokenizer.from_pretrained(tmp_path / "t")).__name__ == "OpenAIGPTTokenizer"


FOREIGN: list[tuple[tuple[str | int, ...], Any, str]] = [
    (("model", "unk_token"), "[UNK]", "unk_token of the model is '\\[UNK\\]'; GPT's is '<unk>'"),
    (("model", "dropout"), 0.1, "dropout of the model is 0.1"),
    (("model", "merges", 0), ["zzz", "</w>"], "merge 1, 'zzz' '</w>', names 'zzz', which is no token"),
    (("model", "merges", 0), "one", "'one' is no merge"),
    (("normalizer",), None, "normalizer None is not GPT's"),
    (("pre_tokenizer",), {"type": "Split", "pattern": {"Regex": "^(a+)+$"}}, "pre_tokenizer 'Split' is not GPT's"),
    (("post_processor",), {"type": "ByteLevel"}, "post_processor 'ByteLevel' is not GPT's"),
    (
        ("post_processor",),
        {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<unk>", "type_id": 0}}]},
        "GPT puts nothing",
    ),
]


@pytest.mark.parametrize(("keys", "value", "message"), FOREIGN)
def test_what_is_not_gpts_is_refused(
    bpe: BPE, tmp_path: Path, keys: tuple[str | int, ...], value: Any, message: str
) -> None:
    data = json.loads(bpe.files()["tokenizer.json"])
    inner = data
    for key in keys[:-1]:
        inner = inner[key]
    inner[keys[-1]] = value
    (tmp_path / "tokenizer.json").write_text(json.dumps(data))
    with pytest.raises(BadInput, match=message):
        load_tokenizer(tmp_path)


@pytest.mark.parametrize("vocab_size", [5, 100, 3000])
def test_a_vocabulary_is_never_larger_than_asked(vocab_size: int) -> None:
    made = BPE.train(BOTH, vocab_size)
    assert len(made.tokens) <= vocab_size and made.unk_id == 0
