"""Model folders of the Hugging Face layout, out and in: ours, and any stock one of our networks.

    config.json  model.safetensors  tokenizer.json  tokenizer_config.json  special_tokens_map.json
    vocab.txt or its like           README.md (the model card)

A folder is written whole or not at all, and stock `transformers` finds every tensor in it. It is read
with nothing assumed: each tensor the config asks for is there in the right shape and made of numbers,
and none is there that the network has no place for.
"""

import dataclasses
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from maskwright.checkpoints.card import Above, model_card
from maskwright.checkpoints.config_file import CONFIG, PAIRS, PublishedConfig, read_config, read_json, usual_pairs
from maskwright.checkpoints.published import publish
from maskwright.checkpoints.published_weights import (
    WEIGHTS,
    Weights,
    check_copy,
    check_shape,
    copy_values,
    find_weights,
)
from maskwright.checkpoints.task_part import TaskPart, head_class
from maskwright.checkpoints.tensor_file import num_bytes, write_tensors
from maskwright.checkpoints.tensor_names import with_article
from maskwright.durable import check_space, staged_folder
from maskwright.errors import BadInput
from maskwright.layers.weight_names import Published, WeightName
from maskwright.models import ModelConfig, module_of, published
from maskwright.models.roberta import RobertaConfig
from maskwright.tokenizers.tokenizer import Tokenizer

POOLER = "pooler."


def write_folder(
    path: str | Path,
    *,
    names: Sequence[WeightName],
    parameters: Mapping[str, Tensor],
    config: ModelConfig,
    tokenizer: Tokenizer,
    facts: Mapping[str, Any] | None = None,
    task: TaskPart | None = None,
    above: Above | None = None,
    replace: bool = False,
    before_done: Callable[[Path], None] | None = None,
) -> Path:
    """Write a model folder durably; returns its path.

    names        the network's table of names, heads included (`Pretraining.weight_names()`)
    parameters   by our names; cast to float32
    facts        what the model card tells of the training: headings -> values or tables
    task         what a fine-tuned model answers; the names are then `Finetuning.weight_names()`
    above        what the card tells of what is written beside the encoder, see `task_folder.write_composite`
    replace      exchange what is at `path` for the new folder, in one step
    before_done  is given the finished folder before it is at `path`; may write more into it, or raise and undo it

    The class that stock `transformers` loads it with follows from the heads: for BERT BertForPreTraining,
    BertForMaskedLM (whose class has no pooler, so none is written), BertForNextSentencePrediction, BertModel.
    A head that no class has beside the others is left out.
    """
    there = published(config.model_type)
    if task is None:
        architecture, kept = class_of(there, [name for entry in names for name in entry.published])
        names = [entry for entry in names if kept(entry.published[0])]
    else:
        architecture = head_class(there, task.asks)
    tensors = {name: tensor.float() for name, tensor in publish(names, parameters).items()}
    for copy in _copies(names):
        tensors[copy] = tensors[copy].clone()  # a file holds no tensor twice
    check_tokenizer(tokenizer, config)
    path = Path(path)
    check_space(path.parent, num_bytes(tensors) + 2**22)
    settings = _settings(architecture, config, names, tokenizer) | (task.settings() if task else {})
    with staged_folder(path, replace=replace) as folder:
        (folder / CONFIG).write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")
        write_tensors(folder / WEIGHTS, tensors, {"format": "pt"})
        tokenizer.save(folder)
        _say_what_is_read(folder / "tokenizer_config.json", tokenizer, config)
        mask = "[MASK]" if tokenizer.mask_id is None else tokenizer.id_to_token(tokenizer.mask_id)
        card = model_card(path.name, config, architecture, facts or {}, mask=mask, above=above)
        (folder / "README.md").write_text(card, encoding="utf-8")
        if before_done is not None:
            before_done(folder)
    return path


def class_of(there: Published, names: Sequence[str]) -> tuple[str, Callable[[str], bool]]:
    """The class of `transformers` with most of the heads among these tensors, and which tensors it has a place for."""
    found = {head for prefix, head in there.heads.items() if any(name.startswith(prefix) for name in names)}
    found.update(there.always)
    heads = next(heads for heads in there.classes if found.issuperset(heads))
    lost = tuple(prefix for prefix, head in there.heads.items() if head not in heads)
    if (architecture := there.classes[heads]) in there.without_pooler:
        lost += (POOLER, there.prefix + POOLER)
    return architecture, lambda name: not name.startswith(lost)


def _settings(
    architecture: str, config: ModelConfig, names: Sequence[WeightName], tokenizer: Tokenizer
) -> dict[str, Any]:
    """What config.json says."""
    settings = {"architectures": [architecture], **module_of(config.model_type).config_json(config), "dtype": "float32"}
    if config.model_type != "bert":  # the other classes have numbers of their own where nothing is said
        begins = tokenizer.sep_id if tokenizer.cls_id is None else tokenizer.cls_id
        settings |= {"bos_token_id": begins, "eos_token_id": tokenizer.sep_id}
    pairs = next((head for head in ("nsp", "sop") for name in names if name.ours.startswith(f"heads.{head}.")), None)
    if pairs not in (None, usual_pairs(published(config.model_type))):
        settings[PAIRS] = pairs
    return settings


def check_tokenizer(tokenizer: Tokenizer, config: ModelConfig) -> None:
    """BadInput where a network and a tokenizer do not belong together."""
    if tokenizer.vocab_size > config.vocab_size:
        raise BadInput(f"the tokenizer has {tokenizer.vocab_size} tokens, the network {config.vocab_size}: not a pair")
    if isinstance(config, RobertaConfig) and tokenizer.pad_id not in (None, config.pad_token_id):
        raise BadInput(
            f"the tokenizer pads with {tokenizer.pad_id}, and the network's pad_token_id is {config.pad_token_id}, "
            "which its positions are counted from: set model.pad_token_id"
        )


