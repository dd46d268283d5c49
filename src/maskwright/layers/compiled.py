"""What `torch.compile` is asked for: the rows of a layer behind its attention, and the softmax of a large vocabulary.

Behind attention a layer is two maps and much arithmetic of single numbers: dropout, residual, norm, activation, the
sums of biases' gradients. Each is a kernel that reads and writes all rows; compiled they are a few. Attention is not
among them, and products stay the libraries'. Layers of one shape share one program, whatever the number of rows, and
programs are kept on disk from process to process by torch itself.

On a CPU it is possible, for tests and for whoever wants to measure, and does not pay: `docs/performance.md`.
"""

import importlib.util
from collections.abc import Callable
from functools import cache, partial
from typing import Any

import torch
from torch import Tensor, nn

from maskwright.layers.dropout import Decided, DropoutStream

Rows = Callable[..., Tensor]
PROGRAMS = 64
"""Of one function: shapes, precisions, few rows or many. Behind the limit torch goes back to what is written."""


@cache
def can_compile() -> bool:
    """Whether kernels for GPUs can be made here: Triton is there."""
    return importlib.util.find_spec("triton") is not None


def missing(device: torch.device) -> str | None:
    """Why no kernel can be made for `device`, in a line, as one small one shows; None where it can. Takes seconds."""
    x = torch.ones(8, device=device)
    try:
        torch.compile(torch.Tensor.neg)(x)
    except (RuntimeError, OSError, ImportError) as error:  # a compiler that is not there, or not whole
        return next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
    return None


def compile_layers(network: nn.Module) -> int:
    """Compile what its layers do behind attention, where gradients are wanted; how many layers that are.

    What is only looked at, in another precision, is computed as before.
    """
    import torch._dynamo.config as settings

    settings.recompile_limit = max(settings.recompile_limit, PROGRAMS)
    found: list[Any] = [module for module in network.modules() if hasattr(module, "after_attention")]
    for layer in found:
        written: Rows = type(layer).after_attention
        layer.after_attention = partial(_behind, *_programs(written), written, layer)
    return len(found)


@cache
def _programs(written: Rows) -> tuple[Rows, Rows]:
    """As it is, and given what is dropped: a CPU's decisions are numpy's, which cannot be compiled."""

    def decided(layer: Any, x: Tensor, context: Tensor, *kept: Tensor) -> Tensor:
        return written(layer, x, context, Decided(kept))

    return compiled(written), compiled(decided)


def compiled(written: Callable[..., Any]) -> Callable[..., Any]:
    """A function's kernels, for any number of rows, the same in every process: none is chosen by how long it takes."""
    import torch._inductor.config as settings

    known = hasattr(settings, "deterministic")
    return torch.compile(written, dynamic=True, options={"deterministic": True} if known else None)


def _behind(
    program: Rows, decided: Rows, written: Rows, layer: Any, x: Tensor, context: Tensor, stream: DropoutStream | None
) -> Tensor:
    if not torch.is_grad_enabled():
        return written(layer, x, context, stream)
    rate: float = layer.hidden_dropout
    if stream is None or rate == 0 or x.is_cuda:
        return program(layer, x, context, stream)
    return decided(layer, x, context, *(stream.decide(x.shape, rate, x.dtype)[0] for _ in range(2)))  # of two halves
