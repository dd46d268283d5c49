"""The files of a byte-level BPE tokenizer: tokenizer.json, or vocab.json with merges.txt beside it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

from maskwright.config import Config
from maskwright.errors import BadInput
from maskwright.tokenizers.json_file import (
    Table,
    added_tokens,
    as_json,
    check_added,
    flag,
    part_of,
    read_json,
    template,
    tokens_by_id,
)
from maskwright.tokenizers.merges import Merge, check_merges, merges_of, read_merges
from maskwright.tokenizers.pairs import A, B, Layout
from maskwright.tokenizers.tokenizer import Role

_PRINTABLE = (*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100))
_OTHERS = [byte for byte in range(256) if byte not in _PRINTABLE]
BYTES = tuple(chr(byte if byte in _PRINTABLE else 256 + _OTHERS.index(byte)) for byte in range(256))
"""The characters that stand for the bytes 0 to 255 (openai/gpt-2, encoder.py, `bytes_to_unicode`)."""


class ByteBPEOptions(Config):
    """How text is cut before it is looked up."""

    add_prefix_space: bool = False
    """Put a space before a text that does not begin with one, so that its first word is like any other."""


class Style(NamedTuple):
    """Whose special tokens a vocabulary has, what they do, and where they stand."""

    name: str
    roles: dict[Role, str]
    special: tuple[str, ...]
    layout: Layout
    tokenizer_class: str


ROBERTA = Style(
    "roberta",
    {"pad": "<pad>", "unk": "<unk>", "cls": "<s>", "sep": "</s>", "mask": "<mask>"},
    ("<s>", "<pad>", "</s>", "<unk>", "<mask>"),
    Layout(
        single=(("<s>", 0), (A, 0), ("</s>", 0)),
        pair=(("<s>", 0), (A, 0), ("</s>", 0), ("</s>", 0), (B, 0), ("</s>", 0)),
    ),
    "RobertaTokenizer",
)
GPT2 = Style(
    "gpt2",
    {"sep": "<|endoftext|>"},
    ("<|endoftext|>",),
    Layout(single=((A, 0),), pair=((A, 0), (B, 0))),
    "GPT2Tokenizer",
)
STYLES = {style.name: style for style in (ROBERTA, GPT2)}


class Parts(NamedTuple):
    """What a byte-level BPE tokenizer is made of."""

    tokens: list[str]
    merges: list[Merge]
    options: ByteBPEOptions


def style_of(tokens: Sequence[str], where: str | Path) -> Style:
    """RoBERTa's when its five special tokens are there, GPT-2's when its one is; else BadInput."""
    known = set(tokens)
    for style in (ROBERTA, GPT2):
        if known.issuperset(style.special):
            return style
    near = ROBERTA if known.intersection(ROBERTA.special) else GPT2
    missing = " ".join(token for token in near.special if token not in known)
    raise BadInput(
        f"{where}: {missing} missing; a byte-level vocabulary has {' '.join(ROBERTA.special)}, or {GPT2.special[0]}"
    )


def check_parts(parts: Parts, where: str | Path) -> None:
    """Raise BadInput unless every byte can be written and every merge makes a token out of tokens."""
    known = set(parts.tokens)
    if missing := [token for token in BYTES if token not in known]:
        raise BadInput(f"{where}: {len(missing)} bytes have no token, the first is {missing[0]!r}; there must be 256")
    check_merges(parts.merges, known, where)


def read_vocab_and_merges(folder: Path) -> Parts:
    """From vocab.json and merges.txt."""
    tokens = tokens_by_id(read_json(folder / "vocab.json"), folder / "vocab.json")
    merges = read_merges(folder / "merges.txt")
    options = ByteBPEOptions()
    if (folder / "tokenizer_config.json").is_file():
        options = _settings(folder / "tokenizer_config.json", options)
    return Parts(tokens, merges, options)


def read_tokenizer_json(path: Path) -> Parts:
    """From a tokenizer.json of RoBERTa's or GPT-2's make; anything else is BadInput.

    Padding and truncation set in the file are not taken over.
    """
    data = read_json(path)
    model = cast(Table, data.get("model")) if isinstance(data.get("model"), dict) else {}
    if model.get("type", "BPE") != "BPE" or "merges" not in model:
        raise BadInput(f"{path}: model {model.get('type')!r} is not byte-level BPE's")
    for name in ("dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix", "byte_fallback"):
        if model.get(name) not in (None, "", False) and not (
            name == "unk_token" and model[name] in ROBERTA.special + GPT2.special
        ):
            raise BadInput(f"{path}: {name} {model[name]!r} of the model is not byte-level BPE's")
    if data.get("normalizer") is not None:
        raise BadInput(f"{path}: byte-level BPE has no normalizer, this file has one")
    cut = part_of(data, "pre_tokenizer", {"ByteLevel"}, path, "byte-level BPE")
    if not flag(cut, "use_regex", True, path):
        raise BadInput(f"{path}: use_regex is false; only GPT-2's own regular expression is read")
    part_of(data, "decoder", {"ByteLevel"}, path, "byte-level BPE")
    tokens = tokens_by_id(model.get("vocab"), path)
    style = _style_with_added(data, tokens, path)
    _check_post_processor(data, style, path)
    options = ByteBPEOptions(add_prefix_space=flag(cut, "add_prefix_space", False, path))
    return Parts(tokens, merges_of(model["merges"], path), options)


def _style_with_added(data: Table, tokens: list[str], path: Path) -> Style:
    """The style, special tokens that are only among the added ones put behind the others."""
    contents = [entry.get("content") for entry in added_tokens(data)]
    style = style_of([*tokens, *(content for content in contents if isinstance(content, str))], path)
    check_added(data, tokens, style.special, path, takes_space=("<mask>",))
    return style


def _check_post_processor(data: Table, style: Style, path: Path) -> None:
    if data.get("post_processor") is None:
        return
    part = part_of(
        data, "post_processor", {"RobertaProcessing", "ByteLevel", "TemplateProcessing"}, path, "byte-level BPE"
    )
    if part["type"] == "RobertaProcessing":
        ends = [
            cast("list[object]", part.get(name))[:1] if isinstance(part.get(name), list) else []
            for name in ("cls", "sep")
        ]
        if style is not ROBERTA or ends != [["<s>"], ["</s>"]]:
            raise BadInput(f"{path}: post_processor is not RoBERTa's <s> A </s></s> B </s>")
    if part["type"] == "TemplateProcessing" and (
        part.get("single") != template(style.layout.single) or part.get("pair") != template(style.layout.pair)
    ):
        raise BadInput(f"{path}: post_processor is not {style.name}'s")


def _settings(path: Path, options: ByteBPEOptions) -> ByteBPEOptions:
    return options.with_changes(add_prefix_space=flag(read_json(path), "add_prefix_space", False, path))


def tokenizer_json(parts: Parts, style: Style) -> bytes:
    """tokenizer.json in one canonical form: equal tokenizers have equal bytes, whatever wrote them."""
    ids = {token: index for index, token in enumerate(parts.tokens)}
    space = parts.options.add_prefix_space
    flags = {"single_word": False, "rstrip": False, "normalized": False, "special": True}
    byte_level = {"type": "ByteLevel", "add_prefix_space": space, "trim_offsets": True, "use_regex": True}
    processor: dict[str, Any] = byte_level
    if style is ROBERTA:
        ends = {"sep": ["</s>", ids["</s>"]], "cls": ["<s>", ids["<s>"]]}
        processor = {"type": "RobertaProcessing", **ends, "trim_offsets": True, "add_prefix_space": space}
    return as_json(
        {
            "version": "1.0",
            "truncation": None,
            "padding": None,
            "added_tokens": [
                {"id": index, "content": name, "lstrip": name == "<mask>", **flags}
                for index, name in sorted((ids[name], name) for name in style.special)
            ],
            "normalizer": None,
            "pre_tokenizer": byte_level,
            "post_processor": processor,
            "decoder": byte_level,
            "model": {
                "type": "BPE",
                "dropout": None,
                "unk_token": None,
                "continuing_subword_prefix": "",
                "end_of_word_suffix": "",
                "fuse_unk": False,
                "byte_fallback": False,
                "ignore_merges": False,
                "vocab": ids,
                "merges": [list(merge) for merge in parts.merges],
            },
        }
    )


def folder_files(parts: Parts, style: Style) -> dict[str, bytes]:
    """Every file of a tokenizer in the Hugging Face layout, by name."""
    if style is ROBERTA:
        names = {f"{role}_token": name for role, name in style.roles.items()}
        names |= {"bos_token": "<s>", "eos_token": "</s>"}
    else:
        names = {f"{role}_token": "<|endoftext|>" for role in ("bos", "eos", "unk")}
    settings = {**names, "add_prefix_space": parts.options.add_prefix_space, "tokenizer_class": style.tokenizer_class}
    merges = "".join(f"{left} {right}\n" for left, right in parts.merges)
    return {
        "tokenizer.json": tokenizer_json(parts, style),
        "tokenizer_config.json": as_json(dict(sorted(settings.items()))),
        "special_tokens_map.json": as_json(dict(sorted(names.items()))),
        "vocab.json": as_json({token: index for index, token in enumerate(parts.tokens)}),
        "merges.txt": ("#version: 0.2\n" + merges).encode(),
    }
