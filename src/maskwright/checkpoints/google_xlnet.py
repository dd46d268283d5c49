"""Google's XLNet as it was published: a TensorFlow checkpoint and its `xlnet_config.json`, in.

    xlnet_config.json                                 the sizes
    xlnet_model.ckpt.index, .data-00000-of-00001      the weights, see `tensor_bundle`
    spiece.model                                      the tokenizer, which is read elsewhere

zihangdai/xlnet `modeling.py` and `xlnet.py`. The biases of queries and the segment vectors of all layers are one
variable each, whose first axis is the layer; transformers has a tensor for each layer. Matrices of the attention have
the same axes in both, those of the feed-forward network are transposed. The activation is the tanh form of GELU,
whatever config.json of the published conversions says.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from maskwright.checkpoints.config_file import LARGEST, read_json
from maskwright.checkpoints.google_weights import HUB, SLOTS, GoogleModel
from maskwright.checkpoints.tensor_bundle import TensorBundle, open_bundle
from maskwright.errors import BadInput

XLNET_CONFIG = "xlnet_config.json"
OURS = ("model/transformer/", "model/lm_loss/")  # where nothing may stand that the network lacks
_KEYS = {"n_token": "vocab_size", "d_model": "d_model", "n_layer": "n_layer", "n_head": "n_head", "d_inner": "d_inner"}
_ATTENTION = ("q", "k", "v", "o", "r")


class XlnetName(NamedTuple):
    """One variable of Google's.

    google       its name
    published    its name in `XLNetLMHeadModel` of transformers; "{}" stands for the layer where it holds all of them
    shape        as Google has it: V tokens, L layers, H width, A heads, D width of a head, F of the feed-forward
    transposed   whether transformers has the other axis first
    """

    google: str
    published: str
    shape: str
    transposed: bool = False


def xlnet_names(n_layer: int, *, untie_r: bool = True) -> list[XlnetName]:
    """Every variable of an XLNet with its head.

    >>> len(xlnet_names(1)), xlnet_names(1)[3].google
    (20, 'model/transformer/layer_0/rel_attn/k/kernel')
    """
    top = "model/transformer"
    names = [
        XlnetName(f"{top}/word_embedding/lookup_table", "transformer.word_embedding.weight", "VH"),
        XlnetName(f"{top}/mask_emb/mask_emb", "transformer.mask_emb", "11H"),
    ]
    for i in range(n_layer):
        here, there = f"{top}/layer_{i}", f"transformer.layer.{i}"
        names += [XlnetName(f"{here}/rel_attn/{x}/kernel", f"{there}.rel_attn.{x}", "HAD") for x in _ATTENTION]
        names += _norm(f"{here}/rel_attn/LayerNorm", f"{there}.rel_attn.layer_norm")
        for number, shape in ((1, "HF"), (2, "FH")):
            linear, ours = f"{here}/ff/layer_{number}", f"{there}.ff.layer_{number}"
            names.append(XlnetName(f"{linear}/kernel", f"{ours}.weight", shape, transposed=True))
            names.append(XlnetName(f"{linear}/bias", f"{ours}.bias", shape[1]))
        names += _norm(f"{here}/ff/LayerNorm", f"{there}.ff.layer_norm")
    every = "transformer.layer.{}.rel_attn"
    names += [XlnetName(f"{top}/r_{x}_bias", f"{every}.r_{x}_bias", "LAD" if untie_r else "AD") for x in "wrs"]
    names.append(XlnetName(f"{top}/seg_embed", f"{every}.seg_embed", "L2AD"))
    return [*names, XlnetName("model/lm_loss/bias", "lm_loss.bias", "V")]


def read_google_xlnet(path: str | Path, config: str | Path | None = None) -> GoogleModel:
    """The weights of an XLNet of Google's, as `read_google` has those of a BERT.

    path      a folder, or the prefix of a checkpoint ("xlnet_cased_L-12_H-768_A-12/xlnet_model.ckpt")
    config    its xlnet_config.json; None: the one beside it

    Raises BadInput in one line naming the file or the variable, and the way out.
    """
    bundle = open_bundle(path)
    settings = _read_config(Path(config) if config is not None else bundle.index.parent / XLNET_CONFIG)
    names = xlnet_names(settings["n_layer"], untie_r=settings["untie_r"])
    stored = {name.removeprefix(HUB): name for name in bundle.names()}
    wanted = {name.google for name in names}
    others = [plain for plain in stored if plain not in wanted]
    surplus = [plain for plain in others if plain.startswith(OURS) and SLOTS.fullmatch(plain) is None]
    if surplus:
        raise BadInput(
            f"{bundle.index}: {surplus[0]} has no place in the XLNet that its configuration describes "
            f"({settings['n_layer']} layers): not a pair, or another network"
        )
    has_head = "model/lm_loss/bias" in stored
    tensors: dict[str, Tensor] = {}
    for name in names:
        if name.google.startswith("model/lm_loss/") and not has_head:
            continue
        tensors |= _tensors(bundle, name, stored, settings)
    architecture = "XLNetLMHeadModel" if has_head else "XLNetModel"
    return GoogleModel(tensors, {"architectures": [architecture], **settings}, [stored[plain] for plain in others])


def _read_config(path: Path) -> dict[str, Any]:
    """config.json of the network that Google's file describes."""
    data, found = read_json(path), dict[str, Any]()
    for key, ours in _KEYS.items():
        value = data.get(key)
        if type(value) is not int or not 0 < value <= LARGEST[ours]:
            raise BadInput(f"{path}: {key} is {value!r:.60}: a whole number from 1 to {LARGEST[ours]:,} was expected")
        found[ours] = value
    if (width := data.get("d_head")) is None or type(width) is not int or width * found["n_head"] != found["d_model"]:
        raise BadInput(
            f"{path}: d_head is {width!r:.60}: only d_model / n_head is read, and these are {found['d_model']} and "
            f"{found['n_head']}"
        )
    activations = {"gelu": "gelu_new", "relu": "relu"}
    if (act := data.get("ff_activation")) not in tuple(activations):
        raise BadInput(f"{path}: ff_activation is {act!r:.60}: there are {', '.join(activations)}")
    if type(untie := data.get("untie_r")) is not bool:
        raise BadInput(f"{path}: untie_r is {untie!r:.60}: true or false was expected")
    return {
        "model_type": "xlnet",
        **found,
        "d_head": width,
        "ff_activation": activations[act],
        "untie_r": untie,
        "attn_type": "bi",
        "layer_norm_eps": 1e-12,
        "pad_token_id": 5,
    }