def _say_what_is_read(path: Path, tokenizer: Tokenizer, config: ModelConfig) -> None:
    """Let the stock tokenizer give `token_type_ids` where the network reads them, and nowhere else.

    XLM's class would take them for tokens and add their vectors; ALBERT's tokenizer gives none by itself.
    """
    segments = getattr(config, "type_vocab_size", 1) > 1
    marked = any(segment for _, segment in tokenizer.layout.pair)
    if segments and (tokenizer.kind != "unigram" or not marked):
        return
    if not path.is_file():
        return
    inputs = ["input_ids", *(["token_type_ids"] if segments else []), "attention_mask"]
    settings = {**read_json(path), "model_input_names": inputs}
    path.write_text(json.dumps(settings, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _copies(names: Sequence[WeightName]) -> set[str]:
    """The published names under which a parameter stands again."""
    seen: set[str] = set()
    copies: set[str] = set()
    for name in names:
        if name.ours in seen:
            copies.update(name.published)
        seen.add(name.ours)
    return copies


@dataclass(frozen=True)
class ModelFolder:
    """A folder that has been looked through; no values have been read yet.

    path      where
    config    the network's shape
    pairs     "nsp" or "sop": what the head for pairs, if there is one, judges
    weights   canonical names -> where each tensor lies
    """

    path: Path
    config: ModelConfig
    pairs: str
    weights: Weights

    @property
    def heads(self) -> list[str]:
        """The pretraining heads it has weights for: "mlm", "nsp", "sop"."""
        found = [head for prefix, head in self._published.heads.items() if self.has(prefix)]
        found += self._published.always
        return [self.pairs if head in ("nsp", "sop") else head for head in found]

    @property
    def has_pooler(self) -> bool:
        """Whether it has weights for the pooler."""
        return self.has(self._published.prefix + POOLER)

    @property
    def _published(self) -> Published:
        return published(self.config.model_type)

    def of_encoder(self) -> "ModelFolder":
        """The same without the weights of pretraining heads."""
        heads = tuple(self._published.heads)
        kept = {name: stored for name, stored in self.weights.items() if not heads or not name.startswith(heads)}
        return dataclasses.replace(self, weights=kept)

    def has(self, prefix: str) -> bool:
        """Whether a tensor's canonical name begins so."""
        return any(name.startswith(prefix) for name in self.weights)

    def check(self, names: Sequence[WeightName], network: nn.Module) -> None:
        """Compare names and shapes with those of `network`, which may be on the device "meta".

        names    the network's table, with published names as in classes with heads

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
                f"{self.path}: the tensor {self.weights[surplus[0]].name}{others} has no place in "
                f"{with_article(self._published.name)} of {self.config.num_hidden_layers} layers: "
                "the folder holds another network"
            )
        for there, part in wanted.items():
            check_shape(self.weights[there], part)

    def fill(self, names: Sequence[WeightName], network: nn.Module) -> None:
        """Read every weight into `network`, one tensor at a time, after `check`.

        Raises BadInput as `check` does, and naming a tensor that holds no numbers, or that is no copy of the weight
        it should share. Weights of a pooler that the folder lacks become zeros.
        """
        self.check(names, network)
        copies = _copies(names)
        for there, part in _parts(names, network):
            if there in copies:
                check_copy(self.weights[there], part)
            elif self._wants(there):
                copy_values(self.weights[there], part)
            else:
                part.zero_()

    def _wants(self, there: str) -> bool:
        return self.has_pooler or not there.startswith(self._published.prefix + POOLER)


def _parts(names: Sequence[WeightName], network: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """(published name, the part of a parameter that it is), in the order of the table."""
    parameters = dict(network.named_parameters())
    for name in names:
        yield from name.parts(parameters[name.ours].detach()).items()


def read_folder(path: str | Path) -> ModelFolder:
    """Look through a model folder: ours, or a stock Hugging Face one of our networks, in safetensors.

    Raises BadInput in one line naming the file, the key or the tensor, and the way out.
    """
    path = Path(path)
    if not path.is_dir():
        raise BadInput(f"{path} is no model folder: name a folder with {CONFIG} and {WEIGHTS}")
    if not (path / CONFIG).is_file() and (path / "model" / CONFIG).is_file():
        raise BadInput(f"{path} is a run: its model is in {path / 'model'}")
    said: PublishedConfig = read_config(path / CONFIG)
    folder = ModelFolder(path, said.network, said.pairs, find_weights(path, said.network))
    there = published(said.network.model_type)
    needed = [prefix for name in said.architectures for prefix in _required(there, name)]
    needed += [there.prefix + POOLER] if folder.pairs in folder.heads else []
    for prefix in needed:
        if not folder.has(prefix):
            raise BadInput(f"{path}: the tensors {prefix}* are missing, though {CONFIG} says {said.architectures[0]}")
    return folder


def _required(there: Published, architecture: str) -> list[str]:
    """What a class of transformers with heads must have; any other may lack all of it."""
    heads = next((heads for heads, name in there.classes.items() if name == architecture), ())
    prefixes = [prefix for prefix, head in there.heads.items() if head in heads]
    pooled = heads and architecture not in there.without_pooler and there.has_pooler
    return [*prefixes, *([there.prefix + POOLER] if pooled else [])]
