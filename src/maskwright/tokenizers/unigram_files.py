"""The files of a Unigram tokenizer: tokenizer.json, or a SentencePiece model.

spiece.model is ALBERT's or XLNet's, with their special tokens among its pieces. sentencepiece.bpe.model is
XLM-RoBERTa's (arXiv 1911.02116), which has none but <unk>, <s> and </s>: fairseq put its own four in front and <mask>
behind, and ids are its.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, cast

from maskwright.errors import BadInput
from maskwright.tokenizers.json_file import Table, as_json, check_added, part_of, parts_of, read_json, template
from maskwright.tokenizers.pairs import A, B, Layout
from maskwright.tokenizers.sentencepiece_model import (
    CONTROL,
    UNUSED,
    SentencePieceModel,
    check_charsmap,
    parse_model,
    read_model,
)
from maskwright.tokenizers.tokenizer import Role
from maskwright.tokenizers.unigram_normalization import UnigramOptions, read_steps, write_steps

Scored = tuple[str, float]


class Style(NamedTuple):
    """Whose special tokens a vocabulary has, what they do, where they stand, and how its text is prepared."""

    name: str
    roles: dict[Role, str]
    special: tuple[str, ...]
    layout: Layout
    options: UnigramOptions
    tokenizer_class: str


ALBERT = Style(
    "albert",
    {"pad": "<pad>", "unk": "<unk>", "cls": "[CLS]", "sep": "[SEP]", "mask": "[MASK]"},
    ("<pad>", "<unk>", "[CLS]", "[SEP]", "[MASK]"),
    Layout(
        single=(("[CLS]", 0), (A, 0), ("[SEP]", 0)), pair=(("[CLS]", 0), (A, 0), ("[SEP]", 0), (B, 1), ("[SEP]", 1))
    ),
    UnigramOptions(),
    "AlbertTokenizer",
)
XLNET = Style(
    "xlnet",
    {"unk": "<unk>", "cls": "<cls>", "sep": "<sep>", "pad": "<pad>", "mask": "<mask>"},
    ("<unk>", "<s>", "</s>", "<cls>", "<sep>", "<pad>", "<mask>", "<eod>", "<eop>"),
    Layout(
        single=((A, 0), ("<sep>", 0), ("<cls>", 2)), pair=((A, 0), ("<sep>", 0), (B, 1), ("<sep>", 1), ("<cls>", 2))
    ),
    UnigramOptions(lowercase=False),
    "XLNetTokenizer",
)
XLM_ROBERTA = Style(
    "xlm-roberta",
    {"cls": "<s>", "pad": "<pad>", "sep": "</s>", "unk": "<unk>", "mask": "<mask>"},
    ("<s>", "<pad>", "</s>", "<unk>", "<mask>"),
    Layout(
        single=(("<s>", 0), (A, 0), ("</s>", 0)),
        pair=(("<s>", 0), (A, 0), ("</s>", 0), ("</s>", 0), (B, 0), ("</s>", 0)),
    ),
    UnigramOptions(lowercase=False, strip_accents=False, join_quotes=False),
    "XLMRobertaTokenizer",
)
PLAIN = Style(
    "sentencepiece",
    {"unk": "<unk>"},
    ("<unk>", "<s>", "</s>"),
    Layout(single=((A, 0),), pair=((A, 0), (B, 1))),
    UnigramOptions(lowercase=False, strip_accents=False, join_quotes=False),
    "PreTrainedTokenizerFast",
)
STYLES = {style.name: style for style in (ALBERT, XLNET, XLM_ROBERTA, PLAIN)}
"""In the order they are looked for: the special tokens of a later one may be some of an earlier one's."""
XLM_ROBERTA_FILE = "sentencepiece.bpe.model"


class Parts(NamedTuple):
    """What a Unigram tokenizer is made of.

    scored   (piece, logarithm of its probability), in order of ids
    charsmap the model's own normalization rules, compiled; b"" for none
    """

    scored: list[Scored]
    charsmap: bytes
    options: UnigramOptions


