"""A table of vectors that is fine-tuned, or read as it is: its folder in, and out with a task's two files beside."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from torch import Tensor

from maskwright.checkpoints.static_folder import read_static_folder
from maskwright.checkpoints.task_folder import ENCODER, write_task
from maskwright.checkpoints.task_folder import above as tensors_above
from maskwright.tasks.encoders import Above
from maskwright.tasks.table_inputs import TableInputs
from maskwright.tokenizers.loading import load_tokenizer
from maskwright.training.finetuning import Finetuning
from maskwright.training.vector_table import VectorTable
from maskwright.training.word2vec import TableConfig, table_shapes
from maskwright.training.word2vec_recipe import write_table
from maskwright.training.word_finetuning import DEVIATION, word_finetuning


class TableStart:
    """See `Starting`."""

    separate = True

    def __init__(self, path: str) -> None:
        """BadInput in one line for a folder that is not whole or holds something else."""
        self.config, self._tensors = read_static_folder(Path(path), TableConfig, table_shapes)
        self.tokenizer = load_tokenizer(path)
        self.inputs = TableInputs(self.tokenizer)
        self.longest = self.config.longest

    def refuse(self, above: Above) -> None:
        """See `Starting.refuse`."""
        word_finetuning(self.config, above.file, 0, "meta")

    def network(self, above: Above, rate: float, may_follow: Tensor | None = None) -> Finetuning:
        """Which tokens have a vector is known from the beginning: no checkpoint holds it."""
        made = word_finetuning(self.config, above.file, rate, may_follow=may_follow)
        cast("VectorTable", made.encoder).take(self._tensors)
        return made

    def fill(self, network: Finetuning, seed: int, *, cut: bool = True) -> None:
        """The vectors are there already."""
        network.initialise_head(DEVIATION, seed, cut=cut)

    def write(
        self, path: Path, network: Finetuning, parameters: Mapping[str, Tensor], above: Above, facts: Mapping[str, Any]
    ) -> None:
        """See `Starting.write`."""
        write_table(
            path,
            self.config,
            parameters[f"{ENCODER}vectors"].float().cpu().numpy(),
            self._tensors["counts"].numpy(),
            self.tokenizer,
            facts,
            above=above.file,
            before_done=lambda folder: write_task(folder, above.file, tensors_above(network, parameters)),
        )
