"""Pairs against a plain sequential program that is given the same draws, and against exact statistics."""

from collections import Counter
from collections.abc import Callable, Generator
from typing import NamedTuple

import numpy as np
import pytest
from scipy import stats

from maskwright.corpus.read import Split
from maskwright.draws import generator
from maskwright.objectives.pair_plan import PART_SENTENCES, Plan, plan_pairs

Make = Callable[..., Split]
MAX_TOKENS, SHORT = 29, 0.1


class Pair(NamedTuple):
    """What the sequential program decided about a pair, as sentence numbers, before truncation."""

    document: int
    a: range
    b: range
    chunk: range
    label: int
    target: int
    partner: int


def drawn_target(uniform: np.ndarray, max_tokens: int) -> int:
    return 2 + int(uniform[1] * (max_tokens - 1)) if uniform[0] < SHORT else max_tokens


def pairs_of(
    part: range, own: int, documents: list[range], lengths: list[int], max_tokens: int, target: int | None
) -> Generator[None, np.ndarray, list[Pair]]:
    """Sentence by sentence, as a person would do it by hand; is sent six uniform draws a chunk."""
    pairs: list[Pair] = []
    i = part.start
    while i < part.stop:
        draws = yield
        wanted = target if target is not None else drawn_target(draws[:2], max_tokens)
        chunk = [i]
        while sum(lengths[s] for s in chunk) < wanted and chunk[-1] + 1 < part.stop:
            chunk.append(chunk[-1] + 1)
        a = chunk[:1] if len(chunk) == 1 else chunk[: 1 + int(draws[2] * (len(chunk) - 1))]
        nth_other = int(draws[4] * (len(documents) - 1))
        partner = nth_other if nth_other < own else nth_other + 1
        if len(chunk) == 1 or draws[3] < 0.5:
            where = documents[partner]
            b = [where.start + int(draws[5] * len(where))]
            while sum(lengths[s] for s in b) < wanted - sum(lengths[s] for s in a) and b[-1] + 1 < where.stop:
                b.append(b[-1] + 1)
            label, i = 1, a[-1] + 1
        else:
            b, label, i = chunk[len(a) :], 0, chunk[-1] + 1
        spans = (range(sentences[0], sentences[-1] + 1) for sentences in (a, b, chunk))
        pairs.append(Pair(own, *spans, label, wanted, partner))
    return pairs


def sequential(split: Split, draw: np.random.Generator, max_tokens: int, *, per_document: bool) -> list[Pair]:
    """All pairs, round by round, as the plan orders them."""
    documents = [range(int(a), int(b)) for a, b in zip(split.document_offsets, split.document_offsets[1:])]
    lengths = np.diff(split.sentence_offsets).tolist()
    firsts = draw.random((2, len(documents)))
    parts = []
    for own, document in enumerate(documents):
        assert len(document) <= PART_SENTENCES
        target = drawn_target(firsts[:, own], max_tokens) if per_document else None
        parts.append(pairs_of(document, own, documents, lengths, max_tokens, target))
    for part in parts:
        next(part)
    found: list[list[Pair]] = [[] for _ in parts]
    active = list(range(len(parts)))
    while active:
        draws, unfinished = draw.random((6, len(active))), []
        for column, own in enumerate(active):
            try:
                parts[own].send(draws[:, column])
                unfinished.append(own)
            except StopIteration as finished:
                found[own] = finished.value
        active = unfinished
    rounds = max(map(len, found))
    return [pairs[r] for r in range(rounds) for pairs in found if r < len(pairs)]


def planned(split: Split, *address: int | str, max_tokens: int = MAX_TOKENS, as_google: bool = False) -> Plan:
    return plan_pairs(
        split,
        np.arange(split.num_documents),
        generator(7, *address),
        max_tokens=max_tokens,
        short_probability=SHORT,
        as_google=as_google,
    )


def truncated(a: int, b: int, limit: int) -> tuple[int, int]:
    """Lengths after the longer one (B if equal) has lost one token at a time."""
    while a + b > limit:
        a, b = (a - 1, b) if a > b else (a, b - 1)
    return a, b


@pytest.fixture(scope="module")
def split(drawn_split: Make) -> Split:
    return drawn_split(45_000)


@pytest.fixture(scope="module")
def plan(split: Split) -> Plan:
    return planned(split, "pairs")


@pytest.fixture(scope="module")
def pairs(split: Split) -> list[Pair]:
    """More than 200,000 pairs."""
    pairs = sequential(split, generator(7, "pairs"), MAX_TOKENS, per_document=False)
    assert len(pairs) > 200_000
    return pairs


def within(observed: float, expected: float, deviation: float, sigmas: float = 3.3) -> bool:
    return abs(observed - expected) <= sigmas * deviation


