"""Byte-level BPE, as in GPT-2 (Radford et al. 2019, section 2.2) and RoBERTa (arXiv 1907.11692, section 4.4).

Text is cut by GPT-2's regular expression, each pre-token's UTF-8 bytes are written with 256 printable characters
(Ġ is the space), and pairs of pieces are merged in the order they were learnt. Nothing is unknown and nothing is
lost: `decode(encode(text)) == text`. Two sets of special tokens are known: RoBERTa's <s> <pad> </s> <unk> <mask> with
<s> A </s></s> B </s>, all of one type; and GPT-2's <|endoftext|>, with nothing around a text.

Words are the pre-tokens: a contraction's ending is a word (don 't), a hyphen too (well - known), and so is a run of
marks; the space before a word belongs to it, other white space is a word of its own. Inside a pre-token a word
begins wherever Chinese begins or ends, and in Chinese where the segmenter says.

>>> tokenizer = ByteBPE.train(["don't stop", "a well-known"], 300, min_count=1)
>>> encoded = tokenizer.encode_sentences(["don't well-known"])
>>> [tokenizer.id_to_token(i) for i in encoded.token_ids[encoded.word_starts == 1].tolist()]
['don', "'t", 'Ġwell', '-', 'known']

A piece that spans several words is one unit, and is counted: here 语言模型 is one piece, and the segmenter's words are
使用 语言 模型 来 预测 下 一个 词 的 probability 。

>>> from maskwright.text.words import RjiebaSegmenter
>>> tokenizer = ByteBPE.train(["语言模型"] * 3, 400)
>>> encoded = tokenizer.encode_sentences(["使用语言模型来预测下一个词的probability。"], RjiebaSegmenter())
>>> words = np.split(encoded.token_ids, np.flatnonzero(encoded.word_starts)[1:])
>>> [tokenizer.decode(word) for word in words]
['使用', '语言模型', '来', '预测', '下', '一个', '词', '的', 'probability', '。']
>>> encoded.joined.tolist()
[1]
"""

import json
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
from tokenizers import AddedToken, decoders, models, pre_tokenizers, trainers
from tokenizers import Tokenizer as Library

from maskwright.errors import BadInput
from maskwright.text.characters import utf8_lengths
from maskwright.text.words import Segmenter
from maskwright.tokenizers.byte_bpe_files import (
    BYTES,
    STYLES,
    ByteBPEOptions,
    Parts,
    check_parts,
    folder_files,
    read_tokenizer_json,
    read_vocab_and_merges,
    style_of,
)
from maskwright.tokenizers.cuts import ByteCuts, cut_units
from maskwright.tokenizers.gpt2_words import PreTokens, begin_words
from maskwright.tokenizers.lookup import Encoded, Lookup, Pieces, Units
from maskwright.tokenizers.merges import Merge
from maskwright.tokenizers.pairs import Side
from maskwright.tokenizers.tokenizer import Kind, Tokenizer, Vocabulary
from maskwright.tokenizers.words_of_pieces import mark_pieces

Array = npt.NDArray[Any]


