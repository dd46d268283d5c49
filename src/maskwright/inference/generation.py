"""Text written by a model, token by token, and how likely it finds a text.

A GPT reads what is there once and keeps the keys and values of each layer; a token more costs a row. A masked model
was not made for it: what is there, [MASK] and [SEP] go through it for every token, and it has never learned what it
is to know nothing of what follows. Both draw from the whole of what they hold likely (`top_p`, Holtzman et al., arXiv
1904.09751). A draw is a function of the seed, the sample and the place.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, Protocol, cast

import numpy as np
import torch
from torch import Tensor

from maskwright import draws
from maskwright.batch import Batch, flat_batch
from maskwright.errors import BadInput
from maskwright.layers.network import Network
from maskwright.layers.transformer_layer import Layer
from maskwright.objectives.decoder_head import DecoderHead
from maskwright.objectives.masked_lm_head import MaskedLMHead
from maskwright.objectives.next_token import NextTokenHead
from maskwright.tokenizers.tokenizer import Tokenizer
from maskwright.training.pretraining import Pretraining


class Generated(NamedTuple):
    """What was written behind a prompt.

    text             prompt and continuation
    tokens           of the continuation
    log_probability  of each of them, in nats, as the model has it before temperature and top_p
    ended            whether the model ended it, and not a limit
    """

    text: str
    tokens: list[str]
    log_probability: list[float]
    ended: bool


class Scored(NamedTuple):
    """The tokens of a text, and the logarithm of the probability of each, in nats."""

    tokens: list[str]
    log_probability: list[float]

    @property
    def total(self) -> float:
        """Of the whole text."""
        return sum(self.log_probability)


class Sampling(NamedTuple):
    """How a token is drawn."""

    temperature: float = 1.0
    """Scores are divided by it; 0 takes the likeliest."""
    top_p: float = 1.0
    """Only the likeliest tokens that together have this share are drawn from."""

    def check(self) -> None:
        """BadInput for what is no temperature or share."""
        if not 0 <= self.temperature < math.inf:
            raise BadInput(f"temperature {self.temperature}: give 0 (the likeliest token) or more; 1 is as learned")
        if not 0 < self.top_p <= 1:
            raise BadInput(f"top_p {self.top_p}: give a share above 0, up to 1 (all tokens)")

    def choose(self, scores: Tensor, chance: Tensor) -> Tensor:
        """(N, V) scores -> (N,) tokens; `chance` (N,) is uniform in [0, 1).

        >>> scores = torch.tensor([[0.5, 0.3, 0.2]]).log()
        >>> [int(Sampling(top_p=p).choose(scores, torch.tensor([c]))) for p, c in ((1, 0.4), (1, 0.9), (0.6, 0.9))]
        [0, 2, 1]
        """
        if self.temperature == 0:
            return scores.argmax(-1)
        shares, order = torch.softmax(scores.double() / self.temperature, -1).sort(descending=True, stable=True)
        before = shares.cumsum(-1) - shares
        shares = shares.masked_fill(before >= self.top_p, 0)
        ends = shares.cumsum(-1)
        place = torch.searchsorted(ends, chance.double()[:, None] * ends[:, -1:], right=True)
        last = (shares > 0).sum(-1, keepdim=True) - 1
        return order.gather(1, torch.minimum(place, last))[:, 0]


def generate(
    model: Pretraining,
    tokenizer: Tokenizer,
    prompt: str,
    *,
    max_tokens: int,
    samples: int,
    sampling: Sampling,
    seed: int,
) -> list[Generated]:
    """`samples` continuations of a prompt, of at most `max_tokens` tokens each.

    Raises BadInput for a model with no head for tokens, for a prompt that fills its positions, and for limits that are
    none.
    """
    sampling.check()
    for name, value in (("max_tokens", max_tokens), ("samples", samples)):
        if value < 1:
            raise BadInput(f"{name} {value}: give 1 or more")
    device = model.encoder.token_table.device
    given = tokenizer.encode_sentences([prompt]).token_ids.astype(np.int64)
    begin, scores_of = _reader(model, tokenizer, samples)
    longest = model.encoder.config.longest
    room = longest - len(begin) - len(given) - (0 if model.encoder.causal else 2)
    if room < 1:
        raise BadInput(
            f"a prompt of {len(given)} tokens leaves no room among the model's {longest} positions: shorten it"
        )
    ids = torch.from_numpy(np.concatenate([begin, given])).to(device)
    if not len(ids):
        raise BadInput("an empty prompt, and the tokenizer has no token that begins a text: give a prompt")
    scores = scores_of(ids[None].expand(samples, -1))
    written: list[Tensor] = []
    likely: list[Tensor] = []
    running = torch.ones(samples, dtype=torch.bool, device=device)
    for place in range(min(max_tokens, room)):
        chance = torch.from_numpy(draws.generator(seed, "generate", place).random(samples)).to(device)
        tokens = sampling.choose(scores, chance)
        likely.append(torch.log_softmax(scores.double(), -1).gather(1, tokens[:, None])[:, 0])
        written.append(tokens)
        running &= tokens != (-1 if tokenizer.sep_id is None else tokenizer.sep_id)
        if place + 1 == min(max_tokens, room) or not running.any():
            break
        scores = scores_of(tokens[:, None])
    return _written(prompt, tokenizer, given, torch.stack(written, 1).tolist(), torch.stack(likely, 1).tolist())


def _written(
    prompt: str, tokenizer: Tokenizer, given: np.ndarray, ids: list[list[int]], likely: list[list[float]]
) -> list[Generated]:
    made: list[Generated] = []
    for row, shares in zip(ids, likely, strict=True):
        ended = tokenizer.sep_id is not None and tokenizer.sep_id in row
        kept = row[: row.index(cast("int", tokenizer.sep_id))] if ended else row
        text = prompt + tokenizer.decode([*given.tolist(), *kept]).removeprefix(tokenizer.decode(given.tolist()))
        made.append(Generated(text, [tokenizer.id_to_token(i) for i in kept], shares[: len(kept)], ended))
    return made


def _reader(model: Pretraining, tokenizer: Tokenizer, samples: int) -> tuple[np.ndarray, Callable[[Tensor], Tensor]]:
    """What stands before a prompt, and a function: (N, new tokens) -> (N, V) scores of the token behind all so far."""
    heads = dict(model.heads.items())
    if isinstance(head := heads.get("lm"), NextTokenHead):
        begin = np.array([] if tokenizer.sep_id is None else [tokenizer.sep_id], dtype=np.int64)
        cached = Cached(model.encoder, samples)
        return begin, lambda ids: head.scores(cached.read(ids), model.encoder.token_table).float()
    if not isinstance(head := heads.get("mlm"), (MaskedLMHead, DecoderHead)) or tokenizer.mask_id is None:
        raise BadInput("this model has no head that writes on: take a GPT, or a model pretrained with masks")
    masked = _Masked(model, tokenizer)
    return masked.begin, lambda ids: head.scores(masked.read(ids), model.encoder.token_table).float()


class Cached:
    """A causal network that reads N sequences of equal length on and on, each token once."""

    def __init__(self, network: Network, sequences: int) -> None:
        self.network, self.sequences, self.length = network, sequences, 0
        self._kept: list[Tensor] = []
        """Of each layer (2, N, A, room, D): keys and values of `length` tokens; room doubles when it ends."""

    @torch.inference_mode()
    def read(self, ids: Tensor) -> Tensor:
        """(N, new tokens) ids -> (N, H), the last layer's output at the last of them."""
        n, new = ids.shape
        places = torch.arange(self.length, self.length + new, device=ids.device).repeat(n)
        ends = torch.arange(0, n * new + 1, new, dtype=torch.int32, device=ids.device)
        batch = Batch(token_ids=ids.reshape(-1), cu_seqlens=ends, max_seqlen=new, position_ids=places)
        x = self.network.embeddings(batch, None)
        for number, layer in enumerate(cast("list[Layer]", self.network.layers)):
            query, key_value = self._split(layer.queries_keys_values(x), n, new, layer.heads)
            x = layer.after_attention(x, self._attend(query, self._with_earlier(number, key_value)), None)
        self.length += new
        last = x.view(n, new, -1)[:, -1]
        return last if self.network.final is None else self.network.final(last)

    def _split(self, qkv: Tensor, n: int, new: int, heads: int) -> tuple[Tensor, Tensor]:
        """(N * new, 3H) -> queries (N, A, new, D), keys and values (2, N, A, new, D)."""
        parts = qkv.view(n, new, 3, heads, -1).permute(2, 0, 3, 1, 4)
        return parts[0], parts[1:]

    def _with_earlier(self, layer: int, new: Tensor) -> Tensor:
        """Keep the keys and values of new tokens; a view of those of all so far, (2, N, A, S, D)."""
        end = self.length + new.shape[3]
        if layer == len(self._kept):
            self._kept.append(new.new_empty(*new.shape[:3], end, new.shape[4]))
        if end > (room := self._kept[layer].shape[3]):
            larger = new.new_empty(*new.shape[:3], max(end, 2 * room), new.shape[4])
            larger[:, :, :, : self.length] = self._kept[layer][:, :, :, : self.length]
            self._kept[layer] = larger
        kept = self._kept[layer]
        kept[:, :, :, self.length : end] = new
        return kept[:, :, :, :end]

    def _attend(self, query: Tensor, key_value: Tensor) -> Tensor:
        """-> (N * new, H): each new token sees those before it and itself."""
        n, heads, new, width = query.shape
        key, value = key_value
        scores = query @ key.transpose(2, 3) / math.sqrt(width)
        unseen = torch.ones(new, key.shape[2], dtype=torch.bool, device=query.device).triu(self.length + 1)
        weights = torch.softmax(scores.masked_fill(unseen, -math.inf), -1)
        return (weights @ value).transpose(1, 2).reshape(n * new, heads * width)


