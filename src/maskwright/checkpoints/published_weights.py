"""The tensors of a published model: where they lie, under the names its own checkpoints use.

Folders differ in spelling: with and without a prefix such as `bert.`, `gamma` and `beta` for the weight and
bias of a norm, one file or shards with an index, a decoder that repeats the token table. Here all of it
becomes one table of canonical names, checked before a single value is read. Only safetensors are opened.
"""

import re
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, cast

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from maskwright.checkpoints.config_file import Table, parse_json, read_json
from maskwright.checkpoints.tensor_names import canonical_name, likeliest, parts_of, with_article
from maskwright.errors import BadInput
from maskwright.layers.weight_names import Published
from maskwright.models import ModelConfig, published

WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"
LARGEST_HEADER = 16 * 2**20  # bytes; a thousand layers need a tenth of it
FLOATS = {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}
_ROWS = 4096


class Stored(NamedTuple):
    """A tensor in a file."""

    file: Path
    name: str
    shape: tuple[int, ...]
    dtype: str

    def read(self) -> Tensor:
        """Its values, mapped from the file: the pages go when the tensor does."""
        try:
            with safe_open(self.file, framework="pt") as opened:
                return cast("Any", opened).get_tensor(self.name)
        except (SafetensorError, OSError) as error:
            raise BadInput(f"{self.file}: {self.name} cannot be read ({error})") from error


def find_weights(folder: Path, config: ModelConfig) -> dict[str, Stored]:
    """Canonical name -> where it lies, for the weights in `folder`, copies of tied ones checked and left out.

    Raises BadInput where they are plainly those of another network than `config` says.
    """
    there = published(config.model_type)
    parts = parts_of(config.model_type)
    found: dict[str, Stored] = {}
    for file in _files(folder):
        for stored in tensors_of(file):
            if (canonical := canonical_name(stored.name, there.prefix, parts)) is None:
                continue
            if stored.dtype not in FLOATS:
                raise BadInput(
                    f"{file}: {stored.name} is {stored.dtype}: only {', '.join(FLOATS)} are read; save it in float32"
                )
            if canonical in found:
                raise BadInput(f"{file}: {stored.name} and {found[canonical].name} are the same weight: keep one")
            found[canonical] = stored
    if not found:
        raise BadInput(f"{folder}: holds no tensors of a {there.name}")
    look = likeliest([stored.name for stored in found.values()], config.model_type)
    if look != config.model_type:
        raise BadInput(
            f"{folder}: these are the tensors of {with_article(published(look).name)}, and config.json says model_type "
            f'"{config.model_type}": one of the two is not this model\'s'
        )
    _untie(found, there)
    return found


def all_tensors(folder: Path) -> list[Stored]:
    """Every tensor of a folder, under the name it has there."""
    return [stored for file in _files(folder) for stored in tensors_of(file)]


def _files(folder: Path) -> list[Path]:
    if (folder / WEIGHTS).is_file():
        return [folder / WEIGHTS]
    if (folder / INDEX).is_file():
        return _shards(folder)
    others = sorted(
        path.name for path in folder.glob("*") if path.suffix in {".bin", ".h5", ".msgpack", ".ckpt", ".pt"}
    )
    if others:
        way_out = "save it again as safetensors (transformers: model.save_pretrained(folder, safe_serialization=True))"
        if others[0].endswith((".bin", ".pt")):
            way_out = f"`maskwright import {folder} --out DIR` makes safetensors of them without running them"
        raise BadInput(
            f"{folder}: has {others[0]} but no {WEIGHTS}; pickles and their like are not read here: {way_out}"
        )
    raise BadInput(f"{folder}: {WEIGHTS} is missing")