class ByteBPE(Tokenizer):
    """A byte-level vocabulary, its merges, and the rules that apply them."""

    kind: ClassVar[Kind] = "byte_bpe"

    def __init__(
        self,
        tokens: Sequence[str],
        merges: Sequence[Merge],
        options: ByteBPEOptions | None = None,
        where: str | Path = "vocabulary",
    ) -> None:
        """Raises BadInput for a byte without a token, a merge of what is no token, and missing special tokens."""
        self._parts = Parts(list(tokens), list(merges), options or ByteBPEOptions())
        self.options = self._parts.options
        self._style = style_of(tokens, where)
        self.layout = self._style.layout
        self.vocabulary = Vocabulary(tokens, self._style.roles, self._style.special, where=where)
        check_parts(self._parts, where)

    @staticmethod
    def train(
        sentences: Iterable[str],
        vocab_size: int,
        *,
        style: Literal["roberta", "gpt2"] = "roberta",
        add_prefix_space: bool = False,
        min_count: int = 2,
    ) -> "ByteBPE":
        """A tokenizer with at most `vocab_size` tokens; the same text gives the same one everywhere.

        style      whose special tokens it gets
        min_count  pairs of pieces that occur less often are not merged
        """
        special = list(STYLES[style].special)
        if vocab_size < (least := len(special) + len(BYTES)):
            raise BadInput(f"no byte-level vocabulary of {vocab_size} tokens: the bytes alone take {least}")
        trainer = trainers.BpeTrainer(
            vocab_size=vocab_size,
            min_frequency=min_count,
            special_tokens=special,
            initial_alphabet=list(BYTES),
            show_progress=False,
        )
        library = Library(models.BPE())
        library.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=add_prefix_space)
        library.train_from_iterator(sentences, trainer)
        tokens, merges = _model_of(library)
        return ByteBPE(tokens, merges, ByteBPEOptions(add_prefix_space=add_prefix_space))

    @staticmethod
    def load(path: str | Path) -> "ByteBPE":
        """From a tokenizer.json, a vocab.json with merges.txt beside it, or a folder of either; BadInput if neither."""
        path = Path(path)
        file = path / "tokenizer.json" if path.is_dir() else path
        if file.name in ("vocab.json", "merges.txt") or not file.is_file():
            file = (path if path.is_dir() else path.parent) / "vocab.json"
            parts = read_vocab_and_merges(file.parent)
        else:
            parts = read_tokenizer_json(file)
        return ByteBPE(parts.tokens, parts.merges, parts.options, file)

    def files(self) -> dict[str, bytes]:
        """As `Tokenizer.files`."""
        return folder_files(self._parts, self._style)

    @cached_property
    def _plain(self) -> Library:
        """Knows no special token: no merge makes one, so that one in a text is text."""
        library = Library(models.BPE(vocab=self.vocabulary.ids, merges=self._parts.merges))
        library.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=self.options.add_prefix_space)
        library.decoder = decoders.ByteLevel()
        return library

    @cached_property
    def _marked(self) -> Library:
        """Takes <mask> and its like in a text for the special tokens; <mask> takes the space before it along."""
        library = Library.from_str(self._plain.to_str())
        library.add_special_tokens(
            [AddedToken(name, normalized=False, special=True, lstrip=name == "<mask>") for name in self._style.special]
        )
        return library

    @cached_property
    def _pre_tokens(self) -> PreTokens:
        return PreTokens()

    @cached_property
    def _lookup(self) -> Lookup:
        units = _ByteUnits(self._pre_tokens, self.tokens, self._plain.model)
        return Lookup(units, None, prefix_space=self.options.add_prefix_space)

    def encode_sentences(
        self, sentences: Sequence[str], segmenter: Segmenter | None = None, unknown: list[tuple[int, str]] | None = None
    ) -> Encoded:
        """As `Tokenizer.encode_sentences`; `unknown` stays as it is, since nothing is unknown.

        >>> tokenizer = ByteBPE([*BYTES, "<|endoftext|>", "Ġt", "Ġto"], [("Ġ", "t"), ("Ġt", "o")])
        >>> encoded = tokenizer.encode_sentences(["a to 使用"])
        >>> [tokenizer.id_to_token(i) for i in encoded.token_ids.tolist()]
        ['a', 'Ġto', 'Ġ', 'ä', '½', '¿', 'ç', 'Ķ', '¨']
        >>> encoded.word_starts.tolist(), encoded.lengths.tolist()
        ([1, 1, 1, 0, 0, 0, 1, 0, 0], [9])
        """
        return self._lookup.encode(sentences, segmenter, unknown)

    def sides(self, texts: Sequence[str], *, special_in_text: bool) -> list[Side]:
        """As `Tokenizer.sides`. Offsets leave out the space before a word."""
        library = self._marked if special_in_text else self._plain
        special = set(self.special_ids.tolist()) if special_in_text else set[int]()
        encodings = library.encode_batch(list(texts), add_special_tokens=False)
        return [self._side(text, e.ids, e.offsets, special) for text, e in zip(texts, encodings, strict=True)]

    def _side(self, text: str, ids: list[int], offsets: list[tuple[int, int]], special: set[int]) -> Side:
        if not ids:
            return Side([], [], [], [])
        shift = int(self.options.add_prefix_space and text[0] != " ")
        points = np.frombuffer((" " * shift + text + "\n").encode("utf-32-le"), dtype=np.uint32)
        at, ends = self._pre_tokens.find(points, np.array([len(points) - 1]))
        spaced = self._pre_tokens.spaces_in_front(points, at, ends)
        spans = np.array(offsets, dtype=np.int64) + shift
        in_front = np.zeros(len(ids), dtype=np.bool_)
        in_front[0] = True
        if special:
            marks = np.isin(ids, list(special))
            in_front |= marks
            in_front[1:] |= marks[:-1]
        first, end = _behind_spaces(spans[:, 0], spans[:, 1], at[spaced])
        starts, _ = mark_pieces(first, end, begin_words(points, at, spaced), in_front)
        spans[:, 0] = np.where(first < spans[:, 1], first, spans[:, 0])
        trimmed = [(begin, end) for begin, end in (spans - shift).tolist()]
        return Side(ids, (np.cumsum(starts) - 1).tolist(), trimmed, [self.tokens[index] for index in ids])

    def decode(self, ids: Iterable[int], *, skip_special: bool = False) -> str:
        """The very text that was encoded, special tokens written out; a space that was put before it stays."""
        return self._marked.decode([int(index) for index in ids], skip_special_tokens=skip_special)


