"""The optimizers of the originals, over flat parameters.

    adamw    decoupled weight decay (Loshchilov and Hutter, 1711.05101), torch's own
    google   what BERT was trained with (google-research/bert `optimization.py`): Adam without bias
             correction, epsilon outside the root, decay inside the rate. Without the correction the
             first steps are longer: by 3.16 the very first
    muon     Jordan et al. 2024 (`muon`) on the matrices of the layers, adamw on the rest
    lamb     Adam whose update of each matrix is made as long as the matrix itself (You et al., 1904.00962,
             algorithm 2), for batches of thousands; biases and norms are moved by Adam alone
    google_lamb   the same without bias correction, as ALBERT was trained (google-research/ALBERT `lamb_optimizer.py`)
    adagrad  what ELMo was trained with (`adagrad`)

Which parameters decay is a rule and two explicit lists, `decay_lists`: matrices and tables do, biases
and norms do not. Any of them may move at a share of the rate (`training.depth`), each share a stretch of its own.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Literal

import torch
from pydantic import ConfigDict, Field
from torch import Tensor, nn

from maskwright.config import Config
from maskwright.errors import BadInput
from maskwright.training.adagrad import Adagrad
from maskwright.training.flat import FlatParameters, Part, check_same
from maskwright.training.fully_sharded import FullySharded, is_cut
from maskwright.training.muon import Muon
from maskwright.training.ranks import ALONE, Ranks
from maskwright.training.shards import GRAIN, Cut, Saved, Shards, pieces, taken
from maskwright.training.update_rules import AdamNumbers, AdamW, Google, Lamb
from maskwright.training.ways import Way, decay_lists, layer_matrices, ways

OptimizerName = Literal["adamw", "google", "muon", "lamb", "google_lamb", "adagrad"]


class OptimizerConfig(Config):
    """How weights are moved."""

    model_config = ConfigDict(allow_inf_nan=False)

    name: OptimizerName = "adamw"
    """adamw, google (BERT's own), muon (layers' matrices; adamw on the rest), lamb or google_lamb (large batches),
    adagrad (ELMo's own)."""
    rate: float = Field(default=1e-4, gt=0, le=1e30)
    """Peak learning rate."""
    beta1: float = Field(default=0.9, ge=0, lt=1)
    """Decay of the mean of gradients."""
    beta2: float = Field(default=0.999, ge=0, lt=1)
    """Decay of the mean of squared gradients."""
    epsilon: float = Field(default=1e-6, gt=0)
    """Added to the root of the squared gradients."""
    weight_decay: float = Field(default=0.01, ge=0)
    """Pull towards zero, in units of the rate; biases and norms are exempt."""
    matrix_rate: float = Field(default=0.02, gt=0, le=1e30)
    """Peak rate of muon, for the layers' matrices."""
    matrix_decay: float = Field(default=0.01, ge=0)
    """Weight decay of muon."""
    momentum: float = Field(default=0.95, ge=0, lt=1)
    """Momentum of muon (Nesterov)."""
    first_sum: float = Field(default=1.0, gt=0)
    """What adagrad's sum of squared gradients begins at."""


class Optimizer:
    """The optimizer of a run: one or two of the above over one `FlatParameters`, or a rank's piece of it."""

    def __init__(
        self,
        module: nn.Module,
        config: OptimizerConfig,
        dtype: torch.dtype,
        factors: Mapping[str, float] | None = None,
        ranks: Ranks = ALONE,
    ) -> None:
        """Lay out the parameters.

        factors   what the rate of a parameter is multiplied with, by name; 1 where none is named
        ranks     those that share master and state, see `shards`
        """
        self.rate = config.rate
        """Peak learning rate."""
        factors = factors or {}
        decayed, exempt = decay_lists(module)
        matrices = layer_matrices(module) if config.name == "muon" else []
        if config.name == "muon" and not matrices:
            raise BadInput("muon moves the layers' matrices, and this model has no layers: take adamw")
        decayed = [name for name in decayed if name not in set(matrices)]
        moved = ways(decayed, exempt, config.weight_decay, factors)
        as_one = config.name in ("lamb", "google_lamb")
        groups = [(matrices, True), *((way.names, way.shaped and as_one) for way in moved)]
        lists = [names for names, _ in groups]
        if is_cut(module):
            if matrices:
                raise BadInput("muon moves whole matrices, which training.shard parameters cuts: take shard optimizer")
            self.flat = FullySharded(module, lists, dtype, ranks)
        else:
            shards = Shards(pieces(list(_cuts(module, groups)), ranks.size), ranks)
            self.flat = FlatParameters(module, lists, dtype, shards)
        flat = self.flat.row
        self._names: dict[str, list[str]] = {}
        """The parameters that the state that is called so belongs to, where it is one row of several."""
        self._stretches: dict[str, list[slice]] = {}
        """What of that state, were it whole, is this rank's."""
        self._shapes: dict[str, torch.Size] = {}
        self.inner: dict[str, AdamW | Google | Lamb | Adagrad | Muon] = {}
        first = "adamw" if config.name == "muon" else config.name
        adam = AdamNumbers(config.rate, config.beta1, config.beta2, config.epsilon)
        parts = list(self._parts(first, zip(flat.ranges[1:], moved, strict=True)))
        if config.name == "google":
            self.inner[first] = Google(parts, adam)
        elif config.name == "adagrad":
            self.inner[first] = Adagrad(parts, rate=config.rate, begin=config.first_sum)
        elif as_one:
            blocks = [self._blocks(moved[part.place].names) if moved[part.place].shaped else [] for part in parts]
            self.inner[first] = Lamb(parts, blocks, adam, corrected=config.name == "lamb", sharers=self._across)
        elif parts:
            self.inner[first] = AdamW(parts, [flat.ranges[1 + part.place] for part in parts], adam)
        if config.name == "muon":
            if muon := self._muon(ways(matrices, [], config.matrix_decay, factors), config):
                self.inner["muon"] = muon

    def step(self, factor: float) -> None:
        """Move the master by one update at `factor` times the peak rates, and publish it."""
        found, flat = [*self.inner.values()], self.flat
        alone = isinstance(flat, FlatParameters) and flat.shards.whole
        if alone and flat.master.device.type == "cpu" and len(found) == 1 and isinstance(found[0], AdamW):
            found[0].step_in(flat.row, factor)
            return
        flat.settle()
        for inner in found:
            inner.step(factor)
        flat.publish()

    def tensors(self) -> dict[str, Tensor]:
        """The state by name, for a checkpoint; of what ranks share, this one's.

        Where parameters are cut, a rank's part of each has a name of its own, `STATE/PARAMETER`.
        """
        return {
            name: tensor
            for kind, inner in self.inner.items()
            for state, row in inner.tensors().items()
            for name, tensor in self._apart(f"{kind}.{state}", row)
        }

    def _apart(self, state: str, row: Tensor) -> Iterator[tuple[str, Tensor]]:
        if isinstance(self.flat, FlatParameters) or row.ndim == 0:
            yield state, row
            return
        names = self._names[state.rpartition(".")[0]]
        sizes = [(where := self.flat.places[name]).stop - where.start for name in names]
        yield from zip((f"{state}/{name}" for name in names), row.split(sizes), strict=True)

    def _together(self, saved: Mapping[str, Saved]) -> dict[str, Saved]:
        """The same with one row for each state, as they are where nothing is cut."""
        found = {name: tensor for name, tensor in saved.items() if "/" not in name}
        for state in dict.fromkeys(name.partition("/")[0] for name in saved if "/" in name):
            names = [f"{state}/{name}" for name in self._names.get(state.rpartition(".")[0], [])]
            if sorted(names) == sorted(name for name in saved if name.startswith(f"{state}/")):
                found[state] = Cut([saved[name] for name in names])
        return found

    def own(self, saved: Mapping[str, Saved]) -> dict[str, Tensor]:
        """Of the state that any number of ranks saved, what `tensors()` is here."""
        found: dict[str, Tensor] = {}
        for name, tensor in self._together(saved).items():
            of = name.rpartition(".")[0]
            whole = [slice(0, tensor.numel())]
            single = isinstance(tensor, Tensor) and tensor.ndim == 0
            if stretches := self._stretches.get(of, whole):
                shape = torch.Size([]) if single else self._shapes.get(of, torch.Size([tensor.numel()]))
                parts = [taken(tensor, stretch, shape) for stretch in (whole if single else stretches)]
                found[name] = parts[0] if len(parts) == 1 else torch.cat([part.reshape(-1) for part in parts])
        return found

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Take up what `tensors()` gave; MaskwrightError for the state of another optimizer."""
        self.flat.sharers.each(lambda: self._take_up(tensors))

    def _take_up(self, tensors: Mapping[str, Tensor]) -> None:
        of: dict[str, dict[str, Tensor]] = {kind: {} for kind in self.inner}
        for name, tensor in tensors.items():
            kind, _, rest = name.partition(".")
            if kind not in of:
                check_same({}, {name: tensor})
            of[kind][rest] = tensor
        for kind, inner in self.inner.items():
            inner.load(of[kind])

    def _own(self, state: str, where: slice, shape: torch.Size) -> slice | None:
        """The stretch of the row that this rank moves of `where`, whose state is called so."""
        stretch = self.flat.row.shards.stretch(where)
        self._stretches[state], self._shapes[state] = [] if stretch is None else [stretch], shape
        return stretch and slice(where.start + stretch.start, where.start + stretch.stop)

    def _parts(self, kind: str, moved: Iterable[tuple[slice, Way]]) -> Iterator[Part]:
        for place, (where, way) in enumerate(moved):
            state, flat = f"{kind}.{place}", self.flat
            self._names[state] = way.names
            if isinstance(flat, FullySharded):  # on every rank, were it empty: of matrices all add up the lengths
                own = where
                self._stretches[state], self._shapes[state] = flat.stretches(way.names), flat.shape(way.names)
            else:
                own = self._own(state, where, torch.Size([where.stop - where.start]))
            if own is not None:
                yield Part(self._leaf(own, torch.Size([own.stop - own.start])), way.decay, way.factor, place)

    def _blocks(self, names: Sequence[str]) -> list[int]:
        """Of each map among these parameters, how many numbers this rank moves; only of its own where none is cut."""
        if isinstance(self.flat, FlatParameters):
            return _own_blocks(self.flat, names)
        found: list[int] = []
        for name, stretch in ((name, self.flat.stretches([name])[0]) for name in names):
            size = self.flat.shape([name]).numel() // _maps(name)
            ends = [min(max(at * size, stretch.start), stretch.stop) for at in range(_maps(name) + 1)]
            found += [end - begin for begin, end in pairwise(ends)]
        return found

    @property
    def _across(self) -> Ranks:
        """The ranks among which a single map is cut."""
        return self.flat.sharers if isinstance(self.flat, FullySharded) else ALONE

    def _muon(self, moved: Iterable[Way], config: OptimizerConfig) -> Muon | None:
        parts: list[Part] = []
        maps = ((way, where, shape) for way in moved for where, shape in _maps_of(self.flat.row, way.names))
        for place, (way, where, shape) in enumerate(maps):
            if (own := self._own(f"muon.{place}", where, shape)) is not None:
                parts.append(Part(self._leaf(own, shape), way.decay, way.factor, place))
        return Muon(parts, rate=config.matrix_rate, momentum=config.momentum) if parts else None

    def _leaf(self, where: slice, shape: torch.Size) -> Tensor:
        """A view of the master that torch's optimizers take for a parameter, its gradient in place."""
        first = self.flat.row.shards.own.start
        leaf = self.flat.master[where.start - first : where.stop - first].detach().view(shape)
        leaf.grad = self.flat.gradient[where].view(shape)
        return leaf


def _maps(name: str) -> int:
    """How many maps a matrix holds: query, key and value lie together, but each is one by itself."""
    return 3 if name.endswith("query_key_value.weight") else 1


def _maps_of(flat: FlatParameters, names: Sequence[str]) -> Iterator[tuple[slice, torch.Size]]:
    """Where the maps of some matrices lie in the row, and their shape."""
    for name in names:
        rows, columns = flat.gradient_of[name].flatten(1).shape
        size = rows // _maps(name) * columns
        for start in range(flat.places[name].start, flat.places[name].stop, size):
            yield slice(start, start + size), torch.Size([rows // _maps(name), columns])


def _own_blocks(flat: FlatParameters, names: Sequence[str]) -> list[int]:
    """The sizes of those maps that this rank moves."""
    return [where.stop - where.start for where, _ in _maps_of(flat, names) if flat.shards.stretch(where) is not None]


def _cuts(module: nn.Module, groups: Sequence[tuple[Sequence[str], bool]]) -> Iterator[range]:
    """Where the row of these parameters may be cut between ranks, see `shards.pieces`.

    groups   names that follow one another, and whether a map among them stays in one piece
    """
    start = 0
    for names, as_one in groups:
        sizes = [module.get_parameter(name).numel() for name in names]
        for name, size in zip(names, sizes, strict=True) if as_one else ():
            yield range(start, start + size, size // _maps(name))
            start += size
        if names and not as_one:
            yield range(start, start + sum(sizes), GRAIN)
            start += sum(sizes)
