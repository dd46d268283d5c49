"""What stands above an encoder where no class of `transformers` has it: two files beside the encoder's own.

    config.json  model.safetensors ...   the encoder's folder, as it is written without a task: others load the encoder
    task.json                            what is asked, the labels, and what stands above
    task.safetensors                     its tensors, by our own names

Of any kind of encoder. Read with a closed schema, and nothing is allocated before shapes were compared.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import Field
from torch import Tensor, nn

from maskwright.checkpoints.config_file import CONFIG, read_json
from maskwright.checkpoints.folder import write_folder
from maskwright.checkpoints.published_weights import check_shape, copy_values, tensors_of
from maskwright.checkpoints.task_part import MOST_LABELS, OF_TOKENS, TaskPart
from maskwright.checkpoints.tensor_file import num_bytes, write_tensors
from maskwright.config import Config, checked, plain
from maskwright.durable import check_space
from maskwright.errors import BadInput
from maskwright.layers.features import FeaturesConfig
from maskwright.layers.weight_names import WeightName, prefixed
from maskwright.models import ModelConfig
from maskwright.objectives.sequence_scores import Asks
from maskwright.tokenizers.tokenizer import Tokenizer

TASK, TASK_WEIGHTS = "task.json", "task.safetensors"
ENCODER = "encoder."
"""How the names of the encoder's own parameters begin, in the module that holds both."""


class TaskFile(Config):
    """task.json."""

    asks: Asks
    """What is asked."""
    labels: tuple[str, ...] = Field(max_length=MOST_LABELS)
    """Names of the answers, in the order of the scores."""
    features: FeaturesConfig = FeaturesConfig()
    """What is read of the encoder, and what stands above it."""
    pairs: bool = False
    """Texts are asked about two by two, each read by itself; of an encoder that reads pairs it is never so."""

    @property
    def part(self) -> TaskPart:
        """What the model answers."""
        return TaskPart(self.asks, self.labels)

    @property
    def described(self) -> str:
        """What stands above, in words."""
        layers = {
            "last": "its last layer",
            "sum_last_four": "the sum of its last four layers",
            "concat_last_four": "its last four layers beside each other",
            "mix": "a learned mix of all its layers",
        }[self.features.layers]
        above = {"linear": "a linear map", "crf": "a CRF", "bilstm": "a BiLSTM", "bilstm_crf": "a BiLSTM and a CRF"}
        asked = {"class": "classes", "classes": "classes", "number": "a number", "words": "words of Chinese"}
        given = "tags of words" if self.asks == "tags" else asked.get(self.asks, self.asks)
        trained = "It was left as it was" if self.features.frozen else "It was trained further"
        return (
            f"{trained}; {above[self.features.top]} on {layers} gives {given} ({TASK}, {TASK_WEIGHTS}). "
            "maskwright loads both, and other libraries the encoder alone."
        )

    @property
    def example(self) -> str:
        """A line that asks it."""
        face = 'tag([["some", "words"]])' if self.asks == "tags" else 'predict(["a text", "another"])'
        return f"answers = encoder.{'segment([text])' if self.asks == 'words' else face}"


def write_task(folder: Path, task: TaskFile, tensors: Mapping[str, Tensor]) -> None:
    """Write both files into a folder that is being made.

    tensors   of what stands above, see `above`
    """
    (folder / TASK).write_text(json.dumps(plain(task), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    kept = {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in tensors.items()}
    write_tensors(folder / TASK_WEIGHTS, kept, {"format": "pt"})


def write_composite(
    path: str | Path,
    task: TaskFile,
    module: nn.Module,
    *,
    names: Sequence[WeightName],
    parameters: Mapping[str, Tensor],
    config: ModelConfig,
    tokenizer: Tokenizer,
    facts: Mapping[str, Any],
    replace: bool = False,
) -> Path:
    """Write the folder of a Transformer and what stands above it, durably; returns its path.

    module       holds both, the Transformer as `encoder`
    names        the Transformer's table of names, without a prefix on either side (`Network.weight_names()`)
    parameters   by the module's names
    replace      exchange what is at `path` for the new folder, in one step
    """
    tensors = above(module, parameters)
    check_space(Path(path).parent, num_bytes(tensors))
    return write_folder(
        path,
        names=prefixed(names, ENCODER, ""),
        parameters=parameters,
        config=config,
        tokenizer=tokenizer,
        facts=facts,
        above=task,
        replace=replace,
        before_done=lambda folder: write_task(folder, task, tensors),
    )


def above(module: nn.Module, parameters: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """All that a module has beside its encoder: parameters, and what else is a part of it (buffers).

    parameters   by name, in full precision
    """
    there = {**parameters, **dict(module.named_buffers())}
    return {name: tensor for name, tensor in there.items() if not name.startswith(ENCODER)}


def read_task_file(folder: Path) -> TaskFile | None:
    """task.json of a folder; None where there is none. BadInput names a key that is wrong."""
    if not (folder / TASK).is_file():
        return None
    task = checked(TaskFile, read_json(folder / TASK), str(folder / TASK))
    if not task.labels:
        raise BadInput(f"{folder / TASK}: labels is empty: the names of the answers were expected")
    if task.features.has_crf and task.asks not in OF_TOKENS:
        raise BadInput(f"{folder / TASK}: features.top is {task.features.top}, and {task.asks} has no tags to join")
    return task


def check_task(folder: Path, module: nn.Module) -> None:
    """Compare names, shapes and types of task.safetensors with a module's, which may be on the device "meta".

    BadInput names the first tensor that is missing, out of place, or of another shape or type.
    """
    found = {stored.name: stored for stored in tensors_of(folder / TASK_WEIGHTS)}
    wanted = _wanted(module)
    where = folder / TASK_WEIGHTS
    for name in (*wanted, *found):
        if name not in found:
            raise BadInput(f"{where}: the tensor {name} is missing, and {TASK} asks for it")
        if name not in wanted:
            raise BadInput(f"{where}: the tensor {name} has no place in what {TASK} describes")
        floats = wanted[name].is_floating_point()
        if (found[name].dtype not in ("F64", "F32", "F16", "BF16")) if floats else found[name].dtype != "BOOL":
            wish = "numbers with a point were" if floats else "BOOL was"
            raise BadInput(f"{where}: {name} is {found[name].dtype}: {wish} expected")
        check_shape(found[name], wanted[name], TASK)


def fill_task(folder: Path, module: nn.Module) -> None:
    """Read the values into a module, after `check_task`."""
    check_task(folder, module)
    found = {stored.name: stored for stored in tensors_of(folder / TASK_WEIGHTS)}
    for name, part in _wanted(module).items():
        copy_values(found[name], part)


def _wanted(module: nn.Module) -> dict[str, Tensor]:
    return above(module, {name: parameter.detach() for name, parameter in module.named_parameters()})


def one_task(folder: Path, said: TaskPart | None, above: TaskFile | None) -> TaskPart:
    """The task of a folder, from config.json or task.json; BadInput where both have one."""
    if said is not None and above is not None:
        raise BadInput(f"{folder}: {CONFIG} has a head of a task, and {TASK} another: remove the one that is not meant")
    found = above.part if above is not None else said
    assert found is not None
    return found
