"""Changes of low rank to the linear maps of an encoder that stays as it is: LoRA.

Hu et al. 2021 (arXiv 2106.09685), section 4.1: a map W (out, in) computes as W + (alpha / r) B A, with A (r, in) drawn
and B (out, r) zero at the beginning, so that nothing is changed at first. A and B alone are trained.

Here W + (alpha / r) B A is made once for each batch, of T tokens, and every layer reads it as it reads W. That equals
two thin maps beside W to the last bits of rounding, costs r / T of what the map itself costs, and touches no layer.
What it cannot do is the paper's optional dropout between x and A, so there is none; and the gradient of the whole
matrix is computed on its way to A and B, so a step costs about what it costs without an adapter: what is saved is the
optimizer's state, and the size of checkpoints and of what is kept for each task.

A map is what a published tensor holds. Query, key and value are maps of their own, though they lie in one matrix here;
in GPT they are published as one, and are changed as one where any of them is named. XLNet's attention has no plain
maps.
"""

import math
import re
from collections.abc import Sequence
from typing import Literal, NamedTuple

import torch
from pydantic import Field
from torch import Tensor, nn

from maskwright.config import Config
from maskwright.draws import generator
from maskwright.layers.weight_names import WeightName

Target = Literal["query", "key", "value", "attention_output", "intermediate", "output"]
STACKED: tuple[Target, ...] = ("query", "key", "value")
LAYER = re.compile(r"layers\.\d+\.(query_key_value|attention_output|intermediate|output)\.weight")


class LoraConfig(Config):
    """Which maps are changed, and how far."""

    rank: int = Field(default=8, ge=1, le=1024)
    """r."""
    alpha: float = Field(default=16.0, gt=0, allow_inf_nan=False)
    """B A counts alpha / r times."""
    targets: tuple[Target, ...] = Field(default=("query", "value"), min_length=1)
    """Of each layer: query, key, value, attention_output, intermediate, output."""


class Change(NamedTuple):
    """One map with its A and B.

    ours       the parameter that the map lies in
    place      which part of it, of how many along the first axis
    published  the name of its tensor, without ".weight"
    """

    ours: str
    place: int
    parts: int
    published: str

    @property
    def key(self) -> str:
        """What its A and B are called among parameters, whose names hold no dots."""
        return self.published.replace(".", "/")


class LowRank(nn.Module):
    """A and B of every chosen map of a network."""

    def __init__(self, network: nn.Module, names: Sequence[WeightName], config: LoraConfig) -> None:
        """names   the network's table, `Network.weight_names()`. ValueError where none of its maps is chosen."""
        super().__init__()
        self.config = config
        self.changes = [change for name in names for change in _chosen(name, config.targets)]
        if not self.changes:
            raise ValueError("there is no such map in this network")
        self.a, self.b = nn.ParameterDict(), nn.ParameterDict()
        for change in self.changes:
            weight = network.get_parameter(change.ours)
            self.a[change.key] = nn.Parameter(weight.new_zeros(config.rank, weight.shape[1]))
            self.b[change.key] = nn.Parameter(weight.new_zeros(weight.shape[0] // change.parts, config.rank))

    @torch.no_grad()
    def initialise(self, seed: int) -> None:
        """A is uniform with a variance of 1 / (3 in), as in `peft`; B is zero."""
        for change in self.changes:
            a = self.a[change.key]
            drawn = generator(seed, "lora", change.published).uniform(-1, 1, tuple(a.shape)) / math.sqrt(a.shape[1])
            a.copy_(torch.from_numpy(drawn))
            self.b[change.key].zero_()

    def merged(self, network: nn.Module) -> dict[str, Tensor]:
        """W + (alpha / r) B A of every parameter that is changed, by its name in the network."""
        scale = self.config.alpha / self.config.rank
        parts: dict[str, list[Tensor]] = {}
        for change in self.changes:
            chunks = parts.setdefault(change.ours, list(network.get_parameter(change.ours).chunk(change.parts)))
            b, a = self.b[change.key], self.a[change.key]
            chunks[change.place] = torch.addmm(chunks[change.place], b, a, alpha=scale)
        return {name: chunks[0] if len(chunks) == 1 else torch.cat(chunks) for name, chunks in parts.items()}

    @torch.no_grad()
    def merge(self, network: nn.Module) -> None:
        """Make the network's own weights what `merged` says."""
        for name, weight in self.merged(network).items():
            network.get_parameter(name).copy_(weight)


def _chosen(name: WeightName, targets: Sequence[Target]) -> list[Change]:
    if not (found := LAYER.fullmatch(name.ours)):
        return []
    there = [published.removesuffix(".weight") for published in name.published]
    if found[1] != "query_key_value":
        return [Change(name.ours, 0, 1, there[0])] if found[1] in targets else []
    if len(there) == 1:
        return [Change(name.ours, 0, 1, there[0])] if set(STACKED) & set(targets) else []
    return [Change(name.ours, i, len(there), there[i]) for i, part in enumerate(STACKED) if part in targets]
