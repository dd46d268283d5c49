"""`config.json` of a Hugging Face model of one of our networks, read with a closed schema.

The file is data from elsewhere. Its `model_type` is looked up among our own modules. Known keys are checked for
type and range; a value that would make the network compute something else is refused; every other key is passed
over, and none is ever handed on to a constructor, a loader or an import.
"""

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

from maskwright.config import checked
from maskwright.errors import BadInput
from maskwright.layers.weight_names import Published
from maskwright.models import ModelConfig, module_of

CONFIG = "config.json"
LARGEST_FILE = 16 * 2**20  # bytes: label tables can be long
Table = dict[str, Any]

# The largest whole number each field may have: far beyond any model, far below what exhausts a machine.
LARGEST: dict[str, int] = {
    "vocab_size": 10_000_000,
    "embedding_size": 65_536,
    "hidden_size": 65_536,
    "num_hidden_layers": 1_024,
    "num_hidden_groups": 1_024,
    "inner_group_num": 16,
    "num_attention_heads": 4_096,
    "intermediate_size": 1_048_576,
    "n_inner": 1_048_576,
    "max_position_embeddings": 1_048_576,
    "type_vocab_size": 4_096,
    "n_langs": 4_096,
    "pad_token_id": 10_000_000,
    "d_model": 65_536,
    "n_layer": 1_024,
    "n_head": 4_096,
    "d_inner": 1_048_576,
    "mem_len": 1_048_576,
    "reuse_len": 1_048_576,
    "clamp_len": 1_048_576,
}
LEAST = {"clamp_len": -1}  # what says that there is no limit
FRACTIONS = (
    "embedding_dropout_prob",
    "hidden_dropout_prob",
    "attention_probs_dropout_prob",
    "initializer_range",
    "layer_norm_eps",
    "dropout",
)
SWITCHES = ("sinusoidal_embeddings", "use_lang_emb", "untie_r", "bi_data", "same_length")
ACTIVATIONS = {"gelu": "gelu", "gelu_new": "gelu_tanh", "gelu_pytorch_tanh": "gelu_tanh", "relu": "relu"}
WORDS = {
    "hidden_act": tuple(ACTIVATIONS),
    "ff_activation": tuple(ACTIVATIONS),
    "shared": ("all", "attention", "feed_forward", "none"),
    "attn_type": ("bi",),
    "first_target": ("nothing", "google"),
}

# What all of our networks have; another value means another network, whatever the weights are called.
WANTED: dict[str, object] = {
    "is_decoder": False,
    "add_cross_attention": False,
    "is_encoder_decoder": False,
    "tie_word_embeddings": True,
    "pruned_heads": {},
    "quantization_config": None,
    "auto_map": None,
}
REASONS = {
    "quantization_config": "quantised weights are not read: save the model in float32",
    "auto_map": "the folder wants code of its own to be run, which is never done here",
    "tie_word_embeddings": "only a decoder that is the token table is read",
}
PAIRS = "maskwright_pairs"
"""Our own key, which others pass over: what the head for pairs was trained on, where its tensors do not say."""


class PublishedConfig(NamedTuple):
    """What a config.json says.

    network         the network's shape
    architectures   the classes its author saved it from ("BertForPreTraining")
    pairs           "nsp" or "sop": what the head for pairs judges
    """

    network: ModelConfig
    architectures: tuple[str, ...]
    pairs: str


def read_config(path: Path) -> PublishedConfig:
    """The config.json at `path`; BadInput names the key, its value and what it may be."""
    data = read_json(path)
    module, published = _network_of(data, path)
    for key, wanted in {**WANTED, **published.wanted}.items():
        value = data.get(key)
        if value is not None and not (value == wanted and type(value) is type(wanted)):
            wish = REASONS.get(key, f"only {_shown(wanted)} is {published.name}'s")
            raise BadInput(f"{path}: {key} is {_shown(value)}: {wish}")
    architectures: object = data.get("architectures") or []
    if not isinstance(architectures, list) or not all(isinstance(a, str) for a in cast("list[object]", architectures)):
        raise BadInput(f"{path}: architectures is {_shown(architectures)}: a list of names was expected")
    pairs = data.get(PAIRS, usual_pairs(published))
    if pairs not in ("nsp", "sop"):
        raise BadInput(f"{path}: {PAIRS} is {_shown(pairs)}: there are nsp and sop")
    found = _fields(data, module.Config.model_fields, published, path)
    if hasattr(module, "from_config_json"):
        found = module.from_config_json(found)
    network = checked(module.Config, found, str(path))
    return PublishedConfig(cast("ModelConfig", network), tuple(cast("list[str]", architectures)), pairs)