def assert_equal(plan: Plan, pairs: list[Pair], split: Split, max_tokens: int) -> None:
    """Same choice of sentences, same lengths after truncation, and what is left lies within what was."""
    offsets = split.sentence_offsets
    a = np.array([[offsets[p.a.start], offsets[p.a.stop]] for p in pairs])
    b = np.array([[offsets[p.b.start], offsets[p.b.stop]] for p in pairs])
    lengths = [truncated(int(x), int(y), max_tokens) for x, y in zip(a[:, 1] - a[:, 0], b[:, 1] - b[:, 0])]
    assert plan.pair_labels.tolist() == [p.label for p in pairs]
    assert plan.targets.tolist() == [p.target for p in pairs]
    assert plan.alone.tolist() == [int(len(p.chunk) == 1) for p in pairs]
    assert list(zip(plan.a_length.tolist(), plan.b_length.tolist())) == lengths
    assert ((plan.a_start >= a[:, 0]) & (plan.a_start + plan.a_length <= a[:, 1])).all()
    assert ((plan.b_start >= b[:, 0]) & (plan.b_start + plan.b_length <= b[:, 1])).all()
    assert (plan.cut == (a[:, 1] - a[:, 0]) + (b[:, 1] - b[:, 0]) - plan.a_length - plan.b_length).all()


def test_lockstep_equals_sequential(split: Split, plan: Plan, pairs: list[Pair]) -> None:
    assert_equal(plan, pairs, split, MAX_TOKENS)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("as_google", [False, True])
def test_lockstep_equals_sequential_in_odd_shapes(seed: int, as_google: bool, drawn_split: Make) -> None:
    shapes = np.random.default_rng(seed)
    small = drawn_split(8, seed, sentences=int(shapes.integers(1, 60)), tokens=int(shapes.integers(1, 50)))
    max_tokens = int(shapes.integers(2, 80))
    expected = sequential(small, generator(7, seed), max_tokens, per_document=as_google)
    got = planned(small, seed, max_tokens=max_tokens, as_google=as_google)
    if as_google:  # which partner is drawn differs by what stands for the own document; all else is equal
        assert got.pair_labels.tolist() == [p.label for p in expected]
        assert got.targets.tolist() == [p.target for p in expected]
    else:
        assert_equal(got, expected, small, max_tokens)


def test_every_pair_has_two_sides_that_fit(plan: Plan) -> None:
    assert plan.a_length.min() >= 1 and plan.b_length.min() >= 1
    assert (plan.a_length + plan.b_length).max() == MAX_TOKENS


def test_share_of_random_nexts(pairs: list[Pair]) -> None:
    alone = np.array([len(p.chunk) == 1 for p in pairs])
    labels = np.array([p.label for p in pairs])
    assert labels[alone].all()
    assert within(labels.sum(), alone.sum() + 0.5 * (~alone).sum(), (0.25 * (~alone).sum()) ** 0.5)


def test_cuts_are_uniform(pairs: list[Pair]) -> None:
    for size in (2, 3, 5, 8):
        counts = Counter(len(p.a) for p in pairs if len(p.chunk) == size)
        assert sorted(counts) == list(range(1, size))
        if size > 2:
            assert stats.chisquare(list(counts.values())).pvalue > 1e-3


def test_partners_and_their_starts_are_uniform(split_of: Make) -> None:
    small = split_of([[5] * 10] * 12)
    partner, start = Counter[int](), Counter[int]()
    for repeat in range(400):
        for pair, b in zip(
            sequential(small, generator(7, repeat), MAX_TOKENS, per_document=False),
            planned(small, repeat).b_start.tolist(),
            strict=True,
        ):
            if pair.label:
                assert pair.partner != pair.document and b // 50 == pair.partner
                partner[(pair.partner - pair.document) % 12] += 1
                start[pair.b.start % 10] += 1
    assert len(partner) == 11 and stats.chisquare(list(partner.values())).pvalue > 1e-3
    assert len(start) == 10 and stats.chisquare(list(start.values())).pvalue > 1e-3


def test_one_pair_in_ten_is_short_and_short_targets_are_uniform(plan: Plan) -> None:
    short = plan.targets[plan.targets < MAX_TOKENS]
    share = SHORT * (MAX_TOKENS - 2) / (MAX_TOKENS - 1)  # the uniform 2..max may give the maximum itself
    assert within(len(short), plan.num_pairs * share, (plan.num_pairs * share * (1 - share)) ** 0.5)
    counts = np.bincount(short, minlength=MAX_TOKENS)[2:]
    assert stats.chisquare(counts).pvalue > 1e-3


