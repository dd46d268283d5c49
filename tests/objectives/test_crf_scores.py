"""The CRF head on flat batches: which words are judged together, and by what."""

from dataclasses import replace
from itertools import pairwise, product

import numpy as np
import pytest
import torch

from maskwright.batch import flat_batch
from maskwright.objectives.crf_scores import CrfScores
from maskwright.objectives.head import Encoder
from maskwright.objectives.tag_scores import TagScores

ROWS = np.array([1, 2, 2, 6, 8, 10])  # two words share row 2; the second and fourth sequence have none
BOUNDS = [0, 3, 3, 5, 5, 6]  # where the words of each of these sequences begin and end
ENDS = np.array([0, 4, 6, 9, 10, 12])
LABELS = torch.tensor([0, 1, 2, 2, 0, 1])
BATCH = flat_batch(np.zeros(12, np.int64), ENDS, predict_rows=ROWS)


class NoEncoder:
    token_table = torch.zeros(0)

    def pool(self, first: torch.Tensor, batch: object) -> torch.Tensor:
        raise AssertionError("tags are not of whole sequences")


ENCODER: Encoder = NoEncoder()


def drawn(may_follow: torch.Tensor | None = None, *, decoding: bool = False, training: bool = False) -> CrfScores:
    head = CrfScores(4, 3, 0.0, may_follow, decoding=decoding, training=training).double()
    noise = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in head.parameters():
            parameter.normal_(generator=noise)
    return head


def seen() -> torch.Tensor:
    return torch.randn(6, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def test_words_of_a_sequence_are_judged_together() -> None:
    head, batch = drawn(), replace(BATCH, labels=LABELS)
    scores = head.scores(seen(), batch, ENCODER)
    tally, best, loss = head.tally(scores, batch), head.best(scores, batch), 0.0
    crf = head.crf
    for first, end in pairwise(BOUNDS):
        if first == end:
            continue
        totals: dict[tuple[int, ...], float] = {}
        for path in product(range(3), repeat=end - first):
            total = crf.starts[path[0]] + crf.ends[path[-1]]
            total = total + sum((crf.transitions[a, b] for a, b in pairwise(path)), torch.zeros(()))
            totals[path] = float(total + sum(scores[first + i, tag] for i, tag in enumerate(path)))
        log_partition = float(torch.tensor(list(totals.values()), dtype=torch.float64).logsumexp(0))
        loss += log_partition - totals[tuple(LABELS[first:end].tolist())]
        assert tuple(best[first:end].tolist()) == max(totals, key=lambda path: totals[path])
    assert float(tally.loss_sum.detach()) == pytest.approx(loss, rel=1e-12)
    assert tally.count == head.count(batch) == 6
    assert int(tally.correct) == int((best == LABELS).sum())


def test_without_transitions_it_is_a_head_of_tags() -> None:
    head, batch = drawn(), replace(BATCH, labels=LABELS)
    alone = TagScores(4, 3, 0.0).double()
    alone.load_state_dict(head.words.state_dict())
    with torch.no_grad():
        for parameter in head.crf.parameters():
            parameter.zero_()
    ours, theirs = (one.tally(one.scores(seen(), batch, ENCODER), batch) for one in (head, alone))
    assert torch.allclose(ours.loss_sum, theirs.loss_sum) and ours.count == theirs.count
    assert int(ours.correct) == int(theirs.correct)


def test_what_may_not_follow_is_never_answered() -> None:
    """0 may not stand behind 0, nor begin; with `never` it does."""
    may = torch.ones(4, 4, dtype=torch.bool)
    may[0, 0] = may[3, 0] = False
    scores = torch.zeros(6, 3, dtype=torch.float64)
    scores[:, 0] = 50.0
    held, free = drawn(may, decoding=True).best(scores, BATCH).tolist(), drawn(may).best(scores, BATCH).tolist()
    assert free == [0] * 6
    for first, end in pairwise(BOUNDS):
        part = held[first:end]
        assert part[:1] != [0] and (0, 0) not in pairwise(part)


def test_a_right_path_is_likelier_where_wrong_ones_are_out() -> None:
    may = torch.ones(4, 4, dtype=torch.bool)
    may[1, 0] = may[3, 0] = may[0, 2] = False  # never in the labels, but for the beginning
    batch = replace(BATCH, labels=LABELS)
    always, decoding = (drawn(may, decoding=True, training=one) for one in (True, False))
    of_all, of_legal = (
        float(one.tally(one.scores(seen(), batch, ENCODER), batch).loss_sum) for one in (decoding, always)
    )
    assert (
        0 < of_legal < of_all
    )  # finite, though a sequence begins as a whole sentence may not: it may be a part of one
