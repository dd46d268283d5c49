"""An ELMo that is fine-tuned, or read as it is: its folder in, and out with task.json and task.safetensors beside."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from maskwright.checkpoints.elmo_folder import read_elmo, write_elmo
from maskwright.checkpoints.task_folder import ENCODER, write_task
from maskwright.checkpoints.task_folder import above as tensors_above
from maskwright.tasks.elmo_inputs import ElmoInputs
from maskwright.tasks.encoders import Above
from maskwright.tokenizers.loading import load_tokenizer
from maskwright.training.finetuning import Finetuning
from maskwright.training.word_finetuning import DEVIATION, word_finetuning


class ElmoStart:
    """See `Starting`."""

    separate = True

    def __init__(self, path: str) -> None:
        """BadInput in one line for a folder that is not whole or holds something else."""
        self.folder, self.tokenizer = read_elmo(path).of_encoder(), load_tokenizer(path)
        self.inputs = ElmoInputs(self.folder.config, self.tokenizer)
        self.longest = self.folder.config.longest

    def refuse(self, above: Above) -> None:
        """See `Starting.refuse`."""
        word_finetuning(self.folder.config, above.file, 0, "meta")

    def network(self, above: Above, rate: float, may_follow: Tensor | None = None) -> Finetuning:
        """See `Starting.network`."""
        return word_finetuning(self.folder.config, above.file, rate, may_follow=may_follow)

    def fill(self, network: Finetuning, seed: int, *, cut: bool = True) -> None:
        """The softmax over words is left behind: no task asks for it."""
        self.folder.fill(network.encoder)
        network.initialise_head(DEVIATION, seed, cut=cut)

    def write(
        self, path: Path, network: Finetuning, parameters: Mapping[str, Tensor], above: Above, facts: Mapping[str, Any]
    ) -> None:
        """See `Starting.write`."""
        own = {name: part for name, part in parameters.items() if name.startswith(ENCODER)}
        write_elmo(
            path,
            config=self.folder.config,
            parameters=own,
            tokenizer=self.tokenizer,
            facts=facts,
            replace=True,
            above=above.file,
            before_done=lambda folder: write_task(folder, above.file, tensors_above(network, parameters)),
        )