def usual_pairs(published: Published) -> str:
    """What a network's head for pairs judges where nothing else is said: the next sentence, or the order of two."""
    return "sop" if "sop" in published.heads.values() else "nsp"


def _network_of(data: Table, path: Path) -> tuple[Any, Published]:
    """The module of ours that `model_type` names; a file without one is BERT's, as the oldest are."""
    model_type = data.get("model_type")
    if model_type is None:
        model_type = "bert"
    if not isinstance(model_type, str):
        raise BadInput(f"{path}: model_type is {_shown(model_type)}: a name was expected")
    try:
        module = module_of(model_type)
    except BadInput as error:
        raise BadInput(f"{path}: model_type is {_shown(model_type)}: {error}") from None
    if (published := getattr(module, "PUBLISHED", {}).get(model_type)) is None:
        raise BadInput(f"{path}: model_type is {_shown(model_type)}: folders of this network are not read")
    return module, published


def _fields(data: Table, fields: Mapping[str, object], published: Published, path: Path) -> Table:
    """Each field of the configuration from its key, of its JSON type and within its limit."""
    found: Table = {}
    for field in fields:
        keys = [published.keys.get(field, field), published.old_keys.get(field)]
        key = next((key for key in keys if key is not None and data.get(key) is not None), None)
        if key is None:
            if field in published.absent:
                found[field] = published.absent[field]
            continue
        found[field] = _read(field, data[key], f"{path}: {key} is {_shown(data[key])}")
    return found


def _read(field: str, value: object, found: str) -> object:
    """A value of JSON as its field takes it; `found` begins the message of what is wrong."""
    if field in LARGEST:
        if type(value) is not int or not LEAST.get(field, 0) <= value <= LARGEST[field]:
            raise BadInput(f"{found}: a whole number up to {LARGEST[field]:,} was expected")
        return value
    if field in FRACTIONS:
        if (
            not isinstance(value, (int, float))
            or type(value) is bool
            or not math.isfinite(value)
            or not 0 <= value <= 1
        ):
            raise BadInput(f"{found}: a number from 0 to 1 was expected")
        return float(value)
    if field in SWITCHES:
        if type(value) is not bool:
            raise BadInput(f"{found}: true or false was expected")
        return value
    if field == "hidden_act" and type(value) is bool:  # XLM's gelu_activation
        return "gelu" if value else "relu"
    if field == "languages":
        return _languages(value, found)
    allowed = WORDS.get(field)
    if not isinstance(value, str) or (allowed is not None and value not in allowed):
        raise BadInput(f"{found}: there are {', '.join(allowed or ())}")
    return ACTIVATIONS[value] if field in ("hidden_act", "ff_activation") else value


def _languages(value: object, found: str) -> tuple[str, ...]:
    """Names in the order of their ids, from {name: id}."""
    numbers = cast("dict[str, object]", value) if isinstance(value, dict) else {}
    if len(numbers) > LARGEST["n_langs"] or any(type(number) is not int for number in numbers.values()):
        raise BadInput(f"{found}: a table of up to {LARGEST['n_langs']:,} languages and their numbers was expected")
    if sorted(cast("dict[str, int]", numbers).values()) != list(range(len(numbers))) or not isinstance(value, dict):
        raise BadInput(f"{found}: languages are numbered from 0 on")
    return tuple(sorted(numbers, key=lambda name: cast("int", numbers[name])))


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
