"""RoBERTa (arXiv 1907.11692) as fairseq saves it, under the names of transformers' RobertaForMaskedLM.

A checkpoint is read with `torch_files.read_torch_file`: its tensors, and its arguments as plain values. The
dictionary, `dict.txt`, lies beside it. Sources: fairseq's `models/roberta/model.py` and `data/dictionary.py`,
and transformers' `convert_roberta_original_pytorch_checkpoint_to_pytorch.py`.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from maskwright.errors import BadInput

SPECIAL_TOKENS = ("<s>", "<pad>", "</s>", "<unk>")  # fairseq's first four; <mask> is its last
MASK = "<mask>"
OVERWRITE = "#fairseq:overwrite"
LARGEST_DICTIONARY = 256 * 2**20  # bytes

_ENCODER = re.compile(r"(?:encoder|decoder)\.sentence_encoder\.(.+)")  # older versions call the encoder a decoder
_HEAD = re.compile(r"(?:encoder|decoder)\.lm_head\.(.+)")
_LAYER = re.compile(r"layers\.(\d{1,4})\.(.+)\.(weight|bias)")
_TABLE = "roberta.embeddings.word_embeddings.weight"
_EMBEDDINGS = {
    "embed_tokens.weight": _TABLE,
    "embed_positions.weight": "roberta.embeddings.position_embeddings.weight",
    "emb_layer_norm.weight": "roberta.embeddings.LayerNorm.weight",
    "emb_layer_norm.bias": "roberta.embeddings.LayerNorm.bias",
    "layernorm_embedding.weight": "roberta.embeddings.LayerNorm.weight",
    "layernorm_embedding.bias": "roberta.embeddings.LayerNorm.bias",
}
_LAYERS = {
    "self_attn.q_proj": "attention.self.query",
    "self_attn.k_proj": "attention.self.key",
    "self_attn.v_proj": "attention.self.value",
    "self_attn.out_proj": "attention.output.dense",
    "self_attn_layer_norm": "attention.output.LayerNorm",
    "fc1": "intermediate.dense",
    "fc2": "output.dense",
    "final_layer_norm": "output.LayerNorm",
}
_HEADS = {
    name: f"lm_head.{name}" for name in ("bias", "dense.weight", "dense.bias", "layer_norm.weight", "layer_norm.bias")
}
_BUFFERS = re.compile(r"(.*\.)?(version|_float_tensor)")
_ACTIVATIONS = {"gelu": "gelu", "gelu_accurate": "gelu_new", "gelu_fast": "gelu_new", "relu": "relu"}


def roberta_tensors(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """fairseq's tensors under the names of RobertaForMaskedLM; heads of classification are left out.

    Queries, keys and values that old versions keep in one matrix are cut apart; token types, which fairseq has none
    of, are zeros. Raises BadInput naming a tensor that RoBERTa has no place for, and for a decoder of its own.
    """
    found: dict[str, Tensor] = {}
    decoder: Tensor | None = None
    for name, tensor in tensors.items():
        if _BUFFERS.fullmatch(name) or name.startswith("classification_heads."):
            continue
        if (head := _HEAD.fullmatch(name)) and head[1] == "weight":
            decoder = tensor
            continue
        for place, part in _places(name, tensor).items():
            if place in found:
                raise BadInput(f"{place} is there under two of fairseq's names: the checkpoint is of two versions")
            found[place] = part
    if _TABLE not in found or found[_TABLE].dim() != 2:
        raise BadInput("embed_tokens.weight, the token table, is missing: no RoBERTa of fairseq")
    if decoder is not None and not torch.equal(decoder, found[_TABLE]):
        raise BadInput("lm_head.weight differs from embed_tokens.weight: a decoder of its own is not RoBERTa's")
    table = found[_TABLE]
    found["roberta.embeddings.token_type_embeddings.weight"] = torch.zeros(1, table.shape[1], dtype=table.dtype)
    return found


def _places(name: str, tensor: Tensor) -> dict[str, Tensor]:
    """Where `tensor` goes, in one part or in three."""
    if (head := _HEAD.fullmatch(name)) and head[1] in _HEADS:
        return {_HEADS[head[1]]: tensor}
    inner = _ENCODER.fullmatch(name)
    if inner and inner[1] in _EMBEDDINGS:
        return {_EMBEDDINGS[inner[1]]: tensor}
    if inner and (joint := re.fullmatch(r"layers\.(\d{1,4})\.self_attn\.in_proj_(weight|bias)", inner[1])):
        prefix = f"roberta.encoder.layer.{joint[1]}.attention.self"
        if not tensor.dim() or tensor.shape[0] % 3:
            raise BadInput(f"{name} has {tuple(tensor.shape)} numbers: queries, keys and values cannot be cut apart")
        parts = zip(("query", "key", "value"), tensor.chunk(3), strict=True)
        return {f"{prefix}.{which}.{joint[2]}": part for which, part in parts}
    if inner and (layer := _LAYER.fullmatch(inner[1])) and layer[2] in _LAYERS:
        return {f"roberta.encoder.layer.{layer[1]}.{_LAYERS[layer[2]]}.{layer[3]}": tensor}
    if inner and inner[1].startswith("layer_norm."):
        raise BadInput(f"{name} is the norm of an encoder that normalises before each block: RoBERTa's does after")
    raise BadInput(f"{name[:200]!r} has no place in RoBERTa: the checkpoint holds another network")


def roberta_config(values: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> dict[str, Any]:
    """config.json of the RobertaForMaskedLM that `tensors` (of `roberta_tensors`) belong to.

    values    what `read_torch_file` gives: `args`, or in newer versions `cfg` with a table `model`

    Sizes are those of the tensors; BadInput when the arguments say others, or do not say how many heads there are.
    """
    arguments = _arguments(values)
    vocabulary, hidden = tensors[_TABLE].shape
    layers = {int(name.split(".")[3]) for name in tensors if name.startswith("roberta.encoder.layer.")}
    first = tensors.get("roberta.encoder.layer.0.intermediate.dense.weight")
    positions = tensors.get("roberta.embeddings.position_embeddings.weight")
    if layers != set(range(len(layers))) or first is None or positions is None:
        raise BadInput("layers or positions are missing: the checkpoint is not whole")
    sizes = {
        "encoder_layers": len(layers),
        "encoder_embed_dim": hidden,
        "encoder_ffn_embed_dim": first.shape[0],
        "max_positions": positions.shape[0] - 2,  # the first two are padding's and one that is never used
    }
    for key, size in sizes.items():
        if arguments.get(key, size) != size:
            raise BadInput(
                f"{key} is {str(arguments[key])[:60]} among the arguments, {size} in the tensors: not a pair"
            )
    heads, activation = arguments.get("encoder_attention_heads"), arguments.get("activation_fn", "gelu")
    if type(heads) is not int or not 0 < heads <= hidden or hidden % heads:
        raise BadInput(f"encoder_attention_heads is {str(heads)[:60]}: a divisor of the width {hidden} was expected")
    if not isinstance(activation, str) or activation not in _ACTIVATIONS:
        raise BadInput(f"activation_fn is {str(activation)[:60]}: there are {', '.join(_ACTIVATIONS)}")
    if arguments.get("encoder_normalize_before"):
        raise BadInput("encoder_normalize_before is set: RoBERTa normalises after each block")
    return {
        "architectures": ["RobertaForMaskedLM"],
        "model_type": "roberta",
        "vocab_size": vocabulary,
        "hidden_size": hidden,
        "num_hidden_layers": len(layers),
        "num_attention_heads": heads,
        "intermediate_size": first.shape[0],
        "hidden_act": _ACTIVATIONS[activation],
        "hidden_dropout_prob": _rate(arguments, "dropout"),
        "attention_probs_dropout_prob": _rate(arguments, "attention_dropout"),
        "max_position_embeddings": positions.shape[0],
        "type_vocab_size": 1,
        "layer_norm_eps": 1e-5,
        "bos_token_id": 0,
        "pad_token_id": 1,
        "eos_token_id": 2,
        "tie_word_embeddings": True,
    }


def _arguments(values: Mapping[str, Any]) -> Mapping[str, Any]:
    config: object = values.get("cfg")
    model: object = cast("dict[str, object]", config).get("model") if isinstance(config, dict) else None
    for found in (values.get("args"), model):
        if isinstance(found, dict):
            return cast("dict[str, Any]", found)
    raise BadInput("it has neither args nor cfg.model: no checkpoint of fairseq, which keeps its arguments there")


def _rate(arguments: Mapping[str, Any], key: str) -> float:
    value = arguments.get(key, 0.1)
    if type(value) not in (int, float) or not 0 <= value <= 1:
        raise BadInput(f"{key} is {str(value)[:60]}: a number from 0 to 1 was expected")
    return float(value)


def read_dictionary(path: str | Path, vocab_size: int | None = None) -> list[str]:
    """The tokens of a `dict.txt` in the order of their ids, fairseq's special ones and <mask> among them.

    vocab_size    rows of the token table; BadInput when the dictionary has more or fewer tokens

    A line is "token count", perhaps with a flag that lets it replace an earlier token of that name, which is then
    called NAMENOTUSED. Words such as madeupword0000 fill the table to a multiple of 8, and stand in the file.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            raw = file.read(LARGEST_DICTIONARY + 1)
        text = raw.decode("utf-8")
    except OSError as error:
        raise BadInput(f"{path}: cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise BadInput(f"{path}: byte {error.start:,} is not UTF-8") from error
    if len(raw) > LARGEST_DICTIONARY:
        raise BadInput(f"{path}: more than {LARGEST_DICTIONARY:,} bytes is no dictionary")
    places: dict[str, int] = {token: place for place, token in enumerate(SPECIAL_TOKENS)}
    tokens: list[str] = list(SPECIAL_TOKENS)
    for number, line in enumerate(text.removesuffix("\n").split("\n"), start=1):
        token, overwrite = _entry(line.removesuffix("\r"), f"{path}, line {number:,}")
        if token in places and not overwrite:
            raise BadInput(f"{path}, line {number:,}: {token[:100]!r} stands twice")
        if token in places:
            tokens[places[token]] = f"{token}NOTUSED"
        places[token] = len(tokens)
        tokens.append(token)
    if MASK not in places:
        tokens.append(MASK)
    if vocab_size is not None and len(tokens) != vocab_size:
        raise BadInput(
            f"{path}: {len(tokens):,} tokens, {len(SPECIAL_TOKENS)} first ones and {MASK} among them, "
            f"where the token table has {vocab_size:,} rows: not a pair"
        )
    return tokens


def _entry(line: str, where: str) -> tuple[str, bool]:
    """The token of a line, and whether it replaces an earlier one.

    >>> _entry("的 1061", "dict.txt"), _entry("<s> 0 #fairseq:overwrite", "dict.txt")
    (('的', False), ('<s>', True))
    """
    overwrite = line.endswith(f" {OVERWRITE}")
    token, separator, count = line.removesuffix(f" {OVERWRITE}").rpartition(" ")
    if not separator or not re.fullmatch(r"-?[0-9]{1,20}", count):
        raise BadInput(f"{where}: {line[:60]!r} is no line of a dictionary, which is a token and its count")
    return token, overwrite


def byte_level_tokens(tokens: Sequence[str], encoder: Mapping[str, int]) -> list[str]:
    """Tokens of a dictionary whose words are numbers of GPT-2's pieces, as the pieces themselves.

    encoder    GPT-2's encoder.json: piece -> number

    >>> byte_level_tokens(["<s>", "262", "madeupword0000"], {"Ġthe": 262})
    ['<s>', 'Ġthe', 'madeupword0000']
    """
    pieces = {str(number): piece for piece, number in encoder.items()}
    if lost := next((token for token in tokens if token.isdecimal() and token not in pieces), None):
        raise BadInput(f"the dictionary has the piece number {lost}, encoder.json has not: not a pair")
    return [pieces.get(token, token) for token in tokens]
