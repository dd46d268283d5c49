"""How texts become what one kind of model reads, the same whatever is asked of them."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np

from maskwright.batch import Batch, Integers, flat_batch
from maskwright.models import ModelConfig, segments_of
from maskwright.models.xlm import XlmConfig
from maskwright.tasks.examples import Tagged
from maskwright.tasks.windows import Window, windows
from maskwright.tokenizers.pairs import EncodedPair, Text
from maskwright.tokenizers.tokenizer import Tokenizer
from maskwright.training.labelled_sequences import Flat


class Cut(NamedTuple):
    """Texts as sequences, and how many of them lost their end.

    sizes   of each text or pair how many sequences it is; None: each is one
    """

    encoded: list[EncodedPair]
    cut: int
    sizes: list[int] | None = None


class Inputs(Protocol):
    """What a shape of task asks of a kind of model: how it reads."""

    @property
    def tokenizer(self) -> Tokenizer:
        """Makes pieces of texts."""
        ...

    def texts(self, texts: Sequence[Text], length: int) -> Cut:
        """Each text or pair as one sequence of at most `length` tokens, or as one for each text of it."""
        ...

    def windows(self, sentences: Sequence[Tagged], length: int) -> list[Window]:
        """Sentences of words as sequences of at most `length` tokens; no word is lost."""
        ...

    def flat(self, encoded: Sequence[EncodedPair]) -> Flat:
        """Sequences behind each other, ready to become batches."""
        ...


class TransformerInputs:
    """Pieces, with what the network reads beside them."""

    def __init__(self, tokenizer: Tokenizer, *, segments: int = 0, language: int | None = None) -> None:
        """segments   how many the network tells apart; 0: it reads none
        language   the number of the one that it is told; None: it is told none
        """
        self.tokenizer, self.segments, self.language = tokenizer, segments, language

    def texts(self, texts: Sequence[Text], length: int) -> Cut:
        """The longer text of a pair is cut first."""
        found = self.tokenizer.encode_pairs(texts)
        long = [i for i, one in enumerate(found) if len(one.ids) > length]
        shorter = self.tokenizer.encode_pairs([texts[i] for i in long], max_length=length, truncate=True)
        for i, one in zip(long, shorter, strict=True):
            found[i] = one
        return Cut(found, len(long))

    def windows(self, sentences: Sequence[Tagged], length: int) -> list[Window]:
        """See `tasks.windows`."""
        return windows(sentences, self.tokenizer, length)

    def flat(self, encoded: Sequence[EncodedPair]) -> "FlatPieces":
        """See `Inputs.flat`."""
        return FlatPieces(encoded, segments=self.segments, language=self.language)


class FlatPieces:
    """Pieces of all sequences behind each other, T in all."""

    def __init__(self, encoded: Sequence[EncodedPair], *, segments: int, language: int | None) -> None:
        nothing = np.zeros(0, np.int64)
        self.token_ids = np.concatenate([nothing, *(one.ids for one in encoded)])
        self._types = np.concatenate([nothing, *(one.type_ids for one in encoded)]) if segments else None
        self._language = language

    def batch(self, rows: Integers, cu_seqlens: Integers) -> Batch:
        """See `Flat.batch`."""
        return flat_batch(
            self.token_ids[rows],
            cu_seqlens,
            None if self._types is None else self._types[rows],
            language_ids=None if self._language is None else np.full(len(rows), self._language, np.int64),
        )


def transformer_inputs(config: ModelConfig, tokenizer: Tokenizer, language: int = 0) -> TransformerInputs:
    """As a network of that shape reads: its segments, and an XLM the number of a language."""
    told = isinstance(config, XlmConfig) and config.knows_languages
    return TransformerInputs(tokenizer, segments=segments_of(config), language=language if told else None)
