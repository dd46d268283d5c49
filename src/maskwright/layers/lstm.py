"""A long short-term memory whose output is projected, and whose cell and output are clipped.

Sak et al. (arXiv 1402.1128) on the projection; TensorFlow 1's `LSTMCell` on the clipping, as ELMo has it. For each
token x, with the output h and the cell c of the step before,

    i, f, z, o = W x + U h + b
    c = clip(sigmoid(f) c + sigmoid(i) tanh(z))
    h = clip(P (sigmoid(o) tanh(c)))

In training W x of all steps is one product, and backwards the gradients of all weights are one product each; only what
has to go step by step does. PyTorch's own LSTM has projections but no clipping.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from maskwright.layers.reading_order import ReadingOrder

GATES = 1 << 22
"""Of all steps at a time where no gradient wants them: 16 MB. More, and glibc maps fresh pages each time."""

State = tuple[Tensor, Tensor]
"""Outputs (N, P) and cells (N, C) of N sequences, in the order in which they are read."""


class Lstm(nn.Module):
    """One direction of one layer. The gates lie in the order i, f, z, o."""

    def __init__(
        self,
        input_size: int,
        cell_size: int,
        output_size: int,
        *,
        cell_clip: float | None,
        projection_clip: float | None,
    ) -> None:
        super().__init__()
        self.input = nn.Linear(input_size, 4 * cell_size)
        self.recurrent = nn.Parameter(torch.empty(4 * cell_size, output_size))
        self.projection = nn.Parameter(torch.empty(output_size, cell_size))
        self.clips = cell_clip or 0.0, projection_clip or 0.0

    def forward(self, x: Tensor, order: ReadingOrder, state: State | None = None) -> tuple[Tensor, State]:
        """(R, I) -> (R, P), both in the order of reading; and the state after each sequence's last token.

        state   before the first tokens; None: zeros
        """
        sequences = len(order.sequences)
        if state is None:
            state = x.new_zeros(sequences, self.projection.shape[0]), x.new_zeros(sequences, self.projection.shape[1])
        if not len(x):
            return state[0][:0], state
        begin, cells = state
        outputs, inner = self._read(x, order.sizes, begin, cells)
        read = (order.last >= 0)[:, None]
        last = order.last.clamp(min=0)
        ends = (
            torch.where(read, outputs.index_select(0, last), begin),
            torch.where(read, inner.index_select(0, last), cells),
        )
        return outputs, ends

    def _read(self, x: Tensor, sizes: list[int], hidden: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
        """Outputs (R, P) and cells (R, C) after each token; without gradients a stretch of steps after another."""
        most = len(x) if torch.is_grad_enabled() else max(1, GATES // len(self.recurrent))
        outputs, inner, first = list[Tensor](), list[Tensor](), 0
        for some in _stretches(sizes, most):
            rows = slice(first, first + sum(some))
            made: tuple[Tensor, Tensor] = _Recurrence.apply(  # type: ignore[assignment]
                self.input(x[rows]), self.recurrent, self.projection, hidden, cell, some, self.clips
            )
            hidden, cell = (part[len(part) - some[-1] :] for part in made)
            outputs.append(made[0])
            inner.append(made[1])
            first = rows.stop
        return (outputs[0], inner[0]) if len(outputs) == 1 else (torch.cat(outputs), torch.cat(inner))


def _stretches(sizes: list[int], most: int) -> Iterator[list[int]]:
    """The steps in stretches of at most so many tokens, or of one step.

    >>> list(_stretches([3, 3, 2, 2, 2, 1], 6))
    [[3, 3], [2, 2, 2], [1]]
    """
    stretch: list[int] = []
    for size in sizes:
        if stretch and sum(stretch) + size > most:
            yield stretch
            stretch = []
        stretch.append(size)
    yield stretch


class _Recurrence(torch.autograd.Function):
    """(R, 4C) inputs of the gates, which it overwrites -> outputs (R, P) and cells (R, C) after each token."""

    @staticmethod
    def forward(
        ctx: Any,
        inputs: Tensor,
        recurrent: Tensor,
        projection: Tensor,
        begin: Tensor,
        cells: Tensor,
        sizes: list[int],
        clips: tuple[float, float],
    ) -> tuple[Tensor, Tensor]:
        gates = inputs  # nobody else reads them, so they become the gates where they lie
        outputs = inputs.new_empty(len(inputs), projection.shape[0])
        inner = inputs.new_empty(len(inputs), projection.shape[1])
        hidden, cell, first = begin, cells, 0
        for size in sizes:
            now = slice(first, first + size)
            i, f, z, o = gates[now].addmm_(hidden[:size], recurrent.t()).chunk(4, 1)
            for one in (i, f, o):
                one.sigmoid_()
            z.tanh_()
            cell = torch.addcmul(i * z, f, cell[:size], out=inner[now])
            if clips[0]:
                cell.clamp_(-clips[0], clips[0])
            hidden = torch.mm(o * cell.tanh(), projection.t(), out=outputs[now])
            if clips[1]:
                hidden.clamp_(-clips[1], clips[1])
            first += size
        if any(ctx.needs_input_grad):
            ctx.save_for_backward(gates, outputs, inner, recurrent, projection, begin, cells)
            ctx.sizes, ctx.clips = sizes, clips
        return outputs, inner

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, *grads: Tensor
    ) -> tuple[Tensor | None, ...]:
        gates, outputs, inner, recurrent, projection, begin, cells = ctx.saved_tensors
        of_outputs, of_cells = grads[0].clone(), grads[1]
        of_gates = torch.empty_like(gates)
        before = _before(begin, outputs, ctx.sizes), _before(cells, inner, ctx.sizes)
        squashed = inner.tanh()
        inside, kept = (_inside(values, clip) for values, clip in zip((inner, outputs), ctx.clips, strict=True))
        going_hidden, going_cell = torch.zeros_like(begin), torch.zeros_like(cells)  # from the step after
        first = len(gates)
        for size in reversed(ctx.sizes):
            first -= size
            now = slice(first, first + size)
            i, f, z, o = gates[now].chunk(4, 1)
            of_hidden = of_outputs[now].add_(going_hidden[:size])
            if kept is not None:
                of_hidden.mul_(kept[now])
            of_product = of_hidden @ projection
            tanh = squashed[now]
            of_cell = of_cells[now] + going_cell[:size] + of_product * o * (1 - tanh * tanh)
            if inside is not None:
                of_cell.mul_(inside[now])
            di, df, dz, do = of_gates[now].chunk(4, 1)
            torch.mul(of_cell * z, i * (1 - i), out=di)
            torch.mul(of_cell * before[1][now], f * (1 - f), out=df)
            torch.mul(of_cell * i, 1 - z * z, out=dz)
            torch.mul(of_product * tanh, o * (1 - o), out=do)
            going_hidden[:size] = of_gates[now] @ recurrent
            going_cell[:size] = of_cell * f
        o = gates[:, 3 * inner.shape[1] :]
        of_recurrent = of_gates.t() @ before[0]
        of_projection = of_outputs.t() @ (o * squashed)
        return of_gates, of_recurrent, of_projection, going_hidden, going_cell, None, None


def _inside(values: Tensor, clip: float) -> Tensor | None:
    """Where nothing was clipped; None where nothing is ever clipped."""
    return values.abs() < clip if clip else None


def _before(begin: Tensor, values: Tensor, sizes: list[int]) -> Tensor:
    """(R, .) what each token found: the values of the same sequences one step earlier, at first `begin`."""
    steps = begin, *values.split(sizes)[:-1]
    return torch.cat([one[:size] for one, size in zip(steps, sizes, strict=True)])