def test_google_draws_short_targets_once_per_document(split_of: Make) -> None:
    small = split_of([[3] * 60] * 3000)
    plan = planned(small, max_tokens=50, as_google=True)
    document = plan.a_start // 180
    targets = [set(plan.targets[document == d].tolist()) for d in range(200)]
    assert all(len(each) == 1 for each in targets)
    first = plan.targets[:3000]
    share = SHORT * 48 / 49
    assert within((first < 50).sum(), 3000 * share, (3000 * share * (1 - share)) ** 0.5)
    assert (plan.targets < 50).mean() > 0.2  # short documents yield more pairs


def test_truncation_takes_front_or_back_with_equal_chance(split_of: Make) -> None:
    """One sentence of 40 against one of 40: of what each side loses the front's share is binomial."""
    small = split_of([[40]] * 20_000)
    plan = planned(small, max_tokens=50, as_google=False)
    full = plan.targets == 50
    assert (plan.a_length[full] == 25).all() and (plan.b_length[full] == 25).all()
    for start in (plan.a_start, plan.b_start):
        front = np.bincount((start % 40)[full], minlength=16)
        expected = stats.binom.pmf(np.arange(16), 15, 0.5) * full.sum()
        tails = expected < 10
        grouped = [np.append(x[~tails], x[tails].sum()) for x in (front, expected)]
        assert stats.chisquare(*grouped).pvalue > 1e-3


@pytest.mark.parametrize(("a", "b"), [(60, 10), (10, 60), (40, 40), (45, 37), (37, 45), (51, 49), (1, 90), (90, 1)])
def test_the_longer_side_is_cut(a: int, b: int, split_of: Make) -> None:
    """Documents of a sentence of `a` and one of `b` tokens: true pairs are (a, b)."""
    plan = planned(split_of([[a, b]] * 200), max_tokens=50)
    true = (plan.pair_labels == 0) & (plan.targets == 50) & (a < 50)
    if a < 50:
        assert true.sum() > 20
        assert {(x, y) for x, y in zip(plan.a_length[true].tolist(), plan.b_length[true].tolist())} == {
            truncated(a, b, 50)
        }
    assert (plan.a_length + plan.b_length).max() <= 50


def appearances(split: Split, plan: Plan) -> np.ndarray:
    """How often each token is in a segment A or a true segment B."""
    seen = np.zeros(split.num_tokens + 1, np.int64)
    true = plan.pair_labels == 0
    for start, length in ((plan.a_start, plan.a_length), (plan.b_start[true], plan.b_length[true])):
        np.add.at(seen, start, 1)
        np.add.at(seen, start + length, -1)
    return np.cumsum(seen)[:-1]


def test_a_pass_takes_every_token_once(split_of: Make) -> None:
    """Without truncation; the longest documents are cut into parts."""
    long = split_of([[3, 1, 2] * 1500, [4] * 7, [1], [2] * (PART_SENTENCES + 1)])
    plan = planned(long, max_tokens=100_000)
    assert plan.cut.sum() == 0
    assert (appearances(long, plan) == 1).all()


def test_truncation_is_all_that_is_lost(split: Split, plan: Plan) -> None:
    seen = appearances(split, plan)
    assert seen.max() == 1
    assert 0 < (seen == 0).sum() <= plan.cut.sum()


def test_random_nexts_are_from_other_documents(split: Split, plan: Plan) -> None:
    assert_other_documents(split, plan)


def test_two_documents_never_meet_themselves(split_of: Make) -> None:
    two = split_of([[5] * 900, [7] * 3])
    assert_other_documents(two, planned(two))


def assert_other_documents(split: Split, plan: Plan) -> None:
    firsts = split.sentence_offsets[split.document_offsets]
    own, partner = (np.searchsorted(firsts, start, side="right") for start in (plan.a_start, plan.b_start))
    assert plan.pair_labels.sum() > 1
    assert ((own != partner) == (plan.pair_labels == 1)).all()


def test_google_meets_itself_as_rarely_as_ten_tries_make_it(split_of: Make) -> None:
    two = split_of([[2, 3] * 400] * 2)
    own = of = 0
    for repeat in range(300):
        plan = planned(two, repeat, as_google=True)
        random_next = plan.pair_labels == 1
        own += int(((plan.a_start >= 2000) == (plan.b_start >= 2000))[random_next].sum())
        of += int(random_next.sum())
    assert of > 30_000
    assert within(own, of * 2**-10, (of * 2**-10) ** 0.5)


def test_google_takes_a_single_document(split_of: Make) -> None:
    one = split_of([[4] * 50])
    plan = planned(one, as_google=True)
    assert 0 < plan.pair_labels.sum() < plan.num_pairs
    assert plan.b_start.max() < one.num_tokens
