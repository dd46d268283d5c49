"""Whole words, for word2vec (arXiv 1301.3781) and bags of words: the frequent ones have an id, others are <unk>.

Words are BERT's: every mark is one (don ' t, well - known). Chinese has two ways. Trained without a segmenter, each
Chinese character is a word. Trained with one, its words are the vocabulary: `encode_sentences` then wants the same
segmenter, and everything else, stock `tokenizers` among it, text with spaces between the words.

>>> tokenizer = Words(["<unk>", "don", "'", "t", "模型"], WordsOptions(tokenize_chinese_chars=False))
>>> tokenizer.encode_sentences(["Don't 模型 语言"]).token_ids.tolist()
[1, 2, 3, 4, 0]
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import ClassVar

import numpy as np
from tokenizers import AddedToken, models, normalizers, pre_tokenizers
from tokenizers import Tokenizer as Library

from maskwright.config import Config
from maskwright.errors import BadInput
from maskwright.text.words import Segmenter
from maskwright.tokenizers.bert_words import BertWords
from maskwright.tokenizers.json_file import as_json, check_added, flag, part_of, read_json, tokens_by_id
from maskwright.tokenizers.lookup import Encoded, Lookup
from maskwright.tokenizers.pairs import A, B, Layout, Side
from maskwright.tokenizers.tokenizer import Kind, Tokenizer, Vocabulary
from maskwright.tokenizers.training import in_chunks

UNKNOWN = "<unk>"
_FLAGS = {"clean_text": True, "strip_accents": False}


class WordsOptions(Config):
    """How text becomes words."""

    lowercase: bool = True
    """Lower-case the text."""
    tokenize_chinese_chars: bool = True
    """Make each Chinese character a word; otherwise Chinese words are those between spaces, or a segmenter's."""