def style_of(tokens: Sequence[str], where: str | Path) -> Style:
    """The first whose special tokens are all there; SentencePiece's own come last. BadInput where none's are."""
    known = set(tokens)
    for style in STYLES.values():
        if known.issuperset(style.special):
            return style
    near = max(STYLES.values(), key=lambda style: len(known.intersection(style.special)) / len(style.special))
    missing = " ".join(token for token in near.special if token not in known)
    raise BadInput(f"{where}: {missing} missing; {near.name} has {' '.join(near.special)}")


def check_parts(parts: Parts, where: str | Path) -> None:
    """Raise BadInput for scores that are no numbers, pieces with white space inside, and damaged rules."""
    for index, (piece, score) in enumerate(parts.scored):
        if not math.isfinite(score):
            raise BadInput(f"{where}: piece {index}, {piece!r}, has the score {score}; a finite number was expected")
        if "\u2581" in piece[1:] and piece.strip("\u2581"):
            raise BadInput(f"{where}: piece {index}, {piece!r}, reaches over white space; such models are not read")
    check_charsmap(parts.charsmap, where)


def split_digit_comma(scored: Sequence[Scored]) -> list[Scored]:
    """Pieces such as "5," made so unlikely that the digits and the comma are taken apart.

    ALBERT and XLNet cut them afterwards (zihangdai/xlnet, prepro_utils.py, `encode_pieces`); stock tokenizers lower
    their score by 100, and so do we, as a file then says it all.

    >>> split_digit_comma([("5,", -3.0), ("five,", -4.0)])
    [('5,', -103.0), ('five,', -4.0)]
    """
    return [(p, s - 100 if len(p) > 1 and p[-1] == "," and p[-2].isdigit() else s) for p, s in scored]


def read_sentencepiece(path: Path) -> Parts:
    """From a SentencePiece .model; ALBERT's and XLNet's are told by their special tokens, XLM-RoBERTa's by its name."""
    parts = _parts(read_model(path), str(path))
    return _in_fairseqs_order(parts, str(path)) if path.name == XLM_ROBERTA_FILE else parts


def from_sentencepiece(data: bytes, options: UnigramOptions, where: str) -> Parts:
    """As `read_sentencepiece`, from bytes, with other options than the style's."""
    return _parts(parse_model(data, where), where)._replace(options=options)


def _parts(model: SentencePieceModel, where: str) -> Parts:
    scored = [(piece.text, piece.score) for piece in model.pieces]
    style = style_of([piece for piece, _ in scored], where)
    for index, piece in enumerate(model.pieces):
        if piece.type == UNUSED or (piece.type == CONTROL and piece.text not in style.special):
            raise BadInput(
                f"{where}: piece {index}, {piece.text!r}, never stands for text and is none of {style.name}'s"
            )
    if model.pieces[model.unk_id].text != style.roles["unk"]:
        raise BadInput(f"{where}: the unknown piece is {model.pieces[model.unk_id].text!r}, not {style.roles['unk']}")
    return Parts(split_digit_comma(scored) if style in (ALBERT, XLNET) else scored, model.charsmap, style.options)


def _in_fairseqs_order(parts: Parts, where: str) -> Parts:
    """<s> <pad> </s> <unk>, the pieces, <mask>: the ids of fairseq's dictionary, which the file has not."""
    *front, last = XLM_ROBERTA.special
    first = [piece for piece, _ in parts.scored[:3]]
    if first != list(PLAIN.special):
        raise BadInput(
            f"{where} begins with {' '.join(first)}, and XLM-RoBERTa's with {' '.join(PLAIN.special)}: "
            "rename it to spiece.model if it is another model's"
        )
    scored = [*((name, 0.0) for name in front), *parts.scored[3:], (last, 0.0)]
    return Parts(scored, parts.charsmap, XLM_ROBERTA.options)


