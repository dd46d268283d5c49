"""An adapter in a fine-tuning: what it can be asked, its network, and the folder that is left."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import cast

from maskwright.batch import Batch
from maskwright.checkpoints.adapter_folder import fingerprint, write_adapter
from maskwright.checkpoints.task_part import TaskPart
from maskwright.errors import BadInput
from maskwright.layers.features import FeaturesConfig
from maskwright.layers.low_rank import LoraConfig
from maskwright.layers.recompute import Recompute
from maskwright.models import ModelConfig
from maskwright.objectives.text_vectors import SimilarityConfig
from maskwright.training.adapted import Adapted
from maskwright.training.depth import LayersConfig
from maskwright.training.finetuning import Finetuning
from maskwright.training.work import Judge


class AdaptedWork:
    """Network and data, as the loop takes them (`training.work.Work`)."""

    def __init__(
        self,
        network: Adapted,
        batches: Callable[[int], Sequence[Batch]],
        held_out: Callable[[], Iterator[Batch]],
        judge: Judge,
    ) -> None:
        self.module, self.judge = network, judge
        self._batches, self.held_out = batches, held_out
        self.counts, self.tallies = network.counts, network.tallies

    def batches(self, step: int) -> Sequence[Batch]:
        """The micro-batches of a step."""
        return self._batches(step)


def refuse_adapter(
    similarity: SimilarityConfig | None, features: FeaturesConfig, layers: LayersConfig, recompute: Recompute
) -> None:
    """BadInput where what is asked for needs more than an adapter and a published head."""
    if similarity is not None:
        raise BadInput("similarity leaves a folder for sentence-transformers, an encoder of its own: leave lora off")
    if features != FeaturesConfig():
        raise BadInput("an adapter goes with the published heads on the last layer: leave features off, or lora")
    if layers != LayersConfig():
        raise BadInput("an adapter leaves all layers of the encoder as they are: leave the keys of layers off, or lora")
    if recompute != "none":
        raise BadInput(f"weights of an adapter are gone when training.recompute {recompute} asks again: take none")


def adapted(
    network: Finetuning, lora: LoraConfig, deviation: float, seed: int, *, pooler: bool, cut: bool = True
) -> Adapted:
    """The network with its encoder filled, and an adapter and a head as they begin.

    pooler   its encoder came with one
    cut      of the head, see `layers.initial.start`
    """
    made = Adapted(network, lora)
    made.initialise(deviation, seed, pooler=not pooler, cut=cut)
    return made


def write(path: Path, made: Adapted, part: TaskPart, base: str) -> None:
    """Write the adapter's folder at `path`, in place of what is there.

    base   the encoder's folder
    """
    encoder = made.inner.encoder
    config, mark = cast("ModelConfig", encoder.config), fingerprint(encoder)
    where = str(Path(base).resolve())
    write_adapter(path, made.adapter, *made.kept(), config, part, base=where, encoder=mark)
