"""A network cut among the ranks of a run, for models that no single device holds: torch's `fully_shard` (FSDP2).

Of every parameter each rank keeps some rows, in float32, with their gradient and what the optimizer holds of them:

    16 bytes a parameter, divided by the number of ranks, and one layer that is whole at a time

A layer is made whole, in the type it computes with, when its turn comes on the way forward and once more on the way
back; the sum of its gradient goes to whose rows it is while the layer below is computed. That is stage 3 of ZeRO
(Rajbhandari et al. 2020, 1910.02054; Zhao et al. 2023, 2304.11277).

To the optimizer a rank's rows are one flat row like any other (`flat`). A checkpoint has a file for each rank, from
which any number of them goes on, cut or not. What is added up in float32 is added by the library, in an order that
depends on the number of ranks. All of them compute together: as many micro-batches each, and in an evaluation too.
"""

from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache, partial
from itertools import pairwise
from typing import Any, cast

import torch
from torch import Tensor, nn

from maskwright.errors import BadInput
from maskwright.objectives.tally import Tally
from maskwright.training.flat import FlatParameters, check_same
from maskwright.training.pretraining import Pretraining
from maskwright.training.ranks import Ranks
from maskwright.training.shards import Saved, taken


def cut(network: nn.Module, ranks: Ranks, device: torch.device, dtype: torch.dtype) -> None:
    """Leave each rank its rows of the network's parameters, on the device; fixed ones stay whole.

    dtype   that layers compute with: float32 or bfloat16

    BadInput for what is no pretraining of a network.
    """
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard, register_fsdp_forward_method

    if not isinstance(network, Pretraining):
        raise BadInput(
            "training.shard parameters cuts the networks of masked and causal pretraining, and this is none: leave it "
            "out, or take --training.shard optimizer"
        )
    _let_tallies_be_seen()
    fixed = {parameter for parameter in network.parameters() if not parameter.requires_grad}
    shard = partial(
        fully_shard,
        mesh=init_device_mesh(device.type, (ranks.size,)),
        mp_policy=MixedPrecisionPolicy(dtype, torch.float32, cast_forward_inputs=False),
        ignored_params=fixed,
    )
    for part in [*_repeated(network), network]:  # each is moved to the device, cut, and let go before the next
        whole: Any = shard(part)
        whole.set_gradient_divide_factor(1.0)  # sums, not means: the loss is divided by the counts of the whole step
        whole.set_force_sum_reduction_for_comms(True)
        if (every := getattr(whole, "set_reduce_scatter_unused_params", None)) is not None:
            every(True)  # torch 2.13: ranks exchange as much whatever has a gradient
    for parameter in fixed:
        parameter.data = parameter.data.to(device)
    register_fsdp_forward_method(network, "tallies")


def whole_at_once(network: nn.Module) -> int:
    """Of how many parameters a rank has all at some time: a layer, the next one, and what is outside of layers."""
    if not isinstance(network, Pretraining):
        return sum(parameter.numel() for parameter in network.parameters())
    sizes = [sum(parameter.numel() for parameter in part.parameters()) for part in [network, *_repeated(network)]]
    return sizes[0] - sum(sizes[1:]) + sum(sorted(sizes[1:])[-2:])


def is_cut(network: nn.Module) -> bool:
    """Whether this rank has rows of its parameters only."""
    return any(hasattr(parameter, "to_local") for parameter in network.parameters())


def own_part(tensor: Tensor) -> Tensor:
    """What this rank has of it, flat: of one that is not cut all."""
    local: Tensor = cast("Any", tensor).to_local() if hasattr(tensor, "to_local") else tensor
    return local.reshape(-1)


