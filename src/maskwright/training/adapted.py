"""A task learned by an adapter and a head, on an encoder that stays as it is; see `layers.low_rank`.

Several of them can share one encoder: each makes the weights that it computes with for itself, a batch at a time.
"""

from copy import deepcopy

import torch
from torch import Tensor, nn
from torch.func import functional_call

from maskwright.batch import Batch
from maskwright.errors import BadInput
from maskwright.layers.dropout import DropoutStream
from maskwright.layers.initial import start
from maskwright.layers.low_rank import LoraConfig, LowRank
from maskwright.layers.weight_names import WeightName, prefixed
from maskwright.models import published
from maskwright.objectives.tally import Tally
from maskwright.training.finetuning import TASK, Finetuning

GIVEN = "inner.encoder."
"""How the names of the encoder's parameters begin."""


class Adapted(nn.Module):
    """A `Finetuning` whose encoder is changed on the way.

    pooler   where the head reads through one it is the head's own, begun as the encoder's; else None
    """

    def __init__(self, inner: Finetuning, config: LoraConfig) -> None:
        super().__init__()
        self.inner = inner
        encoder = inner.encoder.requires_grad_(False)
        self.pooler = deepcopy(encoder.pooler).requires_grad_() if inner.head.pools and encoder.pooler else None
        try:
            self.adapter = LowRank(encoder, encoder.weight_names(), config)
        except ValueError:
            raise BadInput(
                f"{published(encoder.config.model_type).name} has none of the maps {', '.join(config.targets)}: LoRA "
                "changes plain linear maps of layers; take other lora.targets, or another encoder"
            ) from None

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return self.inner.device

    @property
    def given(self) -> frozenset[str]:
        """The parameters that are read again where they came from, and saved in no checkpoint."""
        return frozenset(name for name, _ in self.named_parameters() if name.startswith(GIVEN))

    def scores(self, batch: Batch, stream: DropoutStream | None = None) -> Tensor:
        """See `Finetuning.scores`."""
        # layers that share weights share modules: exchanged once, and under each name they would not come back
        return functional_call(self.inner, self.changed(), (batch, stream), tie_weights=False)

    def best(self, scores: Tensor, batch: Batch) -> Tensor:
        """See `Finetuning.best`."""
        return self.inner.best(scores, batch)

    def counts(self, batch: Batch) -> dict[str, float]:
        """See `Finetuning.counts`."""
        return self.inner.counts(batch)

    def tallies(self, batch: Batch, stream: DropoutStream | None = None) -> dict[str, Tally]:
        """The loss and hits of the batch's labels."""
        return self.tallied(self.scores(batch, stream), batch)

    def tallied(self, scores: Tensor, batch: Batch) -> dict[str, Tally]:
        """See `Finetuning.tallied`."""
        return {TASK: self.inner.head.tally(scores, batch)}

    def initialise(self, deviation: float, seed: int, *, pooler: bool = False, cut: bool = True) -> None:
        """Start adapter and head.

        pooler   the encoder came without a pooler, so one begins here; else it begins as the encoder's
        cut      of the head, see `start`
        """
        self.adapter.initialise(seed)
        self.inner.initialise_head(deviation, seed, cut=cut)
        if self.pooler is not None and self.inner.encoder.pooler is not None:
            self.pooler.load_state_dict(self.inner.encoder.pooler.state_dict())
            if pooler:
                start(self.pooler, deviation, seed, cut=cut)

    def changed(self) -> dict[str, Tensor]:
        """What `inner` computes with in place of parameters of its own, by their names there."""
        found = {f"encoder.{name}": weight for name, weight in self.adapter.merged(self.inner.encoder).items()}
        if self.pooler is not None:
            found |= {f"encoder.pooler.{name}": weight for name, weight in self.pooler.named_parameters()}
        return found

    def weight_names(self) -> list[WeightName]:
        """Of `merged`."""
        return self.inner.weight_names()

    def kept(self) -> tuple[list[WeightName], dict[str, Tensor]]:
        """What is saved whole beside A and B, the head and its pooler: published names beside ours, and these."""
        names = [name for name in self.inner.encoder_names() if name.ours.startswith("encoder.pooler.")]
        names = names if self.pooler is not None else []
        parameters: dict[str, Tensor] = {f"head.{name}": tensor for name, tensor in self.inner.head.named_parameters()}
        if self.pooler is not None:
            parameters |= {f"encoder.pooler.{name}": tensor for name, tensor in self.pooler.named_parameters()}
        return [*names, *prefixed(self.inner.head.weight_names, "head.", "")], parameters

    def merged(self) -> dict[str, Tensor]:
        """All that `inner` computes with, by our names: a plain model that gives the same."""
        return {**dict(self.inner.named_parameters()), **self.changed()}
