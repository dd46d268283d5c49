"""Tokenizers side by side on one text: how many tokens it becomes, what is unknown, which words fall to pieces.

Words are counted alike for all: BERT's, and in Chinese those of the segmenter. How many pieces a word has is each
tokenizer's own affair: its words are where it says a token begins one.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from maskwright.lab.columns import aligned_columns
from maskwright.report.charts import Series, line_chart
from maskwright.report.figures import Bar, bar_chart
from maskwright.report.page import Page
from maskwright.text.words import Segmenter
from maskwright.tokenizers.characters import Characters
from maskwright.tokenizers.tokenizer import Tokenizer

MOST_PIECES = 8
"""Words of more pieces are counted with those of so many."""
WORST = 10
_BATCH = 2000  # sentences at a time


class Measured(NamedTuple):
    """What one tokenizer makes of a text.

    tokens, unknown, joined   tokens; those that are the unknown one; those that hold more than one word
    characters, words         of the text; the words are the same for every tokenizer
    pieces                    share of words of 1, 2 ... MOST_PIECES or more pieces
    worst                     (word, number of its pieces), most first
    """

    name: str
    kind: str
    vocab_size: int
    tokens: int
    unknown: int
    joined: int
    characters: int
    words: int
    pieces: tuple[float, ...]
    worst: tuple[tuple[str, int], ...]

    @property
    def figures(self) -> dict[str, float]:
        """The rates that are compared, by name."""
        tokens = max(self.tokens, 1)
        return {
            "tokens per word": self.tokens / max(self.words, 1),
            "tokens per character": self.tokens / max(self.characters, 1),
            "unknown": self.unknown / tokens,
            "over several words": self.joined / tokens,
            "words in one piece": self.pieces[0],
        }


def compare(
    tokenizers: Mapping[str, Tokenizer], sentences: Iterable[str], segmenter: Segmenter | None = None
) -> list[Measured]:
    """Measure each tokenizer, by its name, on the sentences, which are read once."""
    counts = {name: _Counts(tokenizer, segmenter) for name, tokenizer in tokenizers.items()}
    whole = Characters()
    characters, words = 0, 0
    for batch in _batches(sentences):
        characters += sum(map(len, batch))
        words += int(whole.encode_sentences(batch, segmenter).word_starts.sum())
        for count in counts.values():
            count.add(batch)
    return [count.measured(name, characters, words) for name, count in counts.items()]


def _batches(sentences: Iterable[str]) -> Iterable[list[str]]:
    batch: list[str] = []
    for sentence in sentences:
        batch.append(sentence)
        if len(batch) == _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


class _Counts:
    """One tokenizer's counts while text goes by."""

    def __init__(self, tokenizer: Tokenizer, segmenter: Segmenter | None) -> None:
        self._tokenizer = tokenizer
        self._segmenter = segmenter
        self._tokens = self._unknown = self._joined = 0
        self._pieces = np.zeros(MOST_PIECES + 1, dtype=np.int64)
        self._worst: dict[str, int] = {}

    def add(self, sentences: Sequence[str]) -> None:
        encoded = self._tokenizer.encode_sentences(sentences, self._segmenter)
        begins = np.flatnonzero(encoded.word_starts)
        sizes = np.diff(begins, append=len(encoded.token_ids))
        self._tokens += len(encoded.token_ids)
        self._joined += int(encoded.joined.sum())
        if (unknown := self._tokenizer.unk_id) is not None:
            self._unknown += int((encoded.token_ids == unknown).sum())
        self._pieces += np.bincount(np.minimum(sizes, MOST_PIECES), minlength=MOST_PIECES + 1)
        for place in np.argsort(-sizes, kind="stable")[: 5 * WORST].tolist():
            if sizes[place] > 1:
                ids = encoded.token_ids[begins[place] : begins[place] + sizes[place]]
                self._worst[self._tokenizer.decode(ids.tolist()).strip()] = int(sizes[place])
        self._worst = dict(sorted(self._worst.items(), key=lambda item: (-item[1], item[0]))[:WORST])

    def measured(self, name: str, characters: int, words: int) -> Measured:
        shares = self._pieces[1:] / max(int(self._pieces.sum()), 1)
        return Measured(
            name=name,
            kind=self._tokenizer.kind,
            vocab_size=self._tokenizer.vocab_size,
            tokens=self._tokens,
            unknown=self._unknown,
            joined=self._joined,
            characters=characters,
            words=words,
            pieces=tuple(shares.tolist()),
            worst=tuple(self._worst.items()),
        )


def as_data(measured: Sequence[Measured]) -> list[dict[str, Any]]:
    """For JSON: everything, rates included."""
    return [{**one._asdict(), "rates": one.figures} for one in measured]


def table(measured: Sequence[Measured]) -> str:
    """For a terminal: a column for each tokenizer, and its worst words below."""
    rows = [
        ["", *(one.name for one in measured)],
        ["kind", *(one.kind for one in measured)],
        ["vocabulary", *(f"{one.vocab_size:,}" for one in measured)],
        ["tokens", *(f"{one.tokens:,}" for one in measured)],
    ]
    for name in measured[0].figures:
        share = not name.startswith("tokens")
        values = [one.figures[name] for one in measured]
        rows.append([name, *(f"{value:.2%}" if share else f"{value:.3f}" for value in values)])
    rows += [
        [f"in {pieces}{' or more' * (pieces == MOST_PIECES)}", *(f"{one.pieces[pieces - 1]:.2%}" for one in measured)]
        for pieces in range(2, MOST_PIECES + 1)
    ]
    first = measured[0]
    lines = aligned_columns(rows)
    lines += ["", f"{first.characters:,} characters, {first.words:,} words"]
    for one in measured:
        worst = ", ".join(f"{word} ({pieces})" for word, pieces in one.worst)
        lines += [f"most pieces, {one.name}: {worst or '-'}"]
    return "\n".join(lines)


def page(measured: Sequence[Measured]) -> Page:
    """For a browser: the table, bars, how many pieces words have, and the worst words."""
    first = measured[0]
    made = Page("Tokenizers side by side", f"{first.characters:,} characters, {first.words:,} words")
    rates = list(first.figures)
    made.table(
        ["", "kind", "vocabulary", *rates],
        [[one.name, one.kind, one.vocab_size, *one.figures.values()] for one in measured],
        percent=[3 + i for i, name in enumerate(rates) if not name.startswith("tokens")],
    )
    made.heading("Tokens for the same text", "Fewer tokens are shorter sequences; unknown ones are lost.")
    made.add(
        bar_chart([Bar(one.name, one.figures["tokens per word"]) for one in measured], "Tokens per word"),
        bar_chart([Bar(one.name, one.figures["tokens per character"]) for one in measured], "Tokens per character"),
    )
    made.heading(
        "Pieces of a word", f"Share of words by the number of their pieces; the last point is {MOST_PIECES} or more."
    )
    places = list(range(1, MOST_PIECES + 1))
    series = [Series(one.name, places, one.pieces) for one in measured]
    made.add(line_chart(series, "Words by pieces", "pieces", percent=True, from_zero=True, ends=False))
    made.heading("Words of the most pieces")
    rows = [[one.name, word, pieces] for one in measured for word, pieces in one.worst]
    return made.table(["tokenizer", "word", "pieces"], rows) if rows else made.text("Every word is one piece.")
