"""A Transformer that is fine-tuned: all networks of `models` but ELMo."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from maskwright.checkpoints.folder import read_folder
from maskwright.checkpoints.task_part import head_class
from maskwright.models import published
from maskwright.tasks.above import is_composite, write_finished
from maskwright.tasks.encoders import Above
from maskwright.tasks.inputs import transformer_inputs
from maskwright.tokenizers.loading import load_tokenizer
from maskwright.training.finetuning import Finetuning, finetuning


class TransformerStart:
    """See `Starting`."""

    separate = False

    def __init__(self, path: str) -> None:
        """BadInput in one line for a folder that is not whole or holds something else."""
        self.folder, self.tokenizer = read_folder(path), load_tokenizer(path)
        self.config = self.folder.config
        self.inputs = transformer_inputs(self.config, self.tokenizer)
        self.longest = self.config.longest

    def refuse(self, above: Above) -> None:
        """See `Starting.refuse`."""
        if not is_composite(self.config, above.part, above.features):
            head_class(published(self.config.model_type), above.part.asks)  # there is one, or nothing is learned
        finetuning(self.config, above.part, 0, "meta", features=above.features)  # says what does not go together

    def network(self, above: Above, rate: float, may_follow: Tensor | None = None) -> Finetuning:
        """See `Starting.network`."""
        return finetuning(self.config, above.part, rate, features=above.features, may_follow=may_follow)

    def fill(self, network: Finetuning, seed: int, *, cut: bool = True) -> None:
        """A pooler that the folder lacks is started as the head is."""
        found = self.folder.of_encoder()
        found.fill(network.encoder_names(), network)
        network.initialise_head(self.config.initializer_range, seed, pooler=not found.has_pooler, cut=cut)

    def write(
        self, path: Path, network: Finetuning, parameters: Mapping[str, Tensor], above: Above, facts: Mapping[str, Any]
    ) -> None:
        """See `Starting.write`."""
        part, features, pooler = above.part, above.features, self.folder.has_pooler
        write_finished(path, network, part, features, parameters, self.tokenizer, facts, pooler=pooler)