class _Masked:
    """A masked model that is asked for the token at a [MASK] behind what is there."""

    def __init__(self, model: Pretraining, tokenizer: Tokenizer) -> None:
        self.network = model.encoder
        self.begin = np.array([] if tokenizer.cls_id is None else [tokenizer.cls_id], dtype=np.int64)
        ends = [tokenizer.mask_id, *([] if tokenizer.sep_id is None else [tokenizer.sep_id])]
        self._ends = torch.tensor(ends, device=self.network.token_table.device)
        self._read: Tensor | None = None

    @torch.inference_mode()
    def read(self, ids: Tensor) -> Tensor:
        """(N, new tokens) ids -> (N, H), the last layer's output at the [MASK] behind all so far."""
        self._read = ids if self._read is None else torch.cat([self._read, ids], 1)
        n = len(ids)
        rows = torch.cat([self._read, self._ends.expand(n, -1)], 1).cpu().numpy()
        ends = np.arange(0, rows.size + 1, rows.shape[1])
        types = np.zeros(rows.size, np.int64) if "token_type_ids" in self.network.reads else None
        languages = np.zeros(rows.size, np.int64) if "language_ids" in self.network.reads else None
        batch = flat_batch(rows.reshape(-1), ends, types, language_ids=languages).to(ids.device)
        at = torch.from_numpy(ends[1:] - len(self._ends)).to(ids.device)
        return self.network(batch, None, at)


