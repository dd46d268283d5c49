"""A forward and a backward language model with one softmax: what ELMo's pretraining trains, saves and loads."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from maskwright.batch import Batch
from maskwright.errors import MaskwrightError
from maskwright.layers.dropout import DropoutStream
from maskwright.models.elmo import Elmo, ElmoConfig, State, elmo, zero_state
from maskwright.objectives.both_ways import BothWays
from maskwright.objectives.sampled_softmax import Judged, SampledSoftmax
from maskwright.objectives.tally import Tally
from maskwright.training.flat import check_same

WAYS = ("forward", "backward")


class BothWaysLM(nn.Module):
    """The network, and the softmax over its words; without the latter it predicts nothing."""

    def __init__(self, encoder: Elmo, softmax: SampledSoftmax | None) -> None:
        super().__init__()
        self.encoder, self.softmax = encoder, softmax

    def initialise(self, seed: int) -> None:
        """Start all weights."""
        self.encoder.initialise(seed)
        if self.softmax is not None:
            self.softmax.initialise(seed)

    def of_lanes(self, batch: Batch, stream: DropoutStream | None, state: State) -> tuple[dict[str, Tally], State]:
        """Sums by direction over a batch of lanes that go on from `state`, and their state behind it."""
        assert self.softmax is not None and batch.predict_ids is not None
        last, after = self.encoder.read_lanes(batch, stream, state)
        judged = self.softmax(last, batch.predict_ids, batch)
        half = int(batch.cu_seqlens[batch.num_sequences // 2])
        parts = [Judged(judged.losses[part], judged.hits[part]) for part in (slice(half), slice(half, None))]
        return _tallies(parts), after

    def of_sentences(self, batch: Batch) -> dict[str, Tally]:
        """Sums by direction over whole sentences, each by itself: every word but the first, or but the last."""
        assert self.softmax is not None
        forward, backward = self.encoder(batch).chunk(2, -1)
        fed, asked = neighbours(batch)
        return _tallies(
            [
                self.softmax(forward.index_select(0, fed), batch.token_ids[asked], batch),
                self.softmax(backward.index_select(0, asked), batch.token_ids[fed], batch),
            ]
        )


def both_ways_lm(config: ElmoConfig, *, softmax: bool = True, device: torch.device | str = "cpu") -> BothWaysLM:
    """Of that shape, its weights not yet set."""
    with torch.device(device):
        words = SampledSoftmax(config.vocab_size + 2, config.projection_size) if softmax else None
        return BothWaysLM(elmo(config), words)


def neighbours(batch: Batch) -> tuple[Tensor, Tensor]:
    """(rows, the rows behind them), for all rows but each sequence's last."""
    rows = torch.arange(batch.num_tokens, device=batch.token_ids.device)
    is_last = torch.zeros(batch.num_tokens, dtype=torch.bool, device=rows.device)
    is_last[batch.cu_seqlens[1:].long() - 1] = True
    rows = rows[~is_last]
    return rows, rows + 1


def _tallies(parts: list[Judged]) -> dict[str, Tally]:
    return {
        way: Tally(judged.losses.sum(), len(judged.losses), judged.hits.sum())
        for way, judged in zip(WAYS, parts, strict=True)
    }


class BothWaysWork:
    """Network and data as the loop takes them (`training.work.Work`), and the state of its lanes.

    Where gradients are enabled a batch's lanes go on from where they stopped; without, nothing changes. What a step
    that was broken off has read counts for nothing: only when all lanes have gone on is the step's state the one
    that `carried` gives.
    """

    def __init__(self, module: BothWaysLM, data: BothWays, *, lanes: int) -> None:
        self.module, self.data = module, data
        self.batches, self.held_out = data.batches, data.held_out
        like = next(module.parameters())
        self._before = zero_state(module.encoder.config, lanes, like.detach())
        self._after = self._before
        self._done = torch.zeros(lanes, dtype=torch.bool)

    def counts(self, batch: Batch) -> dict[str, int]:
        """Predictions of each direction."""
        if batch.predict_ids is not None:
            return dict.fromkeys(WAYS, len(batch.predict_ids) // 2)
        return dict.fromkeys(WAYS, batch.num_tokens - batch.num_sequences)

    def tallies(self, batch: Batch, stream: DropoutStream | None) -> dict[str, Tally]:
        """Sums by direction, forward and backward. Held-out sentences begin from zeros each."""
        if batch.lane_ids is None:
            return self.module.of_sentences(batch)
        lanes = batch.lane_ids[: batch.num_sequences // 2]
        here = lanes.cpu()
        like = next(self.module.parameters())
        goes_on = torch.is_grad_enabled()
        if goes_on and bool(self._done[here].any()):  # another step begins: the one before is done, or was broken off
            self._end_step()
            self._after = self._before
            self._done[:] = False
        state = State(*(part.to(like)[:, :, lanes] for part in self._before))
        sums, after = self.module.of_lanes(batch, stream, state)
        if goes_on:
            self._after = State(
                *(old.to(like).index_copy(2, lanes, new.detach()) for old, new in zip(self._after, after, strict=True))
            )
            self._done[here] = True
        return sums

    def carried(self) -> dict[str, Tensor]:
        """What goes on to the next step: outputs (L, 2, lanes, P) and cells (L, 2, lanes, C)."""
        self._end_step()
        return self._before._asdict()

    def take_up(self, tensors: Mapping[str, Tensor]) -> None:
        """Go on from what `carried` gave; MaskwrightError where it is not this run's."""
        check_same(self._before._asdict(), tensors)
        if not all(bool(part.isfinite().all()) for part in tensors.values()):
            raise MaskwrightError("the checkpoint's state holds infinity or NaN: go on from an older one")
        self._before = self._after = State(tensors["hidden"].clone(), tensors["cell"].clone())
        self._done[:] = False

    def _end_step(self) -> None:
        """If all lanes have gone on, their state is what the next step goes on from."""
        if bool(self._done.all()):
            self._before = self._after
            self._done[:] = False
