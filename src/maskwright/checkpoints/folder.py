"""Model folders of the Hugging Face layout, out and in: ours, and any stock BERT.

    config.json  model.safetensors  tokenizer.json  tokenizer_config.json  special_tokens_map.json
    vocab.txt    README.md (the model card)

A folder is written whole or not at all, and stock `transformers` finds every tensor in it. It is read
with nothing assumed: each tensor the config asks for is there in the right shape and made of numbers,
and none is there that the network has no place for.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from maskwright.checkpoints.card import model_card
from maskwright.checkpoints.config_file import CONFIG, PublishedConfig, read_config
from maskwright.checkpoints.published import publish
from maskwright.checkpoints.published_weights import WEIGHTS, Weights, check_shape, copy_values, find_weights
from maskwright.checkpoints.tensor_file import num_bytes, write_tensors
from maskwright.durable import check_space, staged_folder
from maskwright.errors import BadInput
from maskwright.layers.weight_names import WeightName
from maskwright.models.bert import BertConfig, config_json
from maskwright.tokenizers.tokenizer import Tokenizer

# Published prefix of a head -> its name here, as in `metrics.jsonl`.
HEADS = {"cls.predictions.": "mlm", "cls.seq_relationship.": "nsp"}
POOLER = "bert.pooler."
# What each class of transformers must have; any other class may lack all of it.
REQUIRED: dict[str, tuple[str, ...]] = {
    "BertForPreTraining": ("cls.predictions.", "cls.seq_relationship.", POOLER),
    "BertForMaskedLM": ("cls.predictions.",),
    "BertForNextSentencePrediction": ("cls.seq_relationship.", POOLER),
}


def write_folder(
    path: str | Path,
    *,
    names: Sequence[WeightName],
    parameters: Mapping[str, Tensor],
    config: BertConfig,
    tokenizer: Tokenizer,
    facts: Mapping[str, Any] | None = None,
    replace: bool = False,
) -> Path:
    """Write a model folder durably; returns its path.

    names        the network's table of names, heads included (`Pretraining.weight_names()`)
    parameters   by our names; cast to float32
    facts        what the model card tells of the training: headings -> values or tables
    replace      exchange what is at `path` for the new folder, in one step

    The class that stock `transformers` loads it with follows from the heads: BertForPreTraining,
    BertForMaskedLM (whose class has no pooler, so none is written), BertForNextSentencePrediction, BertModel.
    """
    published = {name: tensor.float() for name, tensor in publish(names, parameters).items()}
    architecture = architecture_of(published)
    if architecture == "BertForMaskedLM":
        published = {name: tensor for name, tensor in published.items() if not name.startswith(POOLER)}
    if tokenizer.vocab_size > config.vocab_size:
        raise BadInput(f"the tokenizer has {tokenizer.vocab_size} tokens, the network {config.vocab_size}: not a pair")
    path = Path(path)
    check_space(path.parent, num_bytes(published) + 2**22)
    settings = {"architectures": [architecture], **config_json(config), "dtype": "float32"}
    with staged_folder(path, replace=replace) as folder:
        (folder / CONFIG).write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")
        write_tensors(folder / WEIGHTS, published, {"format": "pt"})
        tokenizer.save(folder)
        card = model_card(path.name, config, architecture, facts or {})
        (folder / "README.md").write_text(card, encoding="utf-8")
    return path


def architecture_of(published: Mapping[str, object]) -> str:
    """The class of `transformers` that has exactly the heads among these names."""
    heads = {ours for prefix, ours in HEADS.items() if any(name.startswith(prefix) for name in published)}
    if heads == {"mlm", "nsp"}:
        return "BertForPreTraining"
    return {"mlm": "BertForMaskedLM", "nsp": "BertForNextSentencePrediction"}.get("".join(heads), "BertModel")


@dataclass(frozen=True)
class ModelFolder:
    """A folder that has been looked through; no values have been read yet.

    path      where
    config    the network's shape
    weights   canonical names -> where each tensor lies
    """

    path: Path
    config: BertConfig
    weights: Weights

    @property
    def heads(self) -> list[str]:
        """The pretraining heads it has weights for: "mlm", "nsp"."""
        return [ours for prefix, ours in HEADS.items() if self._has(prefix)]

    @property
    def has_pooler(self) -> bool:
        """Whether it has weights for the pooler."""
        return self._has(POOLER)

    def _has(self, prefix: str) -> bool:
        return any(name.startswith(prefix) for name in self.weights)

    def check(self, names: Sequence[WeightName], network: nn.Module) -> None:
        """Compare names and shapes with those of `network`, which may be on the device "meta".

        names    the network's table, with published names as in BertForPreTraining

        Raises BadInput naming the first tensor that is missing, has another shape, or has no place in the
        network. No value is read and nothing is allocated: what config.json claims has cost nothing yet.
        """
        wanted = {there: part for there, part in _parts(names, network) if self._wants(there)}
        if missing := [there for there in wanted if there not in self.weights]:
            others = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
            raise BadInput(f"{self.path}: the tensor {missing[0]} is missing{others}; the folder is not whole")
        if surplus := [name for name in self.weights if name not in wanted]:
            others = f" and {len(surplus) - 1} more" if len(surplus) > 1 else ""
            raise BadInput(
                f"{self.path}: the tensor {self.weights[surplus[0]].name}{others} has no place in a BERT "
                f"of {self.config.num_hidden_layers} layers: the folder holds another network"
            )
        for there, part in wanted.items():
            check_shape(self.weights[there], part)

    def fill(self, names: Sequence[WeightName], network: nn.Module) -> None:
        """Read every weight into `network`, one tensor at a time, after `check`.

        Raises BadInput as `check` does, and naming a tensor that holds no numbers. Weights of a pooler that
        the folder lacks become zeros.
        """
        self.check(names, network)
        for there, part in _parts(names, network):
            if self._wants(there):
                copy_values(self.weights[there], part)
            else:
                part.zero_()

    def _wants(self, there: str) -> bool:
        return self.has_pooler or not there.startswith(POOLER)


def _parts(names: Sequence[WeightName], network: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """(published name, the part of a parameter that it is), in the order of the table."""
    parameters = dict(network.named_parameters())
    for name in names:
        yield from zip(name.published, parameters[name.ours].detach().chunk(len(name.published)), strict=True)


def read_folder(path: str | Path) -> ModelFolder:
    """Look through a model folder: ours, or a stock Hugging Face BERT in safetensors.

    Raises BadInput in one line naming the file, the key or the tensor, and the way out.
    """
    path = Path(path)
    if not path.is_dir():
        raise BadInput(f"{path} is no model folder: name a folder with {CONFIG} and {WEIGHTS}")
    if not (path / CONFIG).is_file() and (path / "model" / CONFIG).is_file():
        raise BadInput(f"{path} is a run: its model is in {path / 'model'}")
    published: PublishedConfig = read_config(path / CONFIG)
    weights = find_weights(path)
    folder = ModelFolder(path, published.network, weights)
    needed = [prefix for name in published.architectures for prefix in REQUIRED.get(name, ())]
    needed += [POOLER] if "nsp" in folder.heads else []
    for prefix in needed:
        if not any(name.startswith(prefix) for name in weights):
            raise BadInput(
                f"{path}: the tensors {prefix}* are missing, though {CONFIG} says {published.architectures[0]}"
            )
    return folder