BLANK = "[MASK]"
SCORED_TOKENS = 1024
"""Tokens whose scores over the vocabulary are held at once."""


def rank(
    score: Callable[[Sequence[str]], Sequence["Total"]], text: str, candidates: Sequence[str]
) -> list[tuple[str, float]]:
    """How likely a model finds a text with each candidate in its blank: shares of all of them, best first.

    score   texts -> what has the logarithm of the probability of each as `total`

    A blank is written [MASK], whatever the vocabulary has. Raises BadInput for a text without one, or with several.
    """
    if text.count(BLANK) != 1:
        raise BadInput(f"{text!r:.80} has {text.count(BLANK)} blanks: write {BLANK} once, where candidates are to go")
    totals = [one.total for one in score([text.replace(BLANK, word) for word in candidates])]
    shares = torch.softmax(torch.tensor(totals, dtype=torch.float64), 0).tolist()
    return sorted(zip(candidates, shares, strict=True), key=lambda one: -one[1])


class Total(Protocol):
    """What a text was scored with."""

    @property
    def total(self) -> float:
        """The logarithm of its probability, in nats."""
        ...


def score(model: Pretraining, tokenizer: Tokenizer, texts: Sequence[str]) -> list[Scored]:
    """How likely a causal model finds each text: the probability of every token after those before it.

    Before the first stands what ends a document, where the tokenizer has such a token; else the first has none.
    Raises BadInput for other models, and for texts that are longer than its positions.
    """
    if not isinstance(head := dict(model.heads.items()).get("lm"), NextTokenHead):
        raise BadInput("this model does not read from left to right, so it gives no text a probability: take a GPT")
    begin = np.array([] if tokenizer.sep_id is None else [tokenizer.sep_id], dtype=np.int64)
    encoded = tokenizer.encode_sentences(list(texts))
    rows = np.split(encoded.token_ids.astype(np.int64), np.cumsum(encoded.lengths)[:-1]) if len(texts) else []
    rows = [np.concatenate([begin, row]) for row in rows]
    for text, row in zip(texts, rows, strict=True):
        if len(row) > (longest := model.encoder.config.longest):
            raise BadInput(f"{text!r:.80} has {len(row)} tokens, the model {longest} positions: shorten it")
    found: list[Scored] = []
    for part in _together(rows):
        ends = np.concatenate([np.zeros(1, np.int64), np.cumsum([len(row) for row in part])])
        batch = flat_batch(np.concatenate(part), ends).to(model.encoder.token_table.device)
        with torch.inference_mode():
            last = model.encoder(batch)
            # row r says of token r + 1; across the border of two texts that is nothing, and is left out below
            scores = head.scores(last[:-1], model.encoder.token_table)
            likely = torch.log_softmax(scores.double(), -1).gather(1, batch.token_ids[1:, None])[:, 0].tolist()
        for row, first, end in zip(part, ends[:-1].tolist(), ends[1:].tolist(), strict=True):
            found.append(Scored([tokenizer.id_to_token(int(i)) for i in row[1:]], likely[first : max(first, end - 1)]))
    return found


def _together(rows: Sequence[np.ndarray]) -> Iterator[list[np.ndarray]]:
    """Texts in their order, as many at once as have `SCORED_TOKENS` tokens."""
    part: list[np.ndarray] = []
    for row in rows:
        if part and sum(map(len, part)) + len(row) > SCORED_TOKENS:
            yield part
            part = []
        part.append(row)
    if part:
        yield part
