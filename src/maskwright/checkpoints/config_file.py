"""`config.json` of a Hugging Face BERT, read with a closed schema.

The file is data from elsewhere. Known keys are checked for type and range; a value that would make the
network compute something else than BERT is refused; every other key is passed over, and none is ever
handed on to a constructor, a loader or an import.
"""

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

from maskwright.config import checked
from maskwright.errors import BadInput
from maskwright.models.bert import BertConfig

CONFIG = "config.json"
LARGEST_FILE = 16 * 2**20  # bytes: label tables can be long
Table = dict[str, Any]

# The largest whole number each key may have: far beyond any model, far below what exhausts a machine.
LARGEST: dict[str, int] = {
    "vocab_size": 10_000_000,
    "hidden_size": 65_536,
    "num_hidden_layers": 1_024,
    "num_attention_heads": 4_096,
    "intermediate_size": 1_048_576,
    "max_position_embeddings": 1_048_576,
    "type_vocab_size": 4_096,
    "pad_token_id": 10_000_000,
}
FRACTIONS = ("hidden_dropout_prob", "attention_probs_dropout_prob", "initializer_range", "layer_norm_eps")
ACTIVATIONS = {"gelu": "gelu", "gelu_new": "gelu_tanh", "gelu_pytorch_tanh": "gelu_tanh", "relu": "relu"}

# What BERT has; another value means another network, whatever the weights are called.
WANTED: dict[str, tuple[object, ...]] = {
    "model_type": ("bert", None),  # what has neither name nor type is told by its tensors
    "position_embedding_type": ("absolute", None),
    "is_decoder": (False, None),
    "add_cross_attention": (False, None),
    "is_encoder_decoder": (False, None),
    "tie_word_embeddings": (True, None),
    "pruned_heads": ({}, None),
    "quantization_config": (None,),
    "auto_map": (None,),
}
REASONS = {
    "quantization_config": "quantised weights are not read: save the model in float32",
    "auto_map": "the folder wants code of its own to be run, which is never done here",
    "tie_word_embeddings": "a decoder of its own is not BERT's",
}


class PublishedConfig(NamedTuple):
    """A network's shape, and the classes its author saved it from ("BertForPreTraining")."""

    network: BertConfig
    architectures: tuple[str, ...]


def read_config(path: Path) -> PublishedConfig:
    """The config.json at `path`; BadInput names the key, its value and what it may be."""
    data = read_json(path)
    for key, allowed in WANTED.items():
        value = data.get(key)
        if not any(value == good and type(value) is type(good) for good in allowed):
            wish = REASONS.get(key) or f"only {_shown(allowed[0])} is BERT's"
            raise BadInput(f"{path}: {key} is {_shown(value)}: {wish}")
    architectures: object = data.get("architectures") or []
    if not isinstance(architectures, list) or not all(isinstance(a, str) for a in cast("list[object]", architectures)):
        raise BadInput(f"{path}: architectures is {_shown(architectures)}: a list of names was expected")
    return PublishedConfig(
        checked(BertConfig, _network(data, path), str(path)), tuple(cast("list[str]", architectures))
    )


def _network(data: Table, path: Path) -> Table:
    """What BertConfig has fields for, each of its JSON type and within its limit."""
    found: Table = {}
    for key, largest in LARGEST.items():
        value = data.get(key)
        if value is None:
            continue
        if type(value) is not int or not 0 <= value <= largest:
            raise BadInput(f"{path}: {key} is {_shown(value)}: a whole number up to {largest:,} was expected")
        found[key] = value
    for key in FRACTIONS:
        value = data.get(key)
        if value is None:
            continue
        if type(value) not in (int, float) or not math.isfinite(value) or not 0 <= value <= 1:
            raise BadInput(f"{path}: {key} is {_shown(value)}: a number from 0 to 1 was expected")
        found[key] = float(value)
    act = data.get("hidden_act", "gelu")
    if not isinstance(act, str) or act not in ACTIVATIONS:
        raise BadInput(f"{path}: hidden_act is {_shown(act)}: there are {', '.join(ACTIVATIONS)}")
    return {**found, "hidden_act": ACTIVATIONS[act]}


def read_json(path: Path) -> Table:
    """A JSON object from a file of moderate size in which no key stands twice."""
    try:
        with path.open("rb") as file:
            raw = file.read(LARGEST_FILE + 1)
    except FileNotFoundError:
        raise BadInput(f"{path}: missing; a model folder has {CONFIG} and model.safetensors") from None
    if len(raw) > LARGEST_FILE:
        raise BadInput(f"{path}: more than {LARGEST_FILE:,} bytes is no {path.name}")
    return parse_json(raw, str(path))


def parse_json(raw: bytes, where: str) -> Table:
    """A JSON object in which no key stands twice; BadInput otherwise."""
    try:
        data: object = json.loads(raw, object_pairs_hook=_without_duplicates)
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{where}: no readable JSON ({str(error) or 'nested too deep'})") from None
    if not isinstance(data, dict):
        raise BadInput(f"{where}: a JSON object was expected")
    return cast("Table", data)


def _without_duplicates(pairs: Sequence[tuple[str, Any]]) -> Table:
    table = dict(pairs)
    if len(table) != len(pairs):
        twice, _ = Counter(key for key, _ in pairs).most_common(1)[0]
        raise ValueError(f"the key {twice[:100]!r} stands twice")
    return table


def _shown(value: object) -> str:
    if isinstance(value, Mapping):
        value = dict(cast("Mapping[str, object]", value))
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else text[:57] + "..."