def _tensors(
    bundle: TensorBundle, name: XlnetName, stored: Mapping[str, str], settings: Mapping[str, Any]
) -> dict[str, Tensor]:
    """The tensors of transformers that a variable holds."""
    if name.google not in stored:
        raise BadInput(f"{bundle.index}: {name.google} is missing: the checkpoint is not whole, or another network")
    entry, shape = bundle.entry(stored[name.google]), _shape(name, settings)
    if entry.shape != shape:
        raise BadInput(
            f"{bundle.index}: {name.google} has the shape {' x '.join(map(str, entry.shape))}, its configuration asks "
            f"for {' x '.join(map(str, shape))}: not a pair"
        )
    if entry.dtype not in ("float32", "float16", "bfloat16", "float64"):
        raise BadInput(f"{bundle.index}: {name.google} holds {entry.dtype}: floating-point numbers were expected")
    values = bundle.read(stored[name.google])
    whole = torch.from_numpy(np.array(values.T if name.transposed else values, np.float32, order="C"))
    if "{}" not in name.published:
        return {name.published: whole}
    layers = settings["n_layer"]
    parts = whole if name.shape.startswith("L") else whole.expand(layers, *whole.shape)
    return {name.published.format(i): parts[i].clone() for i in range(layers)}


def _shape(name: XlnetName, settings: Mapping[str, Any]) -> tuple[int, ...]:
    keys = {"V": "vocab_size", "L": "n_layer", "H": "d_model", "A": "n_head", "D": "d_head", "F": "d_inner"}
    return tuple(int(letter) if letter.isdigit() else settings[keys[letter]] for letter in name.shape)


def _norm(google: str, published: str) -> list[XlnetName]:
    return [
        XlnetName(f"{google}/gamma", f"{published}.weight", "H"),
        XlnetName(f"{google}/beta", f"{published}.bias", "H"),
    ]
