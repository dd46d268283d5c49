"""The kinds of encoders that are fine-tuned by the loop, each a file: from its folder, to a folder with a task."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from torch import Tensor

from maskwright.checkpoints.task_folder import TaskFile
from maskwright.checkpoints.task_part import TaskPart
from maskwright.layers.features import FeaturesConfig
from maskwright.tasks.inputs import Inputs
from maskwright.tokenizers.tokenizer import Tokenizer
from maskwright.training.finetuning import Finetuning


class Above(NamedTuple):
    """What is to stand above an encoder.

    pairs   texts are asked about two by two, each read by itself
    """

    part: TaskPart
    features: FeaturesConfig
    pairs: bool = False

    @property
    def file(self) -> TaskFile:
        """What task.json says of it."""
        return TaskFile(asks=self.part.asks, labels=self.part.labels, features=self.features, pairs=self.pairs)


class Starting(Protocol):
    """An encoder in its folder, before it is fine-tuned."""

    @property
    def tokenizer(self) -> Tokenizer:
        """Its own."""
        ...

    @property
    def inputs(self) -> Inputs:
        """How it reads."""
        ...

    @property
    def separate(self) -> bool:
        """Whether the texts of a pair are read each by itself."""
        ...

    @property
    def longest(self) -> int:
        """The most tokens that a sequence may have."""
        ...

    def refuse(self, above: Above) -> None:
        """BadInput for what cannot stand above it."""
        ...

    def network(self, above: Above, rate: float, may_follow: Tensor | None = None) -> Finetuning:
        """The encoder with what stands above it, its weights not yet set.

        rate         what is dropped out of the head's input in training
        may_follow   of a CRF, see `layers.crf`
        """
        ...

    def fill(self, network: Finetuning, seed: int, *, cut: bool = True) -> None:
        """Set the encoder's weights to those in the folder, and start what stands above.

        cut   see `layers.initial.start`
        """
        ...

    def write(
        self, path: Path, network: Finetuning, parameters: Mapping[str, Tensor], above: Above, facts: Mapping[str, Any]
    ) -> None:
        """Write the finished model in place of what is at `path`.

        parameters   of the network, in full precision
        facts        what the model card tells of the training
        """
        ...
