"""The files a WordPiece tokenizer is kept in: vocab.txt, tokenizer.json, or a folder of both with its settings.

A file from elsewhere is data, read with a closed schema: WordPiece over BERT's normalizer and
pre-tokenizer, and nothing else. No path, class or expression named inside a file is ever followed.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from pydantic import Field

from maskwright.config import Config
from maskwright.errors import BadInput

SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
_ROLES = {
    "pad_token": "[PAD]",
    "unk_token": "[UNK]",
    "cls_token": "[CLS]",
    "sep_token": "[SEP]",
    "mask_token": "[MASK]",
}
_CLASSES = (
    *("BertTokenizer", "BertTokenizerFast", "DistilBertTokenizer", "DistilBertTokenizerFast"),
    *("ElectraTokenizer", "ElectraTokenizerFast", "PreTrainedTokenizerFast", "TokenizersBackend"),
)
_LIMIT = 256 * 2**20  # bytes of a vocabulary file; the largest published ones are a few MB
Table = dict[str, Any]
_SINGLE: list[Table] = [
    {"SpecialToken": {"id": "[CLS]", "type_id": 0}},
    {"Sequence": {"id": "A", "type_id": 0}},
    {"SpecialToken": {"id": "[SEP]", "type_id": 0}},
]
_PAIR = [*_SINGLE, {"Sequence": {"id": "B", "type_id": 1}}, {"SpecialToken": {"id": "[SEP]", "type_id": 1}}]


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
    data = _read(path)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadInput(f"{path}: byte {error.start} is not UTF-8; a vocab.txt is UTF-8 text") from None
    tokens = text.removesuffix("\n").split("\n")
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
    data = _read_json(path)
    model = _typed(data, "model", {"WordPiece"}, path)
    normalizer = _typed(data, "normalizer", {"BertNormalizer"}, path)
    _typed(data, "pre_tokenizer", {"BertPreTokenizer"}, path)
    if data.get("post_processor") is not None:
        _check_post_processor(_typed(data, "post_processor", {"BertProcessing", "TemplateProcessing"}, path), path)
    if data.get("decoder") is not None:
        _typed(data, "decoder", {"WordPiece"}, path)
    if model.get("continuing_subword_prefix", "##") != "##" or model.get("unk_token", "[UNK]") != "[UNK]":
        raise BadInput(
            f"{path}: pieces that do not continue with ## or an unknown token other than [UNK] are not BERT's"
        )
    tokens = _tokens_by_id(model.get("vocab"), path)
    _check_added_tokens(data.get("added_tokens"), tokens, path)
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
    data = _read_json(path)
    kind = data.get("tokenizer_class")
    if kind is not None and kind not in _CLASSES:
        raise BadInput(
            f"{path}: tokenizer_class {kind!r} is not a BERT WordPiece tokenizer; there are {', '.join(_CLASSES)}"
        )
    for role, name in _ROLES.items():
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


def check_tokens(tokens: list[str], where: str | Path) -> None:
    """Raise BadInput unless every token is there once, can be written, and the special ones are there."""
    seen: dict[str, int] = {}
    for index, token in enumerate(tokens):
        if token in seen:
            raise BadInput(f"{where}: token {token!r} stands twice, as {seen[token]} and {index}; keep one of them")
        seen[token] = index
        if not token or not token.isprintable():
            try:
                token.encode()
            except UnicodeEncodeError:
                raise BadInput(
                    f"{where}: token {index} is no text ({token!r}): it cannot be written as UTF-8"
                ) from None
            if not token or "\n" in token:
                raise BadInput(f"{where}: token {index} is {token!r}; a token is a line of text") from None
    if missing := [token for token in SPECIAL_TOKENS if token not in seen]:
        raise BadInput(f"{where}: {', '.join(missing)} missing; a BERT vocabulary has {' '.join(SPECIAL_TOKENS)}")


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
    return (json.dumps(data, ensure_ascii=False, indent=1) + "\n").encode()


def folder_files(tokens: list[str], options: WordPieceOptions) -> dict[str, bytes]:
    """Every file of a tokenizer in the Hugging Face layout, by name."""
    settings = {
        **_ROLES,
        "do_lower_case": options.lowercase,
        "strip_accents": options.strip_accents,
        "tokenize_chinese_chars": options.tokenize_chinese_chars,
        "tokenizer_class": "BertTokenizer",
    }
    return {
        "tokenizer.json": tokenizer_json(tokens, options),
        "tokenizer_config.json": (json.dumps(settings, indent=1, sort_keys=True) + "\n").encode(),
        "special_tokens_map.json": (json.dumps(_ROLES, indent=1, sort_keys=True) + "\n").encode(),
        "vocab.txt": "".join(token + "\n" for token in tokens).encode(),
    }


def _read(path: Path) -> bytes:
    if not path.is_file():
        raise BadInput(f"{path} is no file: name a vocab.txt, a tokenizer.json or a folder that has one")
    if (size := path.stat().st_size) > _LIMIT:
        raise BadInput(f"{path} has {size} bytes, a vocabulary at most {_LIMIT}")
    return path.read_bytes()


def _read_json(path: Path) -> Table:
    try:
        data: object = json.loads(_read(path))
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{path}: no readable JSON ({str(error) or 'nested too deep'})") from None
    if not isinstance(data, dict):
        raise BadInput(f"{path}: a JSON object was expected")
    return cast(Table, data)


def _typed(data: Table, part: str, known: set[str], path: Path) -> Table:
    """One part of a tokenizer.json, when it is of a known type."""
    value: object = data.get(part)
    kind: object = cast(Table, value).get("type") if isinstance(value, dict) else None
    if kind is None and part == "model" and isinstance(value, dict) and "max_input_chars_per_word" in value:
        kind = "WordPiece"  # written so by old versions
    if kind not in known:
        raise BadInput(f"{path}: {part} {kind or value!r} is not BERT's: only {' or '.join(sorted(known))} is read")
    return cast(Table, value)


def _options(wanted: Mapping[str, object], base: WordPieceOptions, path: Path) -> WordPieceOptions:
    given = {key: value for key, value in wanted.items() if value is not None}
    for key, value in given.items():
        counts = key == "max_input_chars_per_word"
        if type(value) is not (int if counts else bool) or (counts and not 1 <= cast(int, value) < 2**31):
            raise BadInput(
                f"{path}: {key} is {value!r}; {'a number from 1' if counts else 'true or false'} was expected"
            )
    return base.with_changes(**given)


def _tokens_by_id(vocab: object, path: Path) -> list[str]:
    if not isinstance(vocab, dict):
        raise BadInput(f"{path}: model.vocab is no table of tokens and ids")
    by_id: dict[int, str] = {}
    for token, index in cast(Table, vocab).items():
        if type(index) is not int or not 0 <= index < len(cast(Table, vocab)) or index in by_id:
            raise BadInput(f"{path}: token {token!r} has the id {index!r}; ids run from 0 to the last without a gap")
        by_id[index] = token
    return [by_id[index] for index in range(len(by_id))]


def _check_added_tokens(added: object, tokens: list[str], path: Path) -> None:
    for item in cast("list[object]", added) if isinstance(added, list) else []:
        entry = cast(Table, item) if isinstance(item, dict) else {}
        content, index = entry.get("content"), entry.get("id")
        if content not in SPECIAL_TOKENS:
            raise BadInput(f"{path}: added token {content!r} is none of BERT's {' '.join(SPECIAL_TOKENS)}")
        if type(index) is not int or not 0 <= index < len(tokens) or tokens[index] != content:
            raise BadInput(f"{path}: added token {content} has the id {index!r}, not its id in the vocabulary")
        if entry.get("lstrip") or entry.get("rstrip") or entry.get("single_word"):
            raise BadInput(f"{path}: added token {content} takes the space beside it or whole words; BERT's do not")


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
