"""How texts become what an ELMo reads: words with their characters, every sentence between <S> and </S>.

A text is a sentence, and of a pair each text is one. Words are the tokenizer's, or of tagged sentences those that have
tags, one to one. They are read by their characters, so a word that the vocabulary lacks is read as it is written.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from maskwright.batch import Batch, Integers, flat_batch
from maskwright.layers.word_characters import sentence_marks, word_characters
from maskwright.models.elmo import ElmoConfig
from maskwright.objectives.both_ways import BEGIN, END, with_characters
from maskwright.tasks.examples import Tagged
from maskwright.tasks.inputs import Cut
from maskwright.tasks.separate_texts import separate
from maskwright.tasks.windows import Window
from maskwright.tokenizers.pairs import A, EncodedPair, Layout, Side, Text
from maskwright.tokenizers.tokenizer import Tokenizer

LAYOUT = Layout(single=((BEGIN, 0), (A, 0), (END, 0)), pair=())
"""Of one text; those of a pair are apart."""


class ElmoInputs:
    """Words and characters."""

    def __init__(self, config: ElmoConfig, tokenizer: Tokenizer) -> None:
        self.tokenizer, self.config = tokenizer, config
        self._lowercase = bool(getattr(getattr(tokenizer, "options", None), "lowercase", False))
        self._marks = {BEGIN: config.vocab_size, END: config.vocab_size + 1}

    def texts(self, texts: Sequence[Text], length: int | None) -> Cut:
        """Each text of at most `length` words, marks included; tokens are the words as they are read.

        length   None: nothing is cut
        """
        return separate(texts, self._sides, LAYOUT, self._marks, length)

    def windows(self, sentences: Sequence[Tagged], length: int) -> list[Window]:
        """Sentences of at most `length` words, marks included; longer ones in windows one behind another."""
        room, found = length - 2, list[Window]()
        for number, one in enumerate(sentences):
            for first in range(0, len(one.words), room):
                words = one.words[first : first + room]
                places = np.arange(len(words))
                found.append(Window(self._sentence(words), places + 1, first + places, number))
        return found

    def flat(self, encoded: Sequence[EncodedPair]) -> "FlatWords":
        """See `Inputs.flat`."""
        return FlatWords(encoded, self.config)

    def _sentence(self, words: Sequence[str]) -> EncodedPair:
        """Words as they are between marks; they are no stretches of a text, so their offsets are 0."""
        ids, written = self.tokenizer.vocabulary.ids, [self._written(word) for word in words]
        unknown = self.tokenizer.unk_id or 0
        sizes = [self._marks[BEGIN], *(ids.get(word, unknown) for word in written), self._marks[END]]
        count = len(sizes)
        return EncodedPair(
            np.array(sizes, np.int64),
            np.zeros(count, np.int64),
            np.concatenate([[-1], np.arange(len(words)), [-1]]).astype(np.int64),
            np.zeros((count, 2), np.int64),
            (BEGIN, *written, END),
        )

    def _sides(self, parts: list[str]) -> list[Side]:
        """Words of texts, unknown ones as they are written."""
        clean = [part.encode("utf-16", "surrogatepass").decode("utf-16", "replace") for part in parts]
        unknown = self.tokenizer.unk_id

        def words(text: str, side: Side) -> Side:
            written = [
                token if number != unknown else self._written(text[begin:end])
                for token, number, (begin, end) in zip(side.tokens, side.ids, side.offsets, strict=True)
            ]
            return side._replace(tokens=written)

        return [words(*one) for one in zip(clean, self.tokenizer.sides(clean, special_in_text=False), strict=True)]

    def _written(self, word: str) -> str:
        return word.lower() if self._lowercase else word


class FlatWords:
    """The words of all sequences behind each other, T in all, and the characters of the different ones."""

    token_ids = None

    def __init__(self, encoded: Sequence[EncodedPair], config: ElmoConfig) -> None:
        nothing = np.zeros(0, np.int64)
        self._ids = np.concatenate([nothing, *(one.ids for one in encoded)])
        words = [token for one in encoded for token in one.tokens]
        places = {word: place for place, word in enumerate(dict.fromkeys(words), 2)}
        rows = np.array([places[word] for word in words], np.int64)
        self._words = np.where(self._ids < config.vocab_size, rows, self._ids - config.vocab_size)
        width = config.max_characters
        self._characters = np.concatenate([sentence_marks(width), word_characters(list(places), width)])
        self._widest = max(filter_width for filter_width, _ in config.filters)

    def batch(self, rows: Integers, cu_seqlens: Integers) -> Batch:
        """See `Flat.batch`."""
        batch = with_characters(flat_batch(self._words[rows], cu_seqlens), self._characters, self._widest)
        return replace(batch, token_ids=torch.from_numpy(self._ids[rows]))
