"""What an objective hides, to look at: decoded examples, and rates as measured beside those asked for.

An error in the data is silent in the loss. Twenty examples on a screen and six rates find most of them.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Literal, NamedTuple

import numpy as np

from maskwright.batch import Batch, Integers, Sequences
from maskwright.objectives.pair_plan import Plan, Task
from maskwright.objectives.segment_pairs import Variant
from maskwright.objectives.units import Hidden

Fate = Literal["plain", "special", "masked", "randomized", "kept"]
PIECE = "##"


class Mark(NamedTuple):
    """A token of an example, what became of it, and what it was (the same unless masked or randomized).

    unit   number of what it was hidden together with, where that has more than one token; else None
    """

    token: str
    fate: Fate
    original: str
    unit: int | None = None

    @property
    def text(self) -> str:
        """The token with its fate in signs, for eyes and files without colour.

        >>> Mark("[MASK]", "masked", "cat").text, Mark("tree", "randomized", "sat").text, Mark("on", "kept", "on").text
        ('[MASK←cat]', 'tree←sat', '=on=')
        """
        match self.fate:
            case "masked":
                return f"{self.token.removesuffix(']')}←{self.original}]"
            case "randomized":
                return f"{self.token}←{self.original}"
            case "kept":
                return f"={self.token}="
            case _:
                return self.token


class Example(NamedTuple):
    """One sequence, decoded. pair_label: 0 = B follows A, 1 = B is random, None = there are no pairs."""

    marks: tuple[Mark, ...]
    pair_label: int | None

    @property
    def text(self) -> str:
        """The whole in one line, units of several tokens in brackets."""
        return "".join(blank + mark.text for blank, mark in bracketed(self.marks))


class Rate(NamedTuple):
    """A rate as measured, the one asked for if there is one, and over how many trials."""

    name: str
    measured: float
    wanted: float | None
    trials: int
    unit: str


def decode(
    batch: Batch,
    id_to_token: Callable[[int], str],
    *,
    mask_id: int,
    special_ids: Iterable[int],
    units: Integers | None = None,
) -> list[Example]:
    """The sequences of a batch as people read them.

    units   (M,) a number for each hidden row, the same for those that were hidden together
    """
    assert batch.predict_rows is not None and batch.predict_ids is not None
    ids, specials = batch.token_ids.tolist(), set(special_ids)
    hidden = dict(zip(batch.predict_rows.tolist(), batch.predict_ids.tolist(), strict=True))
    unit_of: dict[int, int] = {}
    if units is not None:
        sizes = Counter(units.tolist())
        of_rows = zip(batch.predict_rows.tolist(), units.tolist(), strict=True)
        unit_of = {row: unit for row, unit in of_rows if sizes[unit] > 1}

    def mark(row: int) -> Mark:
        now = ids[row]
        was = hidden.get(row)
        if was is None:
            token = id_to_token(now)
            return Mark(token, "special" if now in specials else "plain", token)
        fate: Fate = "masked" if now == mask_id else "kept" if now == was else "randomized"
        return Mark(id_to_token(now), fate, id_to_token(was), unit_of.get(row))

    bounds = batch.cu_seqlens.tolist()
    labels = [None] * batch.num_sequences if batch.pair_labels is None else batch.pair_labels.tolist()
    return [
        Example(tuple(mark(row) for row in range(first, end)), label)
        for first, end, label in zip(bounds[:-1], bounds[1:], labels, strict=True)
    ]


def with_blanks(marks: Iterable[Mark]) -> Iterator[tuple[str, Mark]]:
    """Each mark and the blank before it: none between characters of Chinese, none before a plain piece of a word.

    >>> def plain(*tokens): return [Mark(token, "plain", token) for token in tokens]
    >>> "".join(blank + mark.text for blank, mark in with_blanks(plain("un", "##do", "it", "语", "言", "!")))
    'undo it 语言 !'
    """
    before: Mark | None = None
    for mark in marks:
        if before is None:
            yield "", mark
        elif before.fate == mark.fate == "plain" and mark.token.startswith(PIECE):
            yield "", mark._replace(token=mark.token.removeprefix(PIECE))
        elif before.fate == mark.fate == "plain" and _wide(before.token) and _wide(mark.token):
            yield "", mark
        else:
            yield " ", mark
        before = mark


def bracketed(marks: Iterable[Mark]) -> Iterator[tuple[str, Mark]]:
    """As `with_blanks`, the blanks carrying the brackets of units of several tokens; the last mark may be empty.

    >>> marks = [Mark("on", "plain", "on"), Mark("a", "kept", "a", 1), Mark("b", "kept", "b", 1)]
    >>> "".join(blank + mark.text for blank, mark in bracketed(marks))
    'on ⟨=a= =b=⟩'
    """
    inside: int | None = None
    for blank, mark in with_blanks(marks):
        if mark.unit != inside:
            blank = ("⟩" if inside is not None else "") + blank + ("⟨" if mark.unit is not None else "")
            inside = mark.unit
        yield blank, mark
    if inside is not None:
        yield "⟩", Mark("", "plain", "")


def _wide(token: str) -> bool:
    """Whether a token is of a script written without blanks: its first character is ideographic or full-width."""
    return token[:1] >= "\u2e80"


def measure(
    batches: Iterable[Batch],
    *,
    mask_id: int,
    rate: float,
    masked: float,
    randomized: float,
    max_length: int,
    label: str = "random next sentences",
    labelled: float | None = None,
    least_tokens: int = 1_000_000,
) -> list[Rate]:
    """Rates over as many batches as hold `least_tokens` tokens (or all there are), beside those asked for.

    label      what a pair with the label 1 is
    labelled   how many of them there should be
    """
    totals = np.zeros(8, np.int64)
    for batch in batches:
        assert batch.predict_rows is not None and batch.predict_ids is not None
        now = batch.token_ids[batch.predict_rows]
        is_mask, as_it_was = now == mask_id, now == batch.predict_ids
        totals += [
            batch.num_tokens,
            batch.num_sequences,
            len(now),
            int(is_mask.sum()),
            int(as_it_was.sum()),
            batch.num_sequences * batch.max_seqlen,
            0 if batch.pair_labels is None else batch.num_sequences,
            0 if batch.pair_labels is None else int(batch.pair_labels.sum()),
        ]
        if totals[0] >= least_tokens:
            break
    tokens, sequences, hidden, masks, kept, rectangles, pairs, from_elsewhere = totals.tolist()
    rates = [
        Rate("tokens to predict", _share(hidden, tokens), rate, tokens, "tokens"),
        Rate("of these [MASK]", _share(masks, hidden), masked, hidden, "predicted tokens"),
        Rate("of these random", _share(hidden - masks - kept, hidden), randomized, hidden, "predicted tokens"),
        Rate("of these kept", _share(kept, hidden), 1 - masked - randomized, hidden, "predicted tokens"),
        Rate("tokens a sequence", _share(tokens, sequences), None, sequences, "sequences"),
        Rate(f"padding spared, to {max_length}", 1 - _share(tokens, sequences * max_length), None, tokens, "tokens"),
        Rate("padding spared, to the longest", 1 - _share(tokens, rectangles), None, tokens, "tokens"),
    ]
    if pairs:
        rates.append(Rate(label, _share(from_elsewhere, pairs), labelled, pairs, "pairs"))
    return rates


def measure_units(
    looked: Iterable[tuple[Sequences, Hidden]], *, wanted: Sequence[float] = (), least_tokens: int = 1_000_000
) -> list[Rate]:
    """How large the units are that are hidden, in tokens and words, and whether any word is hidden in part.

    wanted   how likely units of 1, 2, ... words are drawn; the budget cuts the last ones, and spans that meet are one
    """
    units = rows = tokens = in_part = words = 0
    sizes = np.zeros(0, np.int64)
    for sequences, hidden in looked:
        tokens += len(sequences.token_ids)
        _, which = np.unique(hidden.first, return_inverse=True)
        units += int(which.max(initial=-1)) + 1
        rows += len(hidden.rows)
        if sequences.word_ids is not None:
            real = hidden.rows[sequences.word_ids[hidden.rows] >= 0]
            of, now = np.unique(sequences.word_ids[real], return_counts=True)
            whole = np.bincount(sequences.word_ids[sequences.word_ids >= 0])[of]
            in_part, words = in_part + int((now < whole).sum()), words + len(of)
            of_units = np.unique(np.stack([which, sequences.word_ids[hidden.rows]]), axis=1)[0]
            more = np.bincount(np.bincount(of_units), minlength=len(sizes))
            more[: len(sizes)] += sizes
            sizes = more
        if tokens >= least_tokens:
            break
    rates = [Rate("tokens a unit", _share(rows, units), None, units, "units")]
    if words:
        rates.append(
            Rate("words a unit", _share(int((sizes * np.arange(len(sizes))).sum()), units), None, units, "units")
        )
        rates.append(Rate("words hidden in part", _share(in_part, words), 0.0, words, "words"))
        for n in range(1, min(len(sizes), 4)):
            drawn = float(wanted[n - 1]) if n <= len(wanted) else None
            name = f"units of {n} word{'s' if n > 1 else ''}"
            rates.append(Rate(name, _share(int(sizes[n]), units), drawn, units, "units"))
    return rates


def expected_label(plan: Plan, task: Task, variant: Variant) -> float:
    """How many pairs should have the label 1: half of those that had a choice, and what had none and is labelled so."""
    none_left = task == "next_sentence" or variant == "google"
    return float(0.5 + plan.alone.mean() / 2) if none_left else 0.5


def measure_plan(plan: Plan, *, max_tokens: int, short_probability: float | None) -> list[Rate]:
    """Rates of a whole plan of pairs: how many were meant to be short, had no choice, and what was lost.

    max_tokens         tokens of A and B together at most
    short_probability  how often a pair should be short; None where it is drawn per document
    """
    n = plan.num_pairs
    kept, cut = int((plan.a_length + plan.b_length).sum()), int(plan.cut.sum())
    # Uniform in 2..max_tokens, a short target is the full one once in max_tokens - 1 times.
    short = None if short_probability is None else short_probability * (max_tokens - 2) / (max_tokens - 1)
    return [
        Rate("short on purpose", float((plan.targets < max_tokens).mean()), short, n, "pairs"),
        Rate("chunks of one sentence", float(plan.alone.mean()), None, n, "pairs"),
        Rate("lost by truncation", _share(cut, kept + cut), None, kept + cut, "tokens"),
    ]


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0