def _shards(folder: Path) -> list[Path]:
    index = folder / INDEX
    listed: object = read_json(index).get("weight_map")
    if not isinstance(listed, dict) or not listed:
        raise BadInput(f"{index}: weight_map, the table of tensors and files, is missing")
    weight_map = cast("dict[str, object]", listed)
    files: dict[str, Path] = {}
    for name, file in weight_map.items():
        if not isinstance(file, str) or not re.fullmatch(r"[\w][\w.-]*\.safetensors", file):
            raise BadInput(f"{index}: {name} lies in {file!r}: a safetensors file beside the index was expected")
        files[file] = folder / file
    for path in files.values():
        if not path.is_file():
            raise BadInput(f"{path}: missing, though {INDEX} names it")
    present = {stored.name for path in files.values() for stored in tensors_of(path)}
    if absent := sorted(set(weight_map) - present):
        raise BadInput(f"{folder / str(weight_map[absent[0]])}: {absent[0]} is missing, though {INDEX} names it")
    return list(files.values())


def tensors_of(file: Path) -> Iterator[Stored]:
    """What a safetensors file holds; the library checks offsets and sizes, we check what it leaves open."""
    header = _header(file)
    try:
        with safe_open(file, framework="pt"):
            pass
    except (SafetensorError, OSError) as error:
        raise BadInput(f"{file}: not a whole safetensors file ({error})") from error
    for name, entry in header.items():
        if name != "__metadata__":
            yield Stored(file, name, tuple(entry["shape"]), entry["dtype"])


def _header(file: Path) -> Table:
    """The header itself, for keys that stand twice: parsers differ in which one they take."""
    try:
        with file.open("rb") as opened:
            start = opened.read(8)
            length = struct.unpack("<Q", start)[0] if len(start) == 8 else 0
            if not 0 < length <= LARGEST_HEADER:
                raise BadInput(f"{file}: not a safetensors file (its header would have {length:,} bytes)")
            raw = opened.read(length)
    except OSError as error:
        raise BadInput(f"{file}: cannot be read ({error.strerror})") from error
    if len(raw) < length:
        raise BadInput(f"{file}: cut short: {len(raw) + 8:,} bytes where its header alone has {length + 8:,}")
    return parse_json(raw, str(file))


def _untie(found: dict[str, Stored], there: Published) -> None:
    """Drop the copies of the token table and of the decoder's bias, when that is what they are."""
    for copy, original in there.tied.items():
        if copy not in found:
            continue
        stored = found.pop(copy)
        if original not in found:
            found[original] = stored  # saved under its other name alone
        elif not _equal(stored, found[original]):
            raise BadInput(
                f"{stored.file}: {stored.name} differs from {found[original].name}: "
                f"a decoder of its own is not {there.name}'s, whose decoder is the token table"
            )


def _equal(one: Stored, other: Stored) -> bool:
    if one.shape != other.shape:
        return False
    return all(torch.equal(a, b) for a, b in zip(one.read().split(_ROWS), other.read().split(_ROWS), strict=True))


def check_shape(stored: Stored, target: Tensor, asking: str = "config.json") -> None:
    """BadInput unless `target`, which may be on the device "meta", has the shape that is stored.

    asking   the file that the shape follows from
    """
    if stored.shape != tuple(target.shape):
        raise BadInput(
            f"{stored.file}: {stored.name} has the shape {_shape(stored.shape)}, "
            f"{asking} asks for {_shape(tuple(target.shape))}"
        )


def copy_values(stored: Stored, target: Tensor) -> None:
    """Read into `target`, cast to its type; BadInput for values that are no numbers. See `check_shape` before."""
    with torch.no_grad():
        target.copy_(stored.read())
        if (
            target.is_floating_point()
            and target.numel()
            and not all(bool(end.isfinite()) for end in torch.aminmax(target))
        ):
            raise BadInput(f"{stored.file}: {stored.name} holds infinity or NaN: the model is damaged or diverged")


def check_copy(stored: Stored, original: Tensor) -> None:
    """BadInput unless what is stored is `original` again, as far as its type of numbers can tell."""
    if not torch.equal(stored.read().to(original.dtype), original.cpu()):
        raise BadInput(
            f"{stored.file}: {stored.name} differs from the layers it should share its weights with: "
            "config.json says they are shared"
        )


def _shape(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape)) or "of a single number"


Weights = Mapping[str, Stored]
