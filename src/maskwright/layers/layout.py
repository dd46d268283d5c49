"""Where the sequences of a flat batch lie, and its rows as a padded rectangle and back."""

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Layout:
    """Where sequences lie, worked out once for all layers of a forward pass, without waiting for the device.

    cu_seqlens   (N+1,) int32 on the batch's device
    max_seqlen   S
    slots        (T,) int64, row of each token in the padded (N * S) rectangle; None when nothing is padded
    hidden       (N, 1, 1, S) added to the scores: 0 for tokens, the lowest number for padding; None likewise
    causal       a token sees itself and those before it; `hidden` is then (1, 1, S, S): padding is behind all tokens
    filler       rows behind the last token that are none, see `layers.filler`
    """

    cu_seqlens: Tensor
    max_seqlen: int
    slots: Tensor | None
    hidden: Tensor | None
    causal: bool = False
    filler: int = 0

    @property
    def num_sequences(self) -> int:
        """N."""
        return self.cu_seqlens.shape[0] - 1

    def lengths(self) -> list[int]:
        """Tokens of each sequence. Asks the device."""
        return self.cu_seqlens.diff().tolist()

    def with_filler(self, rows: int) -> "Layout":
        """The same with so many rows behind the last token; none where nothing is padded: shapes are few then."""
        return self if self.slots is None else replace(self, filler=rows)


def layout(cu_seqlens: Tensor, num_tokens: int, max_seqlen: int, dtype: torch.dtype, *, causal: bool = False) -> Layout:
    """The Layout of a batch of `num_tokens` whose sequences end at `cu_seqlens`; scores will be of `dtype`.

    causal   whether tokens see none behind them
    """
    ends = cu_seqlens.long()
    lengths = ends.diff()
    n, device = lengths.shape[0], ends.device
    slots = hidden = None
    if n * max_seqlen != num_tokens:
        gaps = torch.arange(n, device=device) * max_seqlen - ends[:-1]
        slots = torch.arange(num_tokens, device=device) + torch.repeat_interleave(gaps, lengths, output_size=num_tokens)
    places = torch.arange(max_seqlen, device=device)
    if causal:
        unseen = places > places[:, None]
        hidden = unseen.to(dtype).mul_(torch.finfo(dtype).min)[None, None]
    elif slots is not None:
        # the lowest finite number, not -inf: a sequence of no tokens must not make NaN
        hidden = torch.zeros(n, max_seqlen, dtype=dtype, device=device)
        hidden = hidden.masked_fill_(places >= lengths[:, None], torch.finfo(dtype).min)[:, None, None, :]
    return Layout(cu_seqlens, max_seqlen, slots, hidden, causal)


def pad(rows: Tensor, where: Layout) -> Tensor:
    """(T, ...), and filler -> (N, S, ...), zeros where there is no token."""
    shape = (where.num_sequences, where.max_seqlen, *rows.shape[1:])
    if where.slots is None:
        return rows.view(shape)
    padded = rows.new_zeros((where.num_sequences * where.max_seqlen, *rows.shape[1:]))
    return padded.index_copy_(0, where.slots, rows[: len(where.slots)]).view(shape)


def unpad(padded: Tensor, where: Layout) -> Tensor:
    """(N, S, ...) -> (T, ...), and zeros as filler."""
    rows = padded.reshape(-1, *padded.shape[2:])
    if where.slots is None:
        return rows
    if not where.filler:
        return rows.index_select(0, where.slots)
    taken = rows.index_select(0, F.pad(where.slots, (0, where.filler)))
    taken[-where.filler :] = 0
    return taken
