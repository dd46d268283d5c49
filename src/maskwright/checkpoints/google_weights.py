"""Google's BERT and ALBERT as they were published: a TensorFlow checkpoint and its `bert_config.json`, in and out.

    bert_config.json or albert_config.json      the sizes
    bert_model.ckpt.index, .data-00000-of-00001   the weights, see `tensor_bundle`; `.meta`, a graph, is not needed
    vocab.txt, or a SentencePiece model          the tokenizer, which is read elsewhere

google-research/bert and google-research/albert `modeling.py`; checked against `load_tf_weights_in_bert` and
`load_tf_weights_in_albert` of transformers 4. What training keeps beside the weights (moments of Adam and LAMB,
the step) and the heads of fine-tuning are left out, and named.
"""

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from maskwright.checkpoints.config_file import LARGEST, read_json
from maskwright.checkpoints.folder import class_of
from maskwright.checkpoints.google_names import GoogleName, albert_names, bert_names
from maskwright.checkpoints.tensor_bundle import TensorBundle, open_bundle
from maskwright.checkpoints.tensor_bundle_writer import Array, write_bundle
from maskwright.durable import check_space, staged_folder
from maskwright.errors import BadInput
from maskwright.models import published
from maskwright.models.bert import BertConfig

CHECKPOINT = "bert_model.ckpt"
CONFIGS = {"bert": "bert_config.json", "albert": "albert_config.json"}
HUB = "module/"  # before each name in what TensorFlow Hub saved
SLOTS = re.compile(r".*/(adam_[mv]|lamb_[mv]|Adam(_1)?|Momentum|(AdamWeightDecay|LAMB)Optimizer(_1)?)")
HEADS = ("bert/pooler/", "cls/predictions/", "cls/seq_relationship/")  # each may be absent, as a whole
OURS = ("bert/", "cls/predictions/", "cls/seq_relationship/")  # where nothing may stand that the network lacks

_NUMBERS = (
    "vocab_size",
    "hidden_size",
    "num_hidden_layers",
    "num_attention_heads",
    "intermediate_size",
    "max_position_embeddings",
    "type_vocab_size",
)
_ALBERT_NUMBERS = ("embedding_size", "num_hidden_groups", "inner_group_num")
_FRACTIONS = ("hidden_dropout_prob", "attention_probs_dropout_prob", "initializer_range")
_LETTERS = {
    "V": "vocab_size",
    "P": "max_position_embeddings",
    "G": "type_vocab_size",
    "E": "embedding_size",
    "H": "hidden_size",
    "F": "intermediate_size",
}


class GoogleModel(NamedTuple):
    """What was in a checkpoint.

    tensors    canonical names of transformers -> float32, on the CPU; the decoder, which is the token table, once
    config     the `config.json` that goes with them
    left_out   the names of what is no weight of the network: the optimizer's, the step, heads of fine-tuning
    """

    tensors: dict[str, Tensor]
    config: dict[str, Any]
    left_out: list[str]


def read_google(path: str | Path, config: str | Path | None = None) -> GoogleModel:
    """The weights of a BERT or an ALBERT of Google's.

    path      a folder, or the prefix of a checkpoint ("uncased_L-12_H-768_A-12/bert_model.ckpt")
    config    its bert_config.json or albert_config.json; None: the one beside it

    Each tensor's checksum, name and shape is checked, and that the network is whole; whether the values are
    finite is not. Raises BadInput in one line naming the file or the tensor, and the way out.
    """
    bundle = open_bundle(path)
    settings = _read_config(bundle.index.parent, None if config is None else Path(config))
    names = _names(settings)
    stored = {_plain(name): name for name in bundle.names()}
    if len(stored) < len(bundle.names()):
        raise BadInput(f"{bundle.index}: a weight is there with {HUB!r} before its name and without: keep one")
    wanted = {name.google: name for name in names}
    left_out = [name for plain, name in stored.items() if plain not in wanted and _foreign(plain)]
    surplus = next((plain for plain in stored if plain not in wanted and not _foreign(plain)), None)
    if surplus is not None:
        raise BadInput(
            f"{bundle.index}: {surplus} has no place in the {settings['model_type'].upper()} that its configuration "
            f"describes ({settings['num_hidden_layers']} layers): not a pair, or another network"
        )
    present = [name for name in names if not _is_absent(name, stored)]
    for name in present:
        _check(bundle, name, stored, settings)
    tensors = {name.published: _tensor(bundle, stored[name.google], name.transposed) for name in present}
    architecture, _ = class_of(published(settings["model_type"]), list(tensors))
    return GoogleModel(tensors, {"architectures": [architecture], **settings}, left_out)