class FullySharded:
    """The parameters of a network that was cut, with the face of `FlatParameters`.

    row      this rank's rows of all of them, one after the other, float32
    sharers  all ranks
    """

    together = True
    """Whether ranks have to compute the same number of passes, each time."""

    def __init__(self, module: nn.Module, groups: Sequence[Sequence[str]], dtype: torch.dtype, ranks: Ranks) -> None:
        self.module, self.sharers = module, ranks
        self._parameters: dict[str, Any] = {n: p for n, p in module.named_parameters() if p.requires_grad}
        self._shapes = {name: parameter.shape for name, parameter in self._parameters.items()}
        self._own = _stand_in(module)
        self.row = FlatParameters(self._own, groups, torch.float32)
        for parameter in module.parameters():
            if not parameter.requires_grad:  # the row has what it is in full
                parameter.data = parameter.data.to(dtype)
        self.master, self.places, self.ranges = self.row.master, self.row.places, self.row.ranges
        self._whole: dict[str, Tensor] = {}
        self._share_memory()

    @property
    def gradient(self) -> Tensor:
        """Of this rank's rows, the sum of all ranks."""
        return self.row.gradient

    def collect(self, *, first: bool) -> None:
        """Nothing: the library has added what it summed to the row."""

    def settle(self) -> None:
        """See `FlatParameters.settle`."""
        self.row.settle()

    def sum_gradient(self, ranks: Ranks, *, as_tree: bool) -> None:
        """Nothing: it was summed on the way back."""

    def length(self) -> Tensor:
        """See `FlatParameters.length`: of all ranks' rows."""
        (square,) = self.sharers.sum_numbers([float(self.row.length()) ** 2], self.master.device)
        return torch.tensor(square**0.5, dtype=torch.float64)

    def shorten(self, norm: float, limit: float | None) -> None:
        """See `FlatParameters.shorten`."""
        self.row.shorten(norm, limit)

    def publish(self) -> None:
        """Let the network see what was moved, where it does not read the row itself; the gradient is spent."""
        self._begin()
        if self._beside:
            torch.ops.aten._foreach_copy_([theirs for theirs, _ in self._beside], [ours for _, ours in self._beside])

    @contextmanager
    def full_precision(self) -> Generator[None]:
        """The network is looked at in the precision of its training; what was gathered for it is let go."""
        try:
            yield
        finally:
            for part in self.module.modules():
                if hasattr(part, "reshard"):  # without a way back nothing else would
                    cast("Any", part).reshard()

    @contextmanager
    def gathered(self) -> Generator[None]:
        """Bring all parameters to the first rank, in its host's memory; all ranks do so together."""
        for name, shape in self._shapes.items():
            sizes = [stretch.stop - stretch.start for stretch in self._pieces(name)]
            whole = self.sharers.bring(self._own.get_parameter(name).detach(), sizes)
            if whole is not None:
                self._whole[name] = whole.view(shape).cpu()
        try:
            yield
        finally:
            self._whole = {}

    def tensors(self) -> dict[str, Tensor]:
        """Every parameter by name, within `gathered` on the first rank."""
        return {**self._whole, **{name: t for name, t in self.row.state().items() if name not in self.places}}

    def state(self) -> dict[str, Tensor]:
        """See `FlatParameters.state`: flat."""
        return self.row.state()

    def own(self, saved: Mapping[str, Saved]) -> dict[str, Tensor]:
        """See `FlatParameters.own`."""
        found: dict[str, Tensor] = {}
        for name, tensor in saved.items():
            if name in self._shapes:
                if (stretch := self._stretch(name)).start < stretch.stop:
                    part = taken(tensor, stretch, self._shapes[name])
                    found[name] = part.reshape(-1) if tensor.numel() == self._shapes[name].numel() else part
            elif isinstance(tensor, Tensor):
                found[name] = tensor
        return found

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """See `FlatParameters.load`."""
        self.sharers.each(lambda: check_same(self.state(), tensors))
        self.row.load(tensors)
        self.publish()

    def stretches(self, names: Sequence[str]) -> list[slice]:
        """Of the row that these parameters would make if they were whole, what is this rank's: a stretch of each."""
        found: list[slice] = []
        start = 0
        for name in names:
            own = self._stretch(name)
            found.append(slice(start + own.start, start + own.stop))
            start += self._shapes[name].numel()
        return found

    def shape(self, names: Sequence[str]) -> torch.Size:
        """Of that row."""
        return torch.Size([sum(self._shapes[name].numel() for name in names)])

    def _stretch(self, name: str) -> slice:
        """What of a parameter, flat, is this rank's."""
        own = self._pieces(name)[self.sharers.rank]
        assert own.stop - own.start == self._own.get_parameter(name).numel()
        return own

    def _pieces(self, name: str) -> list[slice]:
        """What of it is whose: the library gives each rank ceil(rows / ranks) rows, and the last ones what is left."""
        shape = self._shapes[name]
        rows, width = shape[0], shape[1:].numel()
        each = -(-rows // self.sharers.size)
        ends = [min(rank * each, rows) * width for rank in range(self.sharers.size + 1)]
        return [slice(*pair) for pair in pairwise(ends)]

    def _begin(self) -> None:
        """Empty the row for the gradients of a step; the library adds to what it finds."""
        self.row.gradient.zero_()
        for name, parameter in self._parameters.items():
            parameter.grad = self._gradients[name]

    def _share_memory(self) -> None:
        """Let the library's pieces be views of the row. Those that it fills up, to have all of one size, are not."""
        from torch.distributed.tensor import DTensor

        def of_the_library(parameter: Any, own: Tensor) -> Tensor:
            return DTensor.from_local(
                own.detach().view(parameter.detach().to_local().shape), parameter.device_mesh, parameter.placements,
                run_check=False, shape=parameter.shape, stride=parameter.stride(),
            )  # fmt: skip

        given = {name: of_the_library(p, self._own.get_parameter(name)) for name, p in self._parameters.items()}
        self._gradients = {name: of_the_library(p, self.row.gradient_of[name]) for name, p in self._parameters.items()}
        self.module.load_state_dict(given, strict=False, assign=True)
        self._parameters = {n: p for n, p in self.module.named_parameters() if p.requires_grad}
        self._begin()
        own = [(p.detach().to_local(), self._own.get_parameter(name).detach()) for name, p in self._parameters.items()]
        self._beside = [
            (theirs, ours.view(theirs.shape)) for theirs, ours in own if theirs.data_ptr() != ours.data_ptr()
        ]


def _repeated(network: Pretraining) -> Iterator[nn.Module]:
    """The layers; where some share weights (ALBERT) none, and all is whole at once."""
    layers = list(getattr(network.encoder, "layers", []))
    weights = [id(parameter) for layer in layers for parameter in layer.parameters()]
    yield from layers if len(set(weights)) == len(weights) else []


def _stand_in(module: nn.Module) -> nn.Module:
    """A module with this rank's part of each parameter, flat, under the same name; fixed ones are the same."""
    made = nn.Module()
    for name, parameter in module.named_parameters():
        *path, last = name.split(".")
        at = made
        for step in path:
            if not hasattr(at, step):
                at.add_module(step, nn.Module())
            at = at.get_submodule(step)
        part = nn.Parameter(own_part(parameter.detach())) if parameter.requires_grad else parameter
        at.register_parameter(last, part)
    return made


@cache  # a second time is refused
def _let_tallies_be_seen() -> None:
    """The library looks for tensors in what a network returns, to know when its turn comes on the way back."""
    torch.export.register_dataclass(Tally)
