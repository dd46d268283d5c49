"""A conditional random field over the tags of a sequence: a path's score is that of its tags and of its transitions.

Lafferty, McCallum and Pereira (2001); Lample et al. (arXiv 1603.01360), section 2.2; allennlp 0.9
`modules/conditional_random_field.py`. Of a sequence with scores e (S, C) and a path y,

    score(y) = starts[y_1] + sum_t e[t, y_t] + sum_t transitions[y_t, y_t+1] + ends[y_S]
    log p(y) = score(y) - log sum over all paths y' of exp score(y')

A batch is flat: R rows of N sequences behind each other. The only loop is over steps, for all sequences that still go
on at once (`reading_order`). The one path of an empty sequence is empty and has the score 0.
"""

import numpy as np
import torch
from torch import Tensor, nn

from maskwright.batch import Integers
from maskwright.layers.reading_order import reading_order

FORBIDDEN = -10_000.0
"""The score of what may not be. Finite: a sequence that allows no path at all has a best one nevertheless."""


class Crf(nn.Module):
    """Scores (R, C) of each tag by itself -> log-likelihoods and best paths. All in the type of these scores."""

    may_follow: Tensor
    """(C + 1, C + 1) bool: whether the tag of the column may stand behind that of the row; last comes the edge."""

    def __init__(self, tags: int, may_follow: Tensor | None = None) -> None:
        """tags        C
        may_follow  see above; None: every tag may stand everywhere
        """
        super().__init__()
        self.transitions = nn.Parameter(torch.zeros(tags, tags))
        self.starts = nn.Parameter(torch.zeros(tags))
        self.ends = nn.Parameter(torch.zeros(tags))
        every = torch.ones(tags + 1, tags + 1, dtype=torch.bool)
        self.register_buffer("may_follow", every if may_follow is None else may_follow.to(every.device))

    def log_partition(self, scores: Tensor, bounds: Integers, *, legal: bool = False) -> Tensor:
        """(N,) the logarithm of the sum over all paths of exp score.

        scores   (R, C)
        bounds   (N+1,) where sequences begin and end
        legal    over paths whose neighbours may stand beside each other; how a sequence begins and ends is left open,
                 since it may be a part of one
        """
        order = reading_order(bounds, backward=False, device=scores.device)
        transitions, starts, ends = self._weights(scores.dtype, pairs=legal)
        rows, found = scores.index_select(0, order.rows), scores.new_zeros(len(order.sequences))
        reached, ended = scores[:0], list[Tensor]()
        for step, here in enumerate(rows.split(order.sizes)):
            if step:
                ended.append(reached[len(here) :])
                reached = (reached[: len(here), :, None] + transitions).logsumexp(1) + here
            else:
                reached = starts + here
        totals = (torch.cat([reached, *reversed(ended)]) + ends).logsumexp(1)  # long sequences come first, empty last
        return found.index_copy(0, order.sequences[: len(totals)], totals)

    def path_score(self, scores: Tensor, tags: Tensor, bounds: Integers) -> Tensor:
        """(N,) the score of one path of each sequence.

        tags   (R,) int64
        """
        transitions, starts, ends = self._weights(scores.dtype)
        lengths = np.diff(bounds)
        which = torch.from_numpy(np.repeat(np.arange(len(lengths)), lengths)).to(scores.device)
        there = torch.from_numpy(np.flatnonzero(lengths)).to(scores.device)
        first, last = (torch.from_numpy(rows[lengths > 0]).to(scores.device) for rows in (bounds[:-1], bounds[1:] - 1))
        inside = which[1:] == which[:-1]
        steps = transitions[tags[:-1], tags[1:]] * inside
        found = scores.new_zeros(len(lengths))
        found = found.index_add(0, which, scores.gather(1, tags[:, None]).squeeze(1))
        found = found.index_add(0, which[1:], steps)
        return found.index_add(0, there, starts[tags[first]] + ends[tags[last]])

    def log_likelihood(self, scores: Tensor, tags: Tensor, bounds: Integers, *, legal: bool = False) -> Tensor:
        """(N,) log p of one path of each sequence, in nats; see `log_partition` and `path_score`."""
        return self.path_score(scores, tags, bounds) - self.log_partition(scores, bounds, legal=legal)

    @torch.no_grad()
    def best(self, scores: Tensor, bounds: Integers, *, legal: bool = False) -> Tensor:
        """(R,) int64, the tags of each sequence's best path (Viterbi).

        legal   of the paths that are allowed, their beginning and end included
        """
        order = reading_order(bounds, backward=False, device=scores.device)
        transitions, starts, ends = self._weights(scores.dtype, pairs=legal, edges=legal)
        reached, ended, before = scores[:0], list[Tensor](), list[Tensor]()
        for step, here in enumerate(scores.index_select(0, order.rows).split(order.sizes)):
            if step:
                ended.append(reached[len(here) :])
                most = (reached[: len(here), :, None] + transitions).max(1)
                before.append(most.indices)
                reached = most.values + here
            else:
                reached = starts + here
        last = (torch.cat([reached, *reversed(ended)]) + ends).argmax(1)
        path, found = list[Tensor](), last[:0]
        for step in reversed(range(len(order.sizes))):
            if found.numel():
                found = before[step].gather(1, found[:, None]).squeeze(1)
            found = torch.cat([found, last[len(found) : order.sizes[step]]])  # those that end here come in
            path.append(found)
        tags = torch.empty(len(scores), dtype=torch.int64, device=scores.device)
        return tags.index_copy(0, order.rows, torch.cat([*reversed(path), last[:0]]))

    def _weights(
        self, dtype: torch.dtype, *, pairs: bool = False, edges: bool = False
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Transitions, starts and ends, with what may not be forbidden between tags, and at edges."""
        weights = self.transitions.to(dtype), self.starts.to(dtype), self.ends.to(dtype)
        allowed = self.may_follow[:-1, :-1], self.may_follow[-1, :-1], self.may_follow[:-1, -1]
        held = pairs, edges, edges
        transitions, starts, ends = (
            weight.masked_fill(~may, FORBIDDEN) if hold else weight
            for weight, may, hold in zip(weights, allowed, held, strict=True)
        )
        return transitions, starts, ends
