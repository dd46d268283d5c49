"""Characters as ELMo reads them (arXiv 1802.05365; allenai/bilm-tf, bilm/data.py, `UnicodeCharsVocabulary`).

A token is a byte of UTF-8, 0 to 255; behind them come the marks <S> and </S> around a sentence, <W> and </W> around a
word, and <pad>. In a row of tokens a word is its bytes; as the network wants it, it is a row of fifty numbers, which
`character_rows` makes. There are no options: every such tokenizer is the same.

Words are BERT's: every mark is one (don ' t, well - known); in Chinese they are the segmenter's, and without one
each Chinese character is a word.

>>> encoded = Characters().encode_sentences(["don't 语"])
>>> encoded.token_ids.tolist(), encoded.word_starts.tolist()
([100, 111, 110, 39, 116, 232, 175, 173], [1, 0, 0, 1, 1, 1, 0, 0])
"""

from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from tokenizers import AddedToken, decoders, models, normalizers, pre_tokenizers
from tokenizers import Tokenizer as Library

from maskwright.errors import BadInput
from maskwright.text.words import Segmenter
from maskwright.tokenizers.bert_words import BertWords
from maskwright.tokenizers.byte_bpe_files import BYTES
from maskwright.tokenizers.json_file import Table, as_json, read_json, template
from maskwright.tokenizers.lookup import Encoded, Lookup
from maskwright.tokenizers.pairs import A, B, Layout, Side
from maskwright.tokenizers.tokenizer import Kind, Role, Tokenizer, Vocabulary

SPECIAL = ("<S>", "</S>", "<W>", "</W>", "<pad>")
BEGIN_SENTENCE, END_SENTENCE, BEGIN_WORD, END_WORD, PAD = range(256, 261)
MOST = 50
"""Numbers of a word, its two marks included: longer ones are cut."""
_ROLES: dict[Role, str] = {"pad": "<pad>", "cls": "<S>", "sep": "</S>"}
_LAYOUT = Layout(
    single=(("<S>", 0), (A, 0), ("</S>", 0)), pair=(("<S>", 0), (A, 0), ("</S>", 0), ("<S>", 0), (B, 0), ("</S>", 0))
)
Array = npt.NDArray[Any]


class Characters(Tokenizer):
    """Text to bytes and words."""

    kind: ClassVar[Kind] = "characters"
    layout = _LAYOUT

    def __init__(self) -> None:
        self.vocabulary = Vocabulary([*BYTES, *SPECIAL], _ROLES, SPECIAL, where="characters")

    @staticmethod
    def load(path: str | Path) -> "Characters":
        """From a tokenizer.json, or a folder with one. BadInput when it says anything else than ours."""
        file = Path(path) / "tokenizer.json" if Path(path).is_dir() else Path(path)
        ours = _settings()
        data = read_json(file)
        for part, wanted in ours.items():
            if part not in ("truncation", "padding", "version") and data.get(part) != wanted:
                raise BadInput(f"{file}: {part} is not that of characters, which have no options")
        return Characters()

    def files(self) -> dict[str, bytes]:
        """As `Tokenizer.files`."""
        names = {f"{role}_token": name for role, name in _ROLES.items()} | {"bos_token": "<S>", "eos_token": "</S>"}
        settings = {**names, "tokenizer_class": "PreTrainedTokenizerFast"}
        return {
            "tokenizer.json": as_json(_settings()),
            "tokenizer_config.json": as_json(dict(sorted(settings.items()))),
            "special_tokens_map.json": as_json(dict(sorted(names.items()))),
        }

    @cached_property
    def _plain(self) -> Library:
        library = Library(models.BPE(vocab=self.vocabulary.ids, merges=[]))
        library.normalizer = normalizers.BertNormalizer(
            clean_text=False, handle_chinese_chars=True, strip_accents=False, lowercase=False
        )
        byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
        library.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.BertPreTokenizer(), byte_level])
        library.decoder = decoders.ByteLevel()
        return library

    @cached_property
    def _marked(self) -> Library:
        library = Library.from_str(self._plain.to_str())
        library.add_special_tokens([AddedToken(name, normalized=False, special=True) for name in SPECIAL])
        return library

    @cached_property
    def _lookup(self) -> Lookup:
        return Lookup(BertWords(self._plain), None)

    def encode_sentences(
        self, sentences: Sequence[str], segmenter: Segmenter | None = None, unknown: list[tuple[int, str]] | None = None
    ) -> Encoded:
        """As `Tokenizer.encode_sentences`; nothing is unknown."""
        return self._lookup.encode(sentences, segmenter, unknown)

    def sides(self, texts: Sequence[str], *, special_in_text: bool) -> list[Side]:
        """As `Tokenizer.sides`."""
        library = self._marked if special_in_text else self._plain
        return [Side.of(encoding) for encoding in library.encode_batch(list(texts), add_special_tokens=False)]

    def decode(self, ids: Iterable[int], *, skip_special: bool = False) -> str:
        """The bytes as text, words set together: where the spaces were is lost."""
        return self._marked.decode([int(index) for index in ids], skip_special_tokens=skip_special)


def character_ids(words: Sequence[str], most: int = MOST) -> npt.NDArray[np.int32]:
    """(N, most): each word as <W>, its bytes, </W> and padding, cut to fit.

    >>> character_ids(["语", ""], most=6).tolist()
    [[258, 232, 175, 173, 259, 260], [258, 259, 260, 260, 260, 260]]
    """
    encoded = [word.encode("utf-8", "ignore") for word in words]
    counts = np.fromiter(map(len, encoded), dtype=np.int64, count=len(encoded))
    return _rows(np.frombuffer(b"".join(encoded), dtype=np.uint8), counts, most)


def character_rows(token_ids: Array, word_starts: Array, most: int = MOST) -> npt.NDArray[np.int32]:
    """(N, most): as `character_ids`, for the N words of a row of tokens.

    A mark around a sentence is a word whose one character it is.

    >>> character_rows(np.array([256, 97, 98]), np.array([1, 1, 0]), most=5).tolist()
    [[258, 256, 259, 260, 260], [258, 97, 98, 259, 260]]
    """
    counts = np.diff(np.flatnonzero(word_starts), append=len(token_ids))
    return _rows(token_ids, counts, most)


def _rows(characters: Array, counts: Array, most: int) -> npt.NDArray[np.int32]:
    rows = np.full((len(counts), most), PAD, dtype=np.int32)
    kept = np.minimum(counts, most - 2)
    place = np.arange(len(characters)) - np.repeat(np.cumsum(counts) - counts, counts)
    fits = place < most - 2
    rows[np.repeat(np.arange(len(counts)), counts)[fits], place[fits] + 1] = characters[fits]
    rows[:, 0] = BEGIN_WORD
    rows[np.arange(len(counts)), kept + 1] = END_WORD
    return rows


def _settings() -> Table:
    ids = {token: index for index, token in enumerate((*BYTES, *SPECIAL))}
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
    normalizer = {"clean_text": False, "handle_chinese_chars": True, "strip_accents": False, "lowercase": False}
    around = {"single": template(_LAYOUT.single), "pair": template(_LAYOUT.pair)}
    named = {n: {"id": n, "ids": [ids[n]], "tokens": [n]} for n in _LAYOUT.special}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [{"id": ids[name], "content": name, **flags} for name in SPECIAL],
        "normalizer": {"type": "BertNormalizer", **normalizer},
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "BertPreTokenizer"}, byte_level]},
        "post_processor": {"type": "TemplateProcessing", **around, "special_tokens": named},
        "decoder": byte_level,
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": False,
            "vocab": ids,
            "merges": [],
        },
    }
