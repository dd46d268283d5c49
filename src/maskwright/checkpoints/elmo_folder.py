"""Folders of an ELMo, out and in. No class of `transformers` is one, so names and settings are our own.

    config.json  model.safetensors  README.md  and the tokenizer's files

A folder is written whole or not at all. One without the softmax, as allennlp's models are, predicts no words.
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor, nn

from maskwright.checkpoints.card import Above, static_card
from maskwright.checkpoints.config_file import CONFIG, read_json
from maskwright.checkpoints.published_weights import WEIGHTS, Stored, all_tensors, check_shape, copy_values
from maskwright.checkpoints.tensor_file import num_bytes, write_tensors
from maskwright.config import checked
from maskwright.durable import check_space, staged_folder
from maskwright.errors import BadInput
from maskwright.models.elmo import ElmoConfig, config_json
from maskwright.tokenizers.tokenizer import Tokenizer

SOFTMAX, ENCODER = "softmax.", "encoder."
USES = ('vectors = encoder.encode(["a text", "another"])', 'words = encoder.token_vectors("a text", layer=-1)')
OTHER_KEYS = frozenset({"architectures", "dtype"})


def write_elmo(
    path: str | Path,
    *,
    config: ElmoConfig,
    parameters: Mapping[str, Tensor],
    tokenizer: Tokenizer,
    facts: Mapping[str, Any],
    replace: bool = False,
    more: Mapping[str, str] | None = None,
    above: Above | None = None,
    before_done: Callable[[Path], None] | None = None,
) -> Path:
    """Write a model folder durably; returns its path.

    parameters  by the names of `BothWaysLM`
    facts       what the model card tells: headings -> values or tables
    replace     exchange what is at `path` for the new folder, in one step
    more        other files of text, by name
    above       what the card tells of what stands above it
    before_done may write more into the folder
    """
    if tokenizer.vocab_size > config.vocab_size:
        raise BadInput(f"the tokenizer has {tokenizer.vocab_size} tokens, the network {config.vocab_size}: not a pair")
    tensors = {name: tensor.float() for name, tensor in parameters.items()}
    path = Path(path)
    check_space(path.parent, num_bytes(tensors) + 2**22)
    settings = {"architectures": ["ELMo"], **config_json(config), "dtype": "float32"}
    about = (
        f"An ELMo (arXiv 1802.05365) with {config.num_hidden_layers} layers of {config.cell_size} cells in each "
        f"direction, vectors of {config.hidden_size} numbers and {config.vocab_size:,} predicted words, pretrained "
        "as a language model. Words are read by their characters, so none is unknown."
    )
    with staged_folder(path, replace=replace) as folder:
        (folder / CONFIG).write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")
        write_tensors(folder / WEIGHTS, tensors, {"format": "pt"})
        tokenizer.save(folder)
        (folder / "README.md").write_text(
            static_card(path.name, "elmo", about, USES, facts, above=above), encoding="utf-8"
        )
        for name, text in (more or {}).items():
            (folder / name).write_text(text, encoding="utf-8")
        if before_done is not None:
            before_done(folder)
    return path


class ElmoFolder(NamedTuple):
    """A folder that has been looked through; no values have been read yet."""

    path: Path
    config: ElmoConfig
    weights: Mapping[str, Stored]

    @property
    def has_softmax(self) -> bool:
        """Whether it predicts words."""
        return any(name.startswith(SOFTMAX) for name in self.weights)

    def of_encoder(self) -> "ElmoFolder":
        """The same without the softmax."""
        kept = {name: stored for name, stored in self.weights.items() if not name.startswith(SOFTMAX)}
        return self._replace(weights={name.removeprefix(ENCODER): stored for name, stored in kept.items()})

    def check(self, network: nn.Module) -> None:
        """BadInput naming the first tensor that is missing, has another shape, or no place in the network.

        `network` may be on the device "meta": what config.json claims has cost nothing yet.
        """
        wanted = dict(network.named_parameters())
        if missing := [name for name in wanted if name not in self.weights]:
            raise BadInput(f"{self.path}: the tensor {missing[0]} is missing; the folder is not whole")
        if surplus := [name for name in self.weights if name not in wanted]:
            raise BadInput(f"{self.path}: the tensor {surplus[0]} has no place in this ELMo: is {CONFIG} its own?")
        for name, part in wanted.items():
            check_shape(self.weights[name], part)

    def fill(self, network: nn.Module) -> None:
        """Read every weight into `network`, after `check`."""
        self.check(network)
        for name, part in network.named_parameters():
            copy_values(self.weights[name], part.detach())


def read_elmo(path: str | Path) -> ElmoFolder:
    """Look through a folder of ours. BadInput in one line naming the file, the key or the tensor."""
    path = Path(path)
    data = {key: value for key, value in read_json(path / CONFIG).items() if key not in OTHER_KEYS}
    config = checked(ElmoConfig, data, str(path / CONFIG))
    if not (path / WEIGHTS).is_file():
        raise BadInput(f"{path}: {WEIGHTS} is missing")
    weights = {stored.name: stored for stored in all_tensors(path)}
    for stored in weights.values():
        if stored.dtype not in ("F64", "F32", "F16", "BF16"):
            raise BadInput(f"{stored.file}: {stored.name} is {stored.dtype}: only numbers with a point are read")
    return ElmoFolder(path, config, weights)
