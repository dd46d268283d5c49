"""Fill in the blank: whole words hidden in real sentences, one at a time, and what the model puts there.

Sentences and words are drawn, not picked; the most frequent words are passed over, as commas and "the" tell
little about a model.
"""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from maskwright.draws import generator
from maskwright.inference.encoder import Encoder


class Blank(NamedTuple):
    """A sentence with one word taken out, and the model's guesses, likeliest first."""

    before: str
    after: str
    truth: str
    chapter: str
    guesses: list[tuple[str, float]]

    @property
    def rank(self) -> int | None:
        """Place of the truth among the guesses, from 1; None when it is not there."""
        return next((place for place, (token, _) in enumerate(self.guesses, 1) if token == self.truth), None)


class Hidden(NamedTuple):
    """A sentence and the place of the word to hide, in characters."""

    sentence: str
    chapter: str
    start: int
    end: int
    token: str


def draw_blanks(
    sentences: Sequence[tuple[str, str]],
    encoder: Encoder,
    count: int,
    *,
    frequent: int,
    tokens: tuple[int, int] = (12, 40),
    seed: int = 0,
) -> list[Hidden]:
    """`count` drawn sentences, in each one drawn word that is a single token of letters.

    sentences    (sentence, chapter)
    frequent     so many of the most frequent tokens are never hidden
    tokens       how long a sentence may be, [CLS] and [SEP] included
    """
    tokenizer, draw = encoder.tokenizer, generator(seed, "blanks")
    encoded = tokenizer.encode_pairs([sentence for sentence, _ in sentences], special_in_text=False)
    seen = Counter(token for one in encoded for token in one.tokens[1:-1])
    common = {token for token, _ in seen.most_common(frequent)}
    found: list[Hidden] = []
    for i in draw.permutation(len(sentences)).tolist():
        one = encoded[i]
        if len(found) == count or not tokens[0] <= len(one.ids) <= tokens[1]:
            continue
        of_word = Counter(one.word_ids.tolist())
        fit = [
            k
            for k in range(1, len(one.ids) - 1)
            if of_word[int(one.word_ids[k])] == 1 and one.tokens[k].isalpha() and one.tokens[k] not in common
        ]
        if fit:
            k = int(draw.choice(np.array(fit)))
            sentence, chapter = sentences[i]
            found.append(Hidden(sentence, chapter, int(one.offsets[k, 0]), int(one.offsets[k, 1]), one.tokens[k]))
    return found


def fill_blanks(hidden: Sequence[Hidden], encoder: Encoder, top: int = 5) -> list[Blank]:
    """What the model guesses for each."""
    texts = [f"{one.sentence[: one.start]}[MASK]{one.sentence[one.end :]}" for one in hidden]
    guessed = encoder.fill_many(texts, top)
    return [
        Blank(
            one.sentence[: one.start],
            one.sentence[one.end :],
            one.token,
            one.chapter,
            [(candidate.token, candidate.probability) for candidate in masks[0]],
        )
        for one, masks in zip(hidden, guessed, strict=True)
    ]
