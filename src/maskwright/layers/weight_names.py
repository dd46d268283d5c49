"""Published names beside ours: a reversible table, one per network and per head."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from torch import Tensor

from maskwright.layers.summary import Summary


@dataclass(frozen=True, slots=True)
class WeightName:
    """One of our parameters, and the published tensors that it holds stacked along the first axis.

    A parameter that others keep several times has several entries. `transposed` ones are published (in, out), as
    TensorFlow has them, and stacked along that second axis.
    """

    ours: str
    published: tuple[str, ...]
    transposed: bool = False

    def parts(self, parameter: Tensor) -> dict[str, Tensor]:
        """Published name -> the part of our parameter that it is: views of it.

        >>> import torch
        >>> WeightName("qk", ("query", "key")).parts(torch.arange(4))["key"].tolist()
        [2, 3]
        """
        chunks = parameter.chunk(len(self.published))
        return dict(zip(self.published, [c.t() for c in chunks] if self.transposed else chunks, strict=True))


@dataclass(frozen=True, kw_only=True)
class Published:
    """How others publish a network, beside the names of its encoder's tensors.

    name            what it is called, for messages: "BERT"
    paper           where it comes from: "arXiv 1810.04805"
    prefix          of the encoder's tensors in classes with heads: "bert."
    heads           published beginning of a head's tensors -> its name here, as in `metrics.jsonl`
    head_names      how BERT's names of a head's tensors begin -> how this network's do; a head that is not
                    among them is published by nobody
    always          heads that have no tensor of their own, and so are always there
    classes         heads -> the class of `transformers` that has exactly these; the last one has none
    has_pooler      whether the network has one
    without_pooler  classes that have no pooler, though the network has one
    tied            tensors that are copies -> what they are copies of
    keys            our field of the configuration -> the key in config.json, where they differ
    old_keys        our field -> a key that older files have for it
    absent          what `transformers` takes for a key that config.json lacks, where our field's default is another
    summary         how a sequence becomes one vector for a task
    tasks           the beginning of a class's name that ends in ForSequenceClassification or the like: "Bert"
    wanted          keys of config.json that must have this value, or be absent, for it to be this network
    """

    name: str
    paper: str
    prefix: str
    heads: Mapping[str, str]
    head_names: Mapping[str, str]
    always: tuple[str, ...] = ()
    classes: Mapping[tuple[str, ...], str]
    has_pooler: bool = True
    without_pooler: frozenset[str] = frozenset()
    tied: Mapping[str, str]
    summary: Summary
    tasks: str
    keys: Mapping[str, str] = field(default_factory=dict[str, str])
    old_keys: Mapping[str, str] = field(default_factory=dict[str, str])
    absent: Mapping[str, Any] = field(default_factory=dict[str, Any])
    wanted: Mapping[str, object] = field(default_factory=dict[str, object])


def weight_and_bias(ours: str, *published: str) -> list[WeightName]:
    """The two entries of a linear map or a norm."""
    return [WeightName(f"{ours}.{kind}", tuple(f"{name}.{kind}" for name in published)) for kind in ("weight", "bias")]


def prefixed(names: Sequence[WeightName], ours: str, published: str) -> list[WeightName]:
    """The table of a part, as it stands inside a larger model."""
    return [
        replace(name, ours=ours + name.ours, published=tuple(published + there for there in name.published))
        for name in names
    ]


def renamed(names: Sequence[WeightName], beginnings: Mapping[str, str]) -> list[WeightName]:
    """The table under other published names; what begins with none of `beginnings` is left out.

    >>> table = renamed([WeightName("bias", ("cls.bias",)), WeightName("x", ("y",))], {"cls.": "lm_head."})
    >>> [(name.ours, name.published) for name in table]
    [('bias', ('lm_head.bias',))]
    """
    table: list[WeightName] = []
    for name in names:
        there = tuple(
            new + one.removeprefix(old)
            for one in name.published
            for old, new in beginnings.items()
            if one.startswith(old)
        )
        if there:
            table.append(replace(name, published=there))
    return table
