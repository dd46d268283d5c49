"""A probe that learns where to look: one attention over the tokens of a text, then a linear classifier.

The encoder stays as it is. A query of the size of a token's vectors weighs the tokens by a softmax, their
weighted mean goes through one linear map (Yang et al. 2016, *Hierarchical attention networks*, section 2.2,
without the inner layer; frozen encoders are judged so in arXiv 2404.08471). A plain mean buries the few tokens
that tell texts apart among a hundred that do not.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from maskwright.batch import flat_batch
from maskwright.draws import generator
from maskwright.inference.encoder import Encoder
from maskwright.progress import Stage
from maskwright.training.schedules import schedule

Integers = npt.NDArray[np.int64]
TOGETHER = 32  # texts computed at once
CHUNK = 1 << 16  # tokens


class TokenStates(NamedTuple):
    """The vectors of all tokens of some texts, one text after the other.

    values    (T, (L + 1) H) bfloat16: the embeddings' output and each layer's, side by side
    bounds    (N + 1,) where texts begin and end
    """

    values: Tensor
    bounds: Tensor


def token_states(encoder: Encoder, texts: Sequence[str], stage: Stage | None = None) -> TokenStates:
    """The vectors of every token at every layer, special tokens included."""
    network = encoder.model.encoder
    encoded = encoder.tokenizer.encode_pairs(texts, special_in_text=False)
    bounds = np.cumsum([0, *(len(one.ids) for one in encoded)])
    width = (network.config.num_hidden_layers + 1) * network.config.hidden_size
    values = torch.empty(int(bounds[-1]), width, dtype=torch.bfloat16)
    for first in range(0, len(texts), TOGETHER):
        last = min(first + TOGETHER, len(texts))
        ids = np.concatenate([one.ids for one in encoded[first:last]])
        batch = flat_batch(ids, bounds[first : last + 1] - bounds[first])
        with torch.inference_mode():
            states = torch.cat(network.hidden_states(batch), dim=1)
        values[int(bounds[first]) : int(bounds[last])] = states
        if stage is not None:
            stage.advance(last - first)
    return TokenStates(values, torch.from_numpy(bounds))


class AttentiveProbe:
    """A query (F,), a linear map (C, F) with a bias (C,), and the scale of the features they were learned on."""

    def __init__(self, states: TokenStates, classes: int, seed: int) -> None:
        self.mean, self.deviation = moments(states.values)
        width = states.values.shape[1]
        start = generator(seed, "attentive probe").normal(0, 0.01, width)
        self.query = torch.tensor(start, dtype=torch.float32, requires_grad=True)
        self.weight = torch.zeros(classes, width, requires_grad=True)
        self.bias = torch.zeros(classes, requires_grad=True)

    def scores(self, states: TokenStates, which: Integers) -> Tensor:
        """(n, C) for the texts numbered `which`."""
        starts, lengths = states.bounds[which], states.bounds[which + 1] - states.bounds[which]
        of_token = torch.repeat_interleave(torch.arange(len(which)), lengths)
        firsts = torch.cumsum(lengths, 0) - lengths
        rows = torch.arange(len(of_token)) - firsts[of_token] + starts[of_token]
        features = (states.values[rows].float() - self.mean) / self.deviation
        weights = shares(features @ self.query, of_token, lengths)
        pooled = features.new_zeros(len(which), features.shape[1]).index_add(0, of_token, features * weights[:, None])
        return F.linear(pooled, self.weight, self.bias)

    @torch.no_grad()
    def predict(self, states: TokenStates, together: int = 64) -> Integers:
        """(N,) classes."""
        texts = np.arange(len(states.bounds) - 1)
        parts = [texts[first : first + together] for first in range(0, len(texts), together)]
        return np.concatenate([self.scores(states, part).argmax(1).numpy() for part in parts])


def learn(
    states: TokenStates,
    classes: Integers,
    number: int,
    *,
    which: Integers | None = None,
    epochs: int = 6,
    batch: int = 64,
    rate: float = 3e-3,
    weight_decay: float = 0.05,
    seed: int = 0,
    stage: Stage | None = None,
) -> AttentiveProbe:
    """A probe learned on texts with `classes` (N,), of which there are `number`; on those numbered `which` alone.

    AdamW, 10 % warm-up, linear decay; nothing here was tuned for one kind of vector.
    """
    which = np.arange(len(classes)) if which is None else which
    probe = AttentiveProbe(states, number, seed)
    answers = torch.from_numpy(classes)
    optimizer = torch.optim.AdamW([probe.query, probe.weight, probe.bias], lr=rate, weight_decay=weight_decay)
    a_pass = -(-len(which) // batch)
    factor = schedule("linear", warmup_steps=round(0.1 * epochs * a_pass), total_steps=epochs * a_pass)
    for epoch in range(epochs):
        order = generator(seed, "attentive order", epoch).permutation(which)
        for place in range(a_pass):
            some = order[place * batch : (place + 1) * batch]
            loss = F.cross_entropy(probe.scores(states, some), answers[some])
            optimizer.zero_grad()
            loss.backward()  # pyright: ignore[reportUnknownMemberType]
            for group in optimizer.param_groups:
                group["lr"] = rate * factor(epoch * a_pass + place)
            optimizer.step()
        if stage is not None:
            stage.advance(1)
    return probe


def shares(scores: Tensor, of_token: Tensor, lengths: Tensor) -> Tensor:
    """(T,) softmax of the scores within each text."""
    highest = torch.segment_reduce(scores.detach(), "max", lengths=lengths)
    raised = (scores - highest[of_token]).exp()
    return raised / raised.new_zeros(len(lengths)).index_add(0, of_token, raised)[of_token]


def moments(values: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and deviation of each column of (T, F), in pieces, as all of it in float32 would be large."""
    total: Any = sum(piece.double().sum(0) for piece in values.split(CHUNK))
    mean = total / len(values)
    squares: Any = sum((piece.double() - mean).square_().sum(0) for piece in values.split(CHUNK))
    return mean.float(), (squares / len(values)).sqrt().float() + 1e-6
