"""The files a WordPiece tokenizer is kept in: vocab.txt, tokenizer.json, or a folder of both with its settings.

A file from elsewhere is data, read with a closed schema: WordPiece over BERT's normalizer and
pre-tokenizer, and nothing else. No path, class or expression named inside a file is ever followed.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from pydantic import Field

from maskwright.config import Config
from maskwright.errors import BadInput
from maskwright.tokenizers.json_file import (
    Table,
    as_json,
    check_added,
    part_of,
    read_json,
    read_text,
    template,
    tokens_by_id,
)
from maskwright.tokenizers.pairs import A, B, Layout
from maskwright.tokenizers.tokenizer import Role

SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
ROLES: dict[Role, str] = {"pad": "[PAD]", "unk": "[UNK]", "cls": "[CLS]", "sep": "[SEP]", "mask": "[MASK]"}
LAYOUT = Layout(
    single=(("[CLS]", 0), (A, 0), ("[SEP]", 0)), pair=(("[CLS]", 0), (A, 0), ("[SEP]", 0), (B, 1), ("[SEP]", 1))
)
_NAMES = {f"{role}_token": name for role, name in ROLES.items()}
_CLASSES = (
    *("BertTokenizer", "BertTokenizerFast", "DistilBertTokenizer", "DistilBertTokenizerFast"),
    *("ElectraTokenizer", "ElectraTokenizerFast", "PreTrainedTokenizerFast", "TokenizersBackend"),
)
_SINGLE, _PAIR = template(LAYOUT.single), template(LAYOUT.pair)


class WordPieceOptions(Config):
    """How text becomes words, and words pieces. The defaults are those of BERT uncased."""

    lowercase: bool = True
    """Lower-case the text."""
    strip_accents: bool | None = None
    """Drop accents; None does what `lowercase` does, as in BERT."""
    tokenize_chinese_chars: bool = True
    """Make each Chinese character a word of its own."""
    clean_text: bool = True
    """Drop control characters, make all white space a space."""
    max_input_chars_per_word: int = Field(default=100, ge=1)
    """A longer word is [UNK]: 100 in `tokenizers`, 200 in google-research/bert."""


def read_vocab(path: Path) -> list[str]:
    """The tokens of a vocab.txt: one a line, the line's number is the id. BadInput names the line."""
    tokens = read_text(path).removesuffix("\n").split("\n")
    for number, token in enumerate(tokens, start=1):
        if token.endswith("\r"):
            raise BadInput(f"{path}: line {number} ends with a carriage return; save it with Unix line ends (LF)")
        if not token:
            raise BadInput(f"{path}: line {number} is empty; a vocabulary has one token a line")
    return tokens


def read_tokenizer_json(path: Path) -> tuple[list[str], WordPieceOptions]:
    """The tokens and options of a tokenizer.json, when it is the one BERT uses; else BadInput.

    Padding and truncation set in the file are not taken over.
    """
    data = read_json(path)
    model = data.get("model")
    if isinstance(model, dict) and "type" not in model and "max_input_chars_per_word" in model:
        data["model"] = {**cast(Table, model), "type": "WordPiece"}  # written so by old versions
    model = part_of(data, "model", {"WordPiece"}, path, "BERT")
    normalizer = part_of(data, "normalizer", {"BertNormalizer"}, path, "BERT")
    part_of(data, "pre_tokenizer", {"BertPreTokenizer"}, path, "BERT")
    if data.get("post_processor") is not None:
        known = {"BertProcessing", "TemplateProcessing"}
        _check_post_processor(part_of(data, "post_processor", known, path, "BERT"), path)
    if data.get("decoder") is not None:
        part_of(data, "decoder", {"WordPiece"}, path, "BERT")
    if model.get("continuing_subword_prefix", "##") != "##" or model.get("unk_token", "[UNK]") != "[UNK]":
        raise BadInput(
            f"{path}: pieces that do not continue with ## or an unknown token other than [UNK] are not BERT's"
        )
    tokens = tokens_by_id(model.get("vocab"), path)
    check_added(data, tokens, SPECIAL_TOKENS, path)
    wanted = {
        "lowercase": normalizer.get("lowercase"),
        "strip_accents": normalizer.get("strip_accents"),
        "tokenize_chinese_chars": normalizer.get("handle_chinese_chars"),
        "clean_text": normalizer.get("clean_text"),
        "max_input_chars_per_word": model.get("max_input_chars_per_word"),
    }
    return tokens, _options(wanted, WordPieceOptions(), path)


