"""Unigram, the tokenizer of ALBERT (arXiv 1909.11942), XLNet (1906.08237) and XLM-RoBERTa (1911.02116); Kudo 2018,
arXiv 1804.10959.

Text is normalized, white space becomes ▁ in front of what follows it, and each word is cut into the pieces whose
probabilities have the greatest product. ALBERT lower-cases, the others do not; ALBERT and XLNet strip accents, make ``
and '' one quotation mark, and take a comma off the digits before it. Ids are those of `tokenizers`. SentencePiece's own
differ in that it computes in single precision, and takes fewer characters for white space.

Words are BERT's: every mark is one (don ' t, well - known), white space ends one, Chinese is the segmenter's. A
piece that spans several, as 语言模型 may, begins with the first of them.

>>> scored = [("<unk>", 0.0), ("<s>", 0.0), ("</s>", 0.0), ("▁well", -2.0), ("-", -2.0), ("kno", -2.0), ("wn", -2.0)]
>>> encoded = Unigram(scored).encode_sentences(["well-known"])
>>> encoded.token_ids.tolist(), encoded.word_starts.tolist()
([3, 4, 5, 6], [1, 1, 1, 0])
"""

import io
import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
from tokenizers import AddedToken, decoders, models, pre_tokenizers
from tokenizers import Tokenizer as Library

from maskwright.errors import BadInput
from maskwright.text.words import Segmenter
from maskwright.tokenizers.lookup import Encoded, Lookup
from maskwright.tokenizers.pairs import Side
from maskwright.tokenizers.space_words import SpaceWords
from maskwright.tokenizers.tokenizer import Kind, Tokenizer, Vocabulary
from maskwright.tokenizers.unigram_files import (
    STYLES,
    XLM_ROBERTA_FILE,
    Parts,
    Scored,
    check_parts,
    folder_files,
    from_sentencepiece,
    read_sentencepiece,
    read_tokenizer_json,
    style_of,
)
from maskwright.tokenizers.unigram_normalization import UnigramOptions, normalizer
from maskwright.tokenizers.unigram_units import UnigramUnits
from maskwright.tokenizers.words_of_pieces import mark_pieces

_TRAINING_THREADS = 4  # sums depend on how they are shared out: a fixed number, so that every machine agrees
_LONGEST = 2**24  # bytes of a sentence: SentencePiece leaves longer ones out without a word, its default is 4,192
Array = npt.NDArray[Any]


