"""Tokenizer files of others: read when they are BERT's, refused in one line when they are not."""

import json
from pathlib import Path
from typing import Any

import pytest

from maskwright.errors import BadInput
from maskwright.tokenizers.files import SPECIAL_TOKENS
from maskwright.tokenizers.wordpiece import WordPiece, WordPieceOptions

TOKENS = [*SPECIAL_TOKENS, "hello", "##o", "é"]


def saved(folder: Path, **options: Any) -> Path:
    WordPiece(TOKENS, WordPieceOptions(**options)).save(folder)
    return folder


def change(path: Path, *keys: str | int, to: Any) -> None:
    data = json.loads(path.read_text())
    inner = data
    for key in keys[:-1]:
        inner = inner[key]
    inner[keys[-1]] = to
    path.write_text(json.dumps(data))


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"lowercase": False},
        {"strip_accents": False},
        {"lowercase": False, "strip_accents": True},
        {"tokenize_chinese_chars": False, "max_input_chars_per_word": 200},
    ],
)
def test_a_saved_folder_comes_back_equal(tmp_path: Path, options: dict[str, Any]) -> None:
    folder = saved(tmp_path / "t", **options)
    loaded = WordPiece.load(folder)
    assert loaded.tokens == tuple(TOKENS) and loaded.options == WordPieceOptions(**options)
    assert loaded.fingerprint == WordPiece(TOKENS, WordPieceOptions(**options)).fingerprint
    assert {file.name for file in folder.iterdir()} == {
        "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt",
    }  # fmt: skip


def test_fingerprints_tell_tokenizers_apart() -> None:
    kinds = [WordPiece(TOKENS), WordPiece([*TOKENS, "x"]), WordPiece(TOKENS, WordPieceOptions(lowercase=False))]
    assert len({tokenizer.fingerprint for tokenizer in kinds}) == 3
    assert WordPiece(TOKENS, WordPieceOptions(strip_accents=True)).fingerprint == kinds[0].fingerprint


def test_a_bare_vocabulary_is_uncased_unless_said_otherwise(tmp_path: Path) -> None:
    (tmp_path / "vocab.txt").write_text("\n".join(TOKENS) + "\n")
    assert WordPiece.load(tmp_path / "vocab.txt").encode_pair("HELLO").tokens[1] == "hello"
    assert WordPiece.load(tmp_path).encode_pair("HELLO").tokens[1] == "hello"
    assert WordPiece.load(tmp_path / "vocab.txt", lowercase=False).encode_pair("HELLO").tokens[1] == "[UNK]"
    (tmp_path / "tokenizer_config.json").write_text('{"do_lower_case": false, "vocab_file": "/etc/passwd"}')
    assert WordPiece.load(tmp_path).encode_pair("HELLO").tokens[1] == "[UNK]"


def test_padding_and_truncation_in_a_file_are_switched_off(tmp_path: Path) -> None:
    path = saved(tmp_path / "t") / "tokenizer.json"
    change(path, "truncation", to={"max_length": 3, "strategy": "LongestFirst", "stride": 0, "direction": "Right"})
    change(path, "padding", to={"strategy": {"Fixed": 128}, "direction": "Right", "pad_id": 0, "pad_type_id": 0})
    assert len(WordPiece.load(path).encode_pair("hello hello hello hello").ids) == 6


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([*TOKENS, "hello"], "'hello' stands twice"),
        ([token for token in TOKENS if token != "[UNK]"], r"\[UNK\] missing"),
        ([*TOKENS, "", "x"], "line 9 is empty"),
        ([token + "\r" for token in TOKENS], "line 1 ends with a carriage return"),
    ],
)
def test_vocabularies_that_are_wrong(tmp_path: Path, content: list[str], message: str) -> None:
    path = tmp_path / "vocab.txt"
    path.write_bytes("".join(token + "\n" for token in content).encode())
    with pytest.raises(BadInput, match=message) as caught:
        WordPiece.load(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_a_binary_vocabulary_names_the_byte(tmp_path: Path) -> None:
    (tmp_path / "vocab.txt").write_bytes(b"[PAD]\n\xff\xfe\n")
    with pytest.raises(BadInput, match="byte 6"):
        WordPiece.load(tmp_path / "vocab.txt")


@pytest.mark.parametrize("name", ["nowhere", "nowhere.json", "."])
def test_what_is_not_there(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadInput, match=r"vocab\.txt"):
        WordPiece.load(tmp_path / name)


FOREIGN: list[tuple[tuple[str | int, ...], Any]] = [
    (("model", "type"), "BPE"),
    (("model",), None),
    (("model", "continuing_subword_prefix"), "@@"),
    (("model", "unk_token"), "<unk>"),
    (("model", "max_input_chars_per_word"), -1),
    (("model", "max_input_chars_per_word"), True),
    (("model", "vocab"), []),
    (("model", "vocab", "hello"), 2**31),
    (("model", "vocab", "hello"), 0),
    (("model", "vocab", "hello"), "5"),
    (("model", "vocab", "\ud800"), 8),
    (("normalizer",), {"type": "Replace", "pattern": {"Regex": "^(a+)+$"}, "content": ""}),
    (("normalizer",), None),
    (("normalizer", "lowercase"), "yes"),
    (("pre_tokenizer",), {"type": "Split", "pattern": {"Regex": "^(a+)+$"}, "behavior": "Isolated", "invert": False}),
    (("pre_tokenizer",), {"type": "Sequence", "pretokenizers": []}),
    (("post_processor", "single"), []),
    (("post_processor", "pair"), [1, {"x": 2}]),
    (("post_processor",), {"type": "RobertaProcessing", "sep": ["</s>", 2], "cls": ["<s>", 0]}),
    (("post_processor",), {"type": "BertProcessing", "sep": 3, "cls": None}),
    (("decoder",), {"type": "ByteLevel"}),
    (("added_tokens", 0, "id"), 2**31),
    (("added_tokens", 0, "content"), "<extra>"),
    (("added_tokens", 0, "lstrip"), True),
    (("added_tokens",), [7]),
]


@pytest.mark.parametrize(("keys", "value"), FOREIGN)
def test_what_is_not_berts_is_refused(tmp_path: Path, keys: tuple[str | int, ...], value: Any) -> None:
    path = saved(tmp_path / "t") / "tokenizer.json"
    change(path, *keys, to=value)
    with pytest.raises(BadInput) as caught:
        WordPiece.load(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_berts_other_post_processor_is_read(tmp_path: Path) -> None:
    path = saved(tmp_path / "t") / "tokenizer.json"
    change(path, "post_processor", to={"type": "BertProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 2]})
    assert WordPiece.load(path).tokens == tuple(TOKENS)


@pytest.mark.parametrize("text", ["", "[]", "{", "[" * 100_000, '{"model": 1e999}'])
def test_what_is_no_json_table(tmp_path: Path, text: str) -> None:
    (tmp_path / "tokenizer.json").write_text(text)
    with pytest.raises(BadInput, match=r"tokenizer\.json"):
        WordPiece.load(tmp_path)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("tokenizer_class", "GPT2Tokenizer"),
        ("do_lower_case", "no"),
        ("mask_token", {"content": "<mask>"}),
        ("unk_token", 3),
    ],
)
def test_settings_that_are_not_berts(tmp_path: Path, key: str, value: Any) -> None:
    path = saved(tmp_path / "t") / "tokenizer_config.json"
    change(path, key, to=value)
    with pytest.raises(BadInput, match=r"tokenizer_config\.json"):
        WordPiece.load(tmp_path / "t")