def read_tokenizer_config(path: Path, options: WordPieceOptions) -> WordPieceOptions:
    """`options` with what a tokenizer_config.json says about lower case, accents and Chinese characters."""
    data = read_json(path)
    kind = data.get("tokenizer_class")
    if kind is not None and kind not in _CLASSES:
        raise BadInput(
            f"{path}: tokenizer_class {kind!r} is not a BERT WordPiece tokenizer; there are {', '.join(_CLASSES)}"
        )
    for role, name in _NAMES.items():
        value = data.get(role, name)
        content: Any = cast(Table, value).get("content") if isinstance(value, Mapping) else value
        if content not in (name, None):
            raise BadInput(f"{path}: {role} is {content!r}; a BERT vocabulary calls it {name}")
    wanted = {
        "lowercase": data.get("do_lower_case"),
        "strip_accents": data.get("strip_accents"),
        "tokenize_chinese_chars": data.get("tokenize_chinese_chars"),
    }
    return _options(wanted, options, path)


def tokenizer_json(tokens: list[str], options: WordPieceOptions) -> bytes:
    """tokenizer.json in one canonical form: equal tokenizers have equal bytes, whatever wrote them."""
    ids = {token: index for index, token in enumerate(tokens)}
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    data = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            {"id": i, "content": name, **flags} for i, name in sorted((ids[n], n) for n in SPECIAL_TOKENS)
        ],
        "normalizer": {
            "type": "BertNormalizer",
            "clean_text": options.clean_text,
            "handle_chinese_chars": options.tokenize_chinese_chars,
            "strip_accents": options.strip_accents,
            "lowercase": options.lowercase,
        },
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": _SINGLE,
            "pair": _PAIR,
            "special_tokens": {n: {"id": n, "ids": [ids[n]], "tokens": [n]} for n in ("[CLS]", "[SEP]")},
        },
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True},
        "model": {
            "type": "WordPiece",
            "unk_token": "[UNK]",
            "continuing_subword_prefix": "##",
            "max_input_chars_per_word": options.max_input_chars_per_word,
            "vocab": ids,
        },
    }
    return as_json(data)


def folder_files(tokens: list[str], options: WordPieceOptions) -> dict[str, bytes]:
    """Every file of a tokenizer in the Hugging Face layout, by name."""
    settings = {
        **_NAMES,
        "do_lower_case": options.lowercase,
        "strip_accents": options.strip_accents,
        "tokenize_chinese_chars": options.tokenize_chinese_chars,
        "tokenizer_class": "BertTokenizer",
    }
    return {
        "tokenizer.json": tokenizer_json(tokens, options),
        "tokenizer_config.json": as_json(dict(sorted(settings.items()))),
        "special_tokens_map.json": as_json(dict(sorted(_NAMES.items()))),
        "vocab.txt": "".join(token + "\n" for token in tokens).encode(),
    }


def _options(wanted: Mapping[str, object], base: WordPieceOptions, path: Path) -> WordPieceOptions:
    given = {key: value for key, value in wanted.items() if value is not None}
    for key, value in given.items():
        counts = key == "max_input_chars_per_word"
        if type(value) is not (int if counts else bool) or (counts and not 1 <= cast(int, value) < 2**31):
            raise BadInput(
                f"{path}: {key} is {value!r}; {'a number from 1' if counts else 'true or false'} was expected"
            )
    return base.with_changes(**given)


def _check_post_processor(part: Table, path: Path) -> None:
    """[CLS] A [SEP], [CLS] A [SEP] B [SEP] with segments 0 and 1, and no other order."""
    if part["type"] == "TemplateProcessing":
        right = part.get("single") == _SINGLE and part.get("pair") == _PAIR
    else:
        right = all(
            isinstance(given := part.get(role), list) and cast("list[object]", given)[:1] == [name]
            for role, name in (("cls", "[CLS]"), ("sep", "[SEP]"))
        )
    if not right:
        raise BadInput(f"{path}: post_processor is not BERT's [CLS] A [SEP] B [SEP] with segments 0 and 1")