class Words(Tokenizer):
    """A vocabulary of whole words."""

    kind: ClassVar[Kind] = "words"
    layout = Layout(single=((A, 0),), pair=((A, 0), (B, 1)))

    def __init__(
        self, tokens: Sequence[str], options: WordsOptions | None = None, where: str | Path = "vocabulary"
    ) -> None:
        """Raises BadInput for a word that stands twice, and when <unk> is missing."""
        self.options = options or WordsOptions()
        self.vocabulary = Vocabulary(tokens, {"unk": UNKNOWN}, (UNKNOWN,), where=where)
        self.unknown_id = self.vocabulary.ids[UNKNOWN]

    @staticmethod
    def train(
        sentences: Iterable[str],
        vocab_size: int,
        *,
        lowercase: bool = True,
        min_count: int = 2,
        segmenter: Segmenter | None = None,
    ) -> "Words":
        """A tokenizer with at most `vocab_size` words: <unk>, then the most frequent, equal ones in order.

        min_count  words that occur less often are unknown
        segmenter  finds the Chinese ones; without it each Chinese character is one
        """
        options = WordsOptions(lowercase=lowercase, tokenize_chinese_chars=segmenter is None)
        if segmenter is not None:
            sentences = _spaced(sentences, segmenter)
        library = Words([UNKNOWN], options)._plain
        units = BertWords(library)
        counts: Counter[str] = Counter()
        for chunk in in_chunks(sentences):
            assert library.normalizer is not None
            text = library.normalizer.normalize_str(chunk) + "\n"
            at, ends, _ = units.find(
                np.frombuffer(text.encode("utf-32-le"), dtype=np.uint32), np.zeros(0, dtype=np.int64)
            )
            counts.update(text[begin:end] for begin, end in zip(at.tolist(), ends.tolist(), strict=True))
        frequent = sorted((-count, word) for word, count in counts.items() if count >= min_count)
        if not frequent:
            raise BadInput(f"no vocabulary from this text: no word in it occurs {min_count} times")
        return Words([UNKNOWN, *(word for _, word in frequent if word != UNKNOWN)][:vocab_size], options)

    @staticmethod
    def load(path: str | Path) -> "Words":
        """From a tokenizer.json, or a folder with one. BadInput when it is not of words cut as BERT cuts them."""
        file = Path(path) / "tokenizer.json" if Path(path).is_dir() else Path(path)
        data = read_json(file)
        model = part_of(data, "model", {"WordLevel"}, file, "words")
        normalizer = part_of(data, "normalizer", {"BertNormalizer"}, file, "words")
        part_of(data, "pre_tokenizer", {"BertPreTokenizer"}, file, "words")
        if data.get("post_processor") is not None or data.get("decoder") is not None:
            raise BadInput(f"{file}: words have neither post_processor nor decoder, this file does")
        if model.get("unk_token") != UNKNOWN or any(normalizer.get(name) != value for name, value in _FLAGS.items()):
            raise BadInput(f"{file}: only words with {UNKNOWN}, of cleaned text with its accents, are read")
        tokens = tokens_by_id(model.get("vocab"), file)
        check_added(data, tokens, (UNKNOWN,), file)
        options = WordsOptions(
            lowercase=flag(normalizer, "lowercase", True, file),
            tokenize_chinese_chars=flag(normalizer, "handle_chinese_chars", True, file),
        )
        return Words(tokens, options, file)

    def files(self) -> dict[str, bytes]:
        """As `Tokenizer.files`."""
        flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
        chinese = self.options.tokenize_chinese_chars
        data = {
            "version": "1.0",
            "truncation": None,
            "padding": None,
            "added_tokens": [{"id": self.unknown_id, "content": UNKNOWN, **flags}],
            "normalizer": {
                "type": "BertNormalizer",
                **_FLAGS,
                "handle_chinese_chars": chinese,
                "lowercase": self.options.lowercase,
            },
            "pre_tokenizer": {"type": "BertPreTokenizer"},
            "post_processor": None,
            "decoder": None,
            "model": {"type": "WordLevel", "vocab": self.vocabulary.ids, "unk_token": UNKNOWN},
        }
        names = {"unk_token": UNKNOWN}
        return {
            "tokenizer.json": as_json(data),
            "tokenizer_config.json": as_json({"tokenizer_class": "PreTrainedTokenizerFast", **names}),
            "special_tokens_map.json": as_json(names),
        }

    @cached_property
    def _plain(self) -> Library:
        """Marks stand alone, so that no word of a text is <unk> by name."""
        library = Library(models.WordLevel(self.vocabulary.ids, unk_token=UNKNOWN))
        library.normalizer = normalizers.BertNormalizer(
            clean_text=True,
            handle_chinese_chars=self.options.tokenize_chinese_chars,
            strip_accents=False,
            lowercase=self.options.lowercase,
        )
        library.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        return library

    @cached_property
    def _marked(self) -> Library:
        library = Library.from_str(self._plain.to_str())
        library.add_special_tokens([AddedToken(UNKNOWN, normalized=False, special=True)])
        return library

    @cached_property
    def _lookup(self) -> Lookup:
        return Lookup(BertWords(self._plain), self.unknown_id)

    def encode_sentences(
        self, sentences: Sequence[str], segmenter: Segmenter | None = None, unknown: list[tuple[int, str]] | None = None
    ) -> Encoded:
        """As `Tokenizer.encode_sentences`, but each token is a word, and the segmenter's words may be tokens."""
        if segmenter is not None and not self.options.tokenize_chinese_chars:
            return self._lookup.encode(list(_spaced(sentences, segmenter)), None, unknown)
        return self._lookup.encode(sentences, segmenter, unknown)

    def sides(self, texts: Sequence[str], *, special_in_text: bool) -> list[Side]:
        """As `Tokenizer.sides`. What is unknown is written as it stands in the text."""
        library = self._marked if special_in_text else self._plain
        return [Side.of(encoding) for encoding in library.encode_batch(list(texts), add_special_tokens=False)]

    def decode(self, ids: Iterable[int], *, skip_special: bool = False) -> str:
        """The words with spaces between them."""
        indices = [int(index) for index in ids]
        return " ".join(self.id_to_token(i) for i in indices if not (skip_special and i == self.unknown_id))


def _spaced(sentences: Iterable[str], segmenter: Segmenter) -> Iterator[str]:
    """Each sentence with a space between the words of the segmenter.

    >>> from maskwright.text.words import CharacterSegmenter
    >>> list(_spaced(["下一个word"], CharacterSegmenter()))
    ['下 一 个 word']
    """
    for sentence in sentences:
        cuts = [0, *(begin for begin, _ in segmenter.spans(sentence) if begin), len(sentence)]
        yield " ".join(sentence[begin:end] for begin, end in pairwise(cuts))