class _ByteUnits(Units):
    """Pre-tokens, or parts of them, as units; see `lookup.Units`."""

    def __init__(self, pre_tokens: PreTokens, tokens: Sequence[str], model: models.Model) -> None:
        self._pre_tokens = pre_tokens
        numbers = {ord(character): byte for byte, character in enumerate(BYTES)}
        plain = (token for token in tokens if all(ord(character) in numbers for character in token))
        self._cuts = ByteCuts(bytes(map(numbers.__getitem__, map(ord, token))) for token in plain)
        self._num_bytes = np.array([len(token) for token in tokens], dtype=np.int64)  # a character a byte
        self._library = Library(model)
        self._library.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)

    def find(self, points: Array, borders: Array) -> tuple[Array, Array, None]:
        """As `Units.find`; pre-tokens of Chinese are cut wherever no piece reaches over the cut."""
        at, ends = self._pre_tokens.find(points, borders)
        return *cut_units(at, ends, self._cuts.places(points)), None

    def pieces(self, units: list[str]) -> Pieces:
        """As `Units.pieces`. Where a piece lies follows from how many bytes it has: none are ever lost."""
        encodings = self._library.encode_batch_fast(units, add_special_tokens=False)
        rows = [encoding.ids for encoding in encodings]
        counts = np.fromiter(map(len, rows), dtype=np.int64, count=len(rows))
        ids = np.array([piece for row in rows for piece in row], dtype=np.int64)
        points = np.frombuffer("".join(units).encode("utf-32-le"), dtype=np.uint32)
        ends = np.cumsum(np.fromiter(map(len, units), dtype=np.int64, count=len(units)))
        at = np.concatenate([[0], ends[:-1]])
        spaced = self._pre_tokens.spaces_in_front(points, at, ends)

        character_of_byte = np.repeat(np.arange(len(points)), utf8_lengths(points))
        byte_ends = np.cumsum(self._num_bytes[ids])
        first = character_of_byte[byte_ends - self._num_bytes[ids]]
        first, end = _behind_spaces(first, character_of_byte[byte_ends - 1] + 1, at[spaced])
        in_front = np.zeros(len(ids), dtype=np.bool_)
        in_front[np.cumsum(counts) - counts] = True
        starts, inner = mark_pieces(first, end, begin_words(points, at, spaced), in_front)
        base = np.repeat(at, counts)
        return Pieces(counts, ids, starts, first - base, end - base, inner)


def _behind_spaces(first: Array, end: Array, spaces: Array) -> tuple[Array, Array]:
    """Pieces that begin with the space before a word begin with the word; that space alone is its first character."""
    first = first + np.isin(first, spaces)
    return first, np.maximum(end, first + 1)


def _model_of(library: Library) -> tuple[list[str], list[Merge]]:
    model = json.loads(library.to_str())["model"]
    tokens = sorted(model["vocab"], key=model["vocab"].__getitem__)
    merges = [tuple(merge) if isinstance(merge, list) else tuple(merge.split(" ")) for merge in model["merges"]]
    return tokens, merges
