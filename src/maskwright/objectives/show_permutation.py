"""A permutation to look at: the order of a sentence, who sees whom in both streams, and the targets.

Yang et al. (arXiv 1906.08237), figures 1, 2 and 4.
"""

from collections.abc import Iterable, Sequence

import numpy as np

from maskwright.batch import Booleans, Integers
from maskwright.errors import BadInput
from maskwright.objectives.permutation import orders, ranks
from maskwright.objectives.permuted_sequences import Ordered
from maskwright.objectives.show import Rate

SEEN, HIDDEN = "■", "·"


def drawn_order(tokens: int, targets: int, generator: np.random.Generator) -> tuple[Booleans, Integers]:
    """Which of so many tokens are the last `targets` of a random order, and their ranks; the others are context.

    Raises BadInput for more targets than tokens, and for none.
    """
    if not 1 <= targets <= tokens:
        raise BadInput(f"{targets} targets of {tokens} tokens: choose 1 to {tokens}")
    places = orders(1, tokens, None, generator)
    chosen = places >= tokens - targets
    return chosen[0], ranks(chosen, np.zeros_like(chosen), places)[0]


def drawing(tokens: Sequence[str], targets: Booleans, places: Integers) -> str:
    """The order, then two matrices side by side: row i shows what token i sees, as content and as prediction.

    tokens    S strings
    targets   (S,) bool, what is to be predicted; other rows have no prediction
    places    (S,) ranks, see `Batch.ranks`

    >>> print(drawing("a b c d".split(), np.array([True, True, False, True]), np.array([2, 0, -1, 1])))
    order    (c) b d a
    targets  b d a
    <BLANKLINE>
    content    a b c d    prediction    a b c d
          a    ■ ■ ■ ■             a    · ■ ■ ■
          b    · ■ ■ ·             b    · · ■ ·
          c    · · ■ ·             c
          d    · ■ ■ ■             d    · ■ ■ ·
    <BLANKLINE>
    b: p(b | c)
    d: p(d | c b)
    a: p(a | c b d)
    """
    if not len(tokens) == len(targets) == len(places):
        raise ValueError(f"{len(tokens)} tokens, {len(targets)} targets, {len(places)} places")
    order = [int(i) for i in np.argsort(places, kind="stable")]
    groups = [[tokens[i] for i in order if places[i] == place] for place in np.unique(places).tolist()]
    content = places[None] <= places[:, None]
    predicted = places[None] < places[:, None]
    wanted = [i for i in order if targets[i]]
    return "\n".join(
        [
            "order    " + " ".join(_group(group, places.min() < 0 and n == 0) for n, group in enumerate(groups)),
            "targets  " + " ".join(tokens[i] for i in wanted),
            "",
            *_beside(
                _matrix("content", tokens, content, np.ones(len(tokens), np.bool_)),
                _matrix("prediction", tokens, predicted, targets),
            ),
            "",
            *(f"{tokens[i]}: p({tokens[i]}{_given([tokens[j] for j in order if predicted[i, j]])})" for i in wanted),
        ]
    )


def measure_orders(found: Iterable[Ordered], *, targets: int, least_tokens: int = 1_000_000) -> list[Rate]:
    """Rates over as many steps as hold `least_tokens` tokens: how many are predicted, in runs of how many."""
    tokens = sequences = predicted = runs = backward = earlier = 0
    for one in found:
        tokens, sequences = tokens + one.targets.size, sequences + len(one.targets)
        predicted += int(one.targets.sum())
        runs += int((np.diff(np.pad(one.targets, ((0, 0), (1, 0))).astype(np.int8), axis=1) == 1).sum())
        backward += int(one.backward.sum())
        seen = np.where(one.targets, np.argsort(np.argsort(one.ranks, 1), 1), 0)  # of a target: what stands before it
        earlier += int(seen.sum())
        if tokens >= least_tokens:
            break
    width = tokens // max(1, sequences)
    return [
        Rate("tokens to predict", predicted / max(1, tokens), targets / max(1, width), tokens, "tokens"),
        Rate("tokens a run of targets", predicted / max(1, runs), None, runs, "runs"),
        Rate("share seen by a target", earlier / max(1, predicted * width), None, predicted, "targets"),
        Rate("sequences that run backwards", backward / max(1, sequences), None, sequences, "sequences"),
    ]


def _group(tokens: Sequence[str], context: bool) -> str:
    """Tokens of one rank; those that everything sees in brackets."""
    together = " ".join(tokens)
    return f"({together})" if context or len(tokens) > 1 else together


def _given(tokens: Sequence[str]) -> str:
    return f" | {' '.join(tokens)}" if tokens else ""


def _matrix(title: str, tokens: Sequence[str], seen: Booleans, rows: Booleans) -> list[str]:
    """One line a token, and a line of titles; cells are as wide as their token."""
    first = max(len(title), *map(len, tokens))
    lines = [f"{title:<{first}}    {' '.join(tokens)}"]
    for i, token in enumerate(tokens):
        cells = [f"{SEEN if there else HIDDEN:<{len(tokens[j])}}" for j, there in enumerate(seen[i])]
        lines.append(f"{token:>{first}}    {' '.join(cells) if rows[i] else ''}")
    return lines


def _beside(left: Sequence[str], right: Sequence[str]) -> list[str]:
    width = max(map(len, left))
    return [f"{a:<{width}}    {b}".rstrip() for a, b in zip(left, right, strict=True)]