def read_tokenizer_json(path: Path) -> Parts:
    """From a tokenizer.json of ALBERT's, XLNet's or XLM-RoBERTa's make; anything else is BadInput.

    Padding and truncation set in the file are not taken over.
    """
    data = read_json(path)
    model = part_of(data, "model", {"Unigram"}, path, "Unigram")
    if model.get("byte_fallback"):
        raise BadInput(f"{path}: fallback to bytes is not read; ALBERT and XLNet have none")
    scored = _scored(model.get("vocab"), path)
    tokens = [piece for piece, _ in scored]
    style = style_of(tokens, path)
    check_added(data, tokens, style.special, path, takes_space=(style.roles.get("mask", ""),))
    if len(tokens) != len(scored) or model.get("unk_id") != tokens.index(style.roles["unk"]):
        raise BadInput(f"{path}: unk_id is {model.get('unk_id')!r}, which is not the place of {style.roles['unk']}")
    _check_cut(data.get("pre_tokenizer"), path)
    if data.get("decoder") is not None:
        part_of(data, "decoder", {"Metaspace"}, path, "Unigram")
    if data.get("post_processor") is not None:
        part = part_of(data, "post_processor", {"TemplateProcessing"}, path, "Unigram")
        if part.get("single") != template(style.layout.single) or part.get("pair") != template(style.layout.pair):
            raise BadInput(f"{path}: post_processor is not {style.name}'s")
    options, charsmap = read_steps(data.get("normalizer"), path)
    return Parts(scored, charsmap, options)


def _scored(vocab: object, path: Path) -> list[Scored]:
    if not isinstance(vocab, list) or not vocab:
        raise BadInput(f"{path}: model.vocab is no list of pieces and scores")
    scored: list[Scored] = []
    for index, item in enumerate(cast("list[object]", vocab)):
        pair = cast("list[object]", item) if isinstance(item, list) else []
        if len(pair) != 2 or not isinstance(pair[0], str) or type(pair[1]) not in (int, float):
            raise BadInput(
                f"{path}: entry {index} of model.vocab is {str(item)[:60]}; a piece and its score were expected"
            )
        scored.append((pair[0], float(cast(float, pair[1]))))
    return scored


def _check_cut(value: object, path: Path) -> None:
    parts = parts_of(value, ("WhitespaceSplit", "Metaspace"), "pretokenizers")
    space = parts[1] if parts else {}
    always = space.get("prepend_scheme", "always" if space.get("add_prefix_space", True) else "never") == "always"
    if parts is None or space.get("replacement") != "\u2581" or not always:
        raise BadInput(f"{path}: pre_tokenizer is not ALBERT's: only WhitespaceSplit and Metaspace are read")


def tokenizer_json(parts: Parts, style: Style) -> bytes:
    """tokenizer.json in one canonical form: equal tokenizers have equal bytes, whatever wrote them."""
    ids = {piece: index for index, (piece, _) in enumerate(parts.scored)}
    flags = {"single_word": False, "rstrip": False, "normalized": False, "special": True}
    metaspace = {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "always", "split": True}
    around = {
        "type": "TemplateProcessing",
        "single": template(style.layout.single),
        "pair": template(style.layout.pair),
    }
    named = {n: {"id": n, "ids": [ids[n]], "tokens": [n]} for n in style.layout.special}
    return as_json(
        {
            "version": "1.0",
            "truncation": None,
            "padding": None,
            "added_tokens": [
                {"id": index, "content": name, "lstrip": name == "<mask>", **flags}
                for index, name in sorted((ids[name], name) for name in style.special)
            ],
            "normalizer": write_steps(parts.options, parts.charsmap),
            "pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "WhitespaceSplit"}, metaspace]},
            "post_processor": {**around, "special_tokens": named},
            "decoder": metaspace,
            "model": {
                "type": "Unigram",
                "unk_id": ids[style.roles["unk"]],
                "vocab": [list(pair) for pair in parts.scored],
                "byte_fallback": False,
            },
        }
    )


def folder_files(parts: Parts, style: Style) -> dict[str, bytes]:
    """Every file of a tokenizer in the Hugging Face layout, by name."""
    names: Table = {f"{role}_token": name for role, name in style.roles.items()}
    if style is XLNET:
        names |= {"bos_token": "<s>", "eos_token": "</s>", "additional_special_tokens": ["<eop>", "<eod>"]}
    settings = {
        **names,
        "do_lower_case": parts.options.lowercase,
        "keep_accents": not parts.options.strip_accents,
        "tokenizer_class": style.tokenizer_class,
    }
    return {
        "tokenizer.json": tokenizer_json(parts, style),
        "tokenizer_config.json": as_json(dict(sorted(settings.items()))),
        "special_tokens_map.json": as_json(dict(sorted(names.items()))),
    }