def write_google_bert(
    path: str | Path,
    tensors: Mapping[str, Tensor],
    config: BertConfig,
    *,
    more: Mapping[str, bytes] | None = None,
    replace: bool = False,
) -> Path:
    """Write a BERT as Google's code reads it: `bert_config.json` and `bert_model.ckpt`; returns the folder.

    tensors    names of BertForPreTraining -> any type of float; heads may be absent
    more       other files by name, such as vocab.txt
    replace    exchange what is at `path` for the new folder, in one step

    Google's code since February 2019 computes GELU's tanh form, whichever of the two the model was trained with.
    Raises BadInput for a tensor that is missing, has another shape, or that BERT has no place for.
    """
    path = Path(path)
    settings = {**config.model_dump(), "embedding_size": config.hidden_size}
    names = bert_names(config.num_hidden_layers)
    here = {name.google: name.published for name in names if name.published in tensors}
    if surplus := sorted(set(tensors) - set(here.values())):
        raise BadInput(f"{surplus[0]} has no place in Google's BERT of {config.num_hidden_layers} layers")
    arrays: dict[str, Array] = {}
    for name in names:
        if _is_absent(name, here):
            continue
        if name.google not in here:
            raise BadInput(f"{name.published} is missing: a checkpoint of BERT has it")
        tensor = tensors[name.published]
        if tuple(tensor.shape) != (shape := _shape(name, settings)):
            raise BadInput(f"{name.published} has the shape {tuple(tensor.shape)}, the configuration asks for {shape}")
        array = tensor.detach().to("cpu", torch.float32).numpy()
        arrays[name.google] = array.T if name.transposed else array
    check_space(path.parent, sum(array.nbytes for array in arrays.values()) + 2**22)
    with staged_folder(path, replace=replace) as folder:
        (folder / CONFIGS["bert"]).write_text(json.dumps(_google_config(config), indent=2) + "\n", encoding="utf-8")
        write_bundle(folder / CHECKPOINT, arrays)
        state = f'model_checkpoint_path: "{CHECKPOINT}"\nall_model_checkpoint_paths: "{CHECKPOINT}"\n'
        (folder / "checkpoint").write_text(state, encoding="utf-8")
        for name, data in (more or {}).items():
            (folder / name).write_bytes(data)
    return path


def _read_config(folder: Path, path: Path | None) -> dict[str, Any]:
    """config.json of the network that Google's file describes, from the folder where there is no `path`."""
    if path is None:
        there = [folder / name for name in CONFIGS.values() if (folder / name).is_file()]
        if len(there) != 1:
            has = "both" if there else "neither"
            raise BadInput(f"{folder}: has {has} of {' and '.join(CONFIGS.values())}: name the one that belongs to it")
        path = there[0]
    data = read_json(path)
    albert = "embedding_size" in data
    found: dict[str, Any] = {"model_type": "albert" if albert else "bert"}
    for key in (*_NUMBERS, *(_ALBERT_NUMBERS if albert else ())):
        value = data.get(key, 1 if key in ("num_hidden_groups", "inner_group_num") else None)
        if type(value) is not int or not 0 < value <= LARGEST[key]:
            raise BadInput(f"{path}: {key} is {value!r:.60}: a whole number from 1 to {LARGEST[key]:,} was expected")
        found[key] = value
    for key in _FRACTIONS:
        value = data.get(key, 0.02 if key == "initializer_range" else 0.0 if albert else 0.1)
        if type(value) not in (int, float) or not 0 <= value <= 1:
            raise BadInput(f"{path}: {key} is {value!r:.60}: a number from 0 to 1 was expected")
        found[key] = float(value)
    # The models of 2018 were trained with erf; the code has tanh since February 2019, ALBERT's from its start.
    activations = {"gelu": "gelu_new" if albert else "gelu", "relu": "relu"}
    if (act := data.get("hidden_act", "gelu")) not in tuple(activations):
        raise BadInput(f"{path}: hidden_act is {act!r:.60}: there are {', '.join(activations)}")
    return {**found, "hidden_act": activations[act], "layer_norm_eps": 1e-12, "pad_token_id": 0}


def _google_config(config: BertConfig) -> dict[str, Any]:
    act = "relu" if config.hidden_act == "relu" else "gelu"
    return {**{key: getattr(config, key) for key in (*_NUMBERS, *_FRACTIONS)}, "hidden_act": act}


def _names(settings: Mapping[str, Any]) -> list[GoogleName]:
    if settings["model_type"] == "albert":
        return albert_names(settings["num_hidden_groups"], settings["inner_group_num"])
    return bert_names(settings["num_hidden_layers"])


def _plain(name: str) -> str:
    return name.removeprefix(HUB)


def _foreign(plain: str) -> bool:
    """Whether it belongs to training or to a task, and not to the network.

    >>> _foreign("global_step"), _foreign("bert/pooler/dense/kernel/adam_m"), _foreign("cls/squad/output_bias")
    (True, True, True)
    """
    return not plain.startswith(OURS) or SLOTS.fullmatch(plain) is not None


def _is_absent(name: GoogleName, stored: Iterable[str]) -> bool:
    """Whether it belongs to a head of which nothing is there."""
    head = next((head for head in HEADS if name.google.startswith(head)), None)
    return head is not None and not any(there.startswith(head) for there in stored)


def _check(bundle: TensorBundle, name: GoogleName, stored: Mapping[str, str], settings: Mapping[str, Any]) -> None:
    if name.google not in stored:
        raise BadInput(f"{bundle.index}: {name.google} is missing: the checkpoint is not whole, or another network")
    entry = bundle.entry(stored[name.google])
    shape = _shape(name, settings)
    wanted = shape[::-1] if name.transposed else shape
    if entry.shape != wanted:
        raise BadInput(
            f"{bundle.index}: {name.google} has the shape {_times(entry.shape)}, its configuration asks for "
            f"{_times(wanted)}: not a pair"
        )
    if entry.dtype not in ("float32", "float16", "bfloat16", "float64"):
        raise BadInput(f"{bundle.index}: {name.google} holds {entry.dtype}: floating-point numbers were expected")


def _shape(name: GoogleName, settings: Mapping[str, Any]) -> tuple[int, ...]:
    width = settings.get("embedding_size", settings["hidden_size"])
    sizes = {letter: settings.get(key, width) for letter, key in _LETTERS.items()}
    return tuple(2 if letter == "2" else sizes[letter] for letter in name.shape)


def _tensor(bundle: TensorBundle, name: str, transposed: bool) -> Tensor:
    values = bundle.read(name)
    return torch.from_numpy(np.ascontiguousarray(values.T if transposed else values, np.float32))


def _times(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape)) or "of a single number"