class Unigram(Tokenizer):
    """Pieces with their probabilities, and the rules that apply them."""

    kind: ClassVar[Kind] = "unigram"

    def __init__(
        self,
        scored: Sequence[Scored],
        charsmap: bytes = b"",
        options: UnigramOptions | None = None,
        where: str | Path = "vocabulary",
    ) -> None:
        """scored   (piece, logarithm of its probability), in order of ids
        charsmap    normalization rules as SentencePiece compiles them; none when empty
        options     by default those of the style whose special tokens the pieces have

        Raises BadInput for a piece that stands twice, missing special tokens, and scores that are no numbers.
        """
        tokens = [piece for piece, _ in scored]
        self._style = style_of(tokens, where)
        self._parts = Parts(list(scored), charsmap, options or self._style.options)
        self.options = self._parts.options
        self.layout = self._style.layout
        self.vocabulary = Vocabulary(tokens, self._style.roles, self._style.special, where=where)
        check_parts(self._parts, where)

    @staticmethod
    def train(
        sentences: Iterable[str],
        vocab_size: int,
        *,
        style: Literal["albert", "xlnet", "xlm-roberta"] = "albert",
        lowercase: bool | None = None,
        coverage: float = 0.9995,
    ) -> "Unigram":
        """A tokenizer with at most `vocab_size` pieces, trained by SentencePiece (the extra `unigram`).

        style      whose special tokens and normalization it gets
        lowercase  other than the style's
        coverage   share of the text's characters that get a piece; the rarest are unknown

        The same text gives the same one everywhere.
        """
        base = STYLES[style]
        options = base.options if lowercase is None else base.options.with_changes(lowercase=lowercase)
        data = _trained(_normalized(sentences, options), vocab_size, base.special, coverage)
        parts = from_sentencepiece(data, options, "the trained model")
        return Unigram(parts.scored, parts.charsmap, options)

    @staticmethod
    def load(path: str | Path) -> "Unigram":
        """From a tokenizer.json, a SentencePiece .model, or a folder with one of them; BadInput if neither."""
        path = Path(path)
        file = path
        if path.is_dir():
            names = ("tokenizer.json", "spiece.model", XLM_ROBERTA_FILE)
            file = next((path / name for name in names if (path / name).is_file()), path)
        parts = read_tokenizer_json(file) if file.suffix == ".json" else read_sentencepiece(file)
        return Unigram(parts.scored, parts.charsmap, parts.options, file)

    def files(self) -> dict[str, bytes]:
        """As `Tokenizer.files`."""
        return folder_files(self._parts, self._style)

    def _library(self, scored: list[Scored]) -> Library:
        library = Library(models.Unigram(scored, unk_id=self.vocabulary.ids[self._style.roles["unk"]]))
        library.normalizer = normalizer(self._parts.options, self._parts.charsmap)
        library.pre_tokenizer = pre_tokenizers.Sequence(
            [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")]
        )
        library.decoder = decoders.Metaspace(replacement="▁", prepend_scheme="always")
        return library

    @cached_property
    def _plain(self) -> Library:
        """Knows no special token: their names begin with a space here, and no word does."""
        special = set(self.vocabulary.special)
        return self._library(
            [(" " + piece if piece in special else piece, score) for piece, score in self._parts.scored]
        )

    @cached_property
    def _marked(self) -> Library:
        """Takes [MASK] and its like in a text for the special tokens; <mask> takes the space before it along."""
        library = self._library(self._parts.scored)
        library.add_special_tokens(
            [AddedToken(n, normalized=False, special=True, lstrip=n == "<mask>") for n in self.vocabulary.special]
        )
        return library

    @cached_property
    def _words(self) -> SpaceWords:
        return SpaceWords(self._plain)

    @cached_property
    def _lookup(self) -> Lookup:
        special = set(self.vocabulary.special)
        units = UnigramUnits(self._words, self._plain, (piece for piece in self.tokens if piece not in special))
        return Lookup(units, self.unk_id)

    def encode_sentences(
        self, sentences: Sequence[str], segmenter: Segmenter | None = None, unknown: list[tuple[int, str]] | None = None
    ) -> Encoded:
        """As `Tokenizer.encode_sentences`."""
        return self._lookup.encode(sentences, segmenter, unknown)

    def sides(self, texts: Sequence[str], *, special_in_text: bool) -> list[Side]:
        """As `Tokenizer.sides`."""
        library = self._marked if special_in_text else self._plain
        special = self.special_ids[self.special_ids != self.unk_id] if special_in_text else np.zeros(0)
        encodings = library.encode_batch(list(texts), add_special_tokens=False)
        alone = self._lookup.encode(texts, None, None)
        ends = np.cumsum(alone.lengths)
        sides: list[Side] = []
        for text, encoding, end, length in zip(texts, encodings, ends.tolist(), alone.lengths.tolist(), strict=True):
            side = self._side(text, encoding.ids, encoding.offsets, special)
            if np.array_equal(alone.token_ids[end - length : end], side.ids):  # no special token in it
                side = side._replace(words=(np.cumsum(alone.word_starts[end - length : end]) - 1).tolist())
            sides.append(side)
        return sides

    def _side(self, text: str, ids: list[int], offsets: list[tuple[int, int]], special: Array) -> Side:
        if not ids:
            return Side([], [], [], [])
        points = np.frombuffer((text + "\n").encode("utf-32-le"), dtype=np.uint32)
        at, ends = self._words.find(points, np.array([len(text)]))
        spans = np.array(offsets, dtype=np.int64)
        # the library may have a ▁ at the white space before, where characters that it drops are near
        unit = np.minimum(np.searchsorted(ends, spans[:, 0], side="right"), len(at) - 1)
        spans[:, 0] = np.maximum(spans[:, 0], at[unit])
        spans[:, 1] = np.maximum(spans[:, 1], spans[:, 0] + 1)
        marks = np.isin(ids, special)
        in_front = marks.copy()
        in_front[1:] |= marks[:-1] | (unit[1:] != unit[:-1])
        in_front[0] = True
        starts, _ = mark_pieces(spans[:, 0], spans[:, 1], self._words.begin_words(points, at), in_front)
        shown = [(begin, end) for begin, end in spans.tolist()]
        return Side(ids, (np.cumsum(starts) - 1).tolist(), shown, [self.tokens[index] for index in ids])

    def decode(self, ids: Iterable[int], *, skip_special: bool = False) -> str:
        """Pieces joined to text: what was lost on the way in, such as capitals, does not come back."""
        return self._marked.decode([int(index) for index in ids], skip_special_tokens=skip_special)


def _normalized(sentences: Iterable[str], options: UnigramOptions) -> Iterator[str]:
    normalize = normalizer(options, b"").normalize_str
    return (normalize(sentence) for sentence in sentences)


def _trained(sentences: Iterator[str], vocab_size: int, special: Sequence[str], coverage: float) -> bytes:
    try:
        import sentencepiece
    except ImportError:
        raise BadInput("sentencepiece is not installed: run `pip install 'maskwright[unigram]'`") from None
    model = io.BytesIO()
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=sentences,
            model_writer=model,
            model_type="unigram",
            vocab_size=vocab_size,
            hard_vocab_limit=False,
            character_coverage=coverage,
            unk_id=special.index("<unk>"),
            pad_id=-1,
            bos_id=-1,
            eos_id=-1,
            control_symbols=[token for token in special if token != "<unk>"],
            max_sentence_length=_LONGEST,
            num_threads=_TRAINING_THREADS,
            minloglevel=2,
        )
    except (RuntimeError, OSError) as error:
        least = re.search(rf"required_chars.*{vocab_size} vs (\d+)", str(error))
        why = f"its characters alone take {least[1]}" if least else "there is too little of it"
        raise BadInput(f"no Unigram vocabulary of {vocab_size} pieces from this text: {why}") from None
    return model.getvalue()
