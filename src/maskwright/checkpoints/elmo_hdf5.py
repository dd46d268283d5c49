"""allennlp's ELMo: `options.json` and a file of HDF5 with the weights, read as ours.

allennlp 0.9 `modules/elmo.py`, `modules/elmo_lstm.py`; allenai/bilm-tf `bilm/training.py` `dump_weights`. TensorFlow
keeps the gates in the order i, z, f, o, one matrix for W and U, everything transposed, and adds 1 to the forget gate.
The softmax is not among the weights, so such a model has vectors but predicts no words.

The file comes from elsewhere. Its library is given only names that are known beforehand; nothing is read through a
link, from another file, through a filter, or before its shape and its size on disk are what the options say.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from maskwright.checkpoints.config_file import read_json
from maskwright.config import checked
from maskwright.errors import BadInput
from maskwright.models.elmo import ElmoConfig

OPTIONS = "options.json"
Array = npt.NDArray[np.float32]
LARGEST_NAMES = 100_000  # objects that are looked through for names that have no place


class Source(NamedTuple):
    """The two files of a model."""

    options: Path
    weights: Path


def find_elmo(path: Path) -> Source | None:
    """The files of allennlp's ELMo in a folder, or beside one of them; None where there are none.

    Names end in options.json and .hdf5, as those of the published ones do. BadInput for several.
    """
    if not path.is_dir() and not (path.is_file() and path.name.endswith((OPTIONS, ".hdf5"))):
        return None
    folder = path if path.is_dir() else path.parent
    weights = [path] if path.name.endswith(".hdf5") else sorted(folder.glob("*weights.hdf5"))
    options = [path] if path.is_file() and path.name.endswith(OPTIONS) else sorted(folder.glob("*options.json"))
    if not weights or not options:
        return None
    for kind, found in (("options", options), ("weights", weights)):
        if len(found) > 1:
            raise BadInput(f"{folder}: has several files of {kind}, {found[0].name} and {found[1].name}: keep one")
    return Source(options[0], weights[0])


def read_options(path: Path, vocab_size: int) -> ElmoConfig:
    """The shape that an options.json describes; BadInput names what is missing or not ELMo's."""
    data = read_json(path)
    lstm, cnn = (_table(data.get(name), f"{path}: {name}") for name in ("lstm", "char_cnn"))
    embedding = _table(cnn.get("embedding"), f"{path}: char_cnn.embedding")
    if lstm.get("use_skip_connections") is not True:
        raise BadInput(f"{path}: lstm.use_skip_connections is not true: only ELMo with skip connections is read")
    if cnn.get("n_characters") not in (261, 262):
        raise BadInput(f"{path}: char_cnn.n_characters is {cnn.get('n_characters')!r:.40}: ELMo has 262")
    settings = {
        "vocab_size": vocab_size,
        "character_size": embedding.get("dim"),
        "filters": cnn.get("filters"),
        "filter_activation": cnn.get("activation"),
        "num_highways": cnn.get("n_highway", 0),
        "max_characters": cnn.get("max_characters_per_token"),
        "num_hidden_layers": lstm.get("n_layers"),
        "cell_size": lstm.get("dim"),
        "projection_size": lstm.get("projection_dim"),
        "cell_clip": lstm.get("cell_clip"),
        "projection_clip": lstm.get("proj_clip"),
    }
    return checked(ElmoConfig, settings, str(path))


def read_weights(path: Path, config: ElmoConfig) -> tuple[dict[str, Tensor], dict[str, str]]:
    """(weights by the names of our network; what has no place, and why). BadInput in one line for a bad file."""
    try:
        import h5py
    except ImportError as error:
        raise BadInput(f"{path}: reading it needs h5py: pip install 'maskwright[elmo]'") from error
    try:
        with h5py.File(path, "r") as file:
            reader = _Reader(path, file)
            tensors = dict(_tensors(reader, config))
            return tensors, reader.left_out()
    except OSError as error:
        raise BadInput(f"{path}: no whole HDF5 file ({str(error)[:200]})") from None


def _tensors(reader: "_Reader", config: ElmoConfig) -> Iterator[tuple[str, Tensor]]:
    """Our names and values, in the order of the network."""
    total = sum(count for _, count in config.filters)
    size, cell = config.projection_size, config.cell_size
    yield "characters.table", _tensor(reader.read("char_embed", (261, config.character_size)))
    for i, (width, count) in enumerate(config.filters):
        filters = reader.read(f"CNN/W_cnn_{i}", (1, width, config.character_size, count))
        yield f"characters.filters.{i}.weight", _tensor(filters[0].transpose(2, 1, 0))
        yield f"characters.filters.{i}.bias", _tensor(reader.read(f"CNN/b_cnn_{i}", (count,)))
    for i in range(config.num_highways):
        both = [reader.read(f"CNN_high_{i}/W_{part}", (total, total)).T for part in ("transform", "carry")]
        yield f"characters.highways.{i}.transform_and_gate.weight", _tensor(np.concatenate(both))
        biases = [reader.read(f"CNN_high_{i}/b_{part}", (total,)) for part in ("transform", "carry")]
        yield f"characters.highways.{i}.transform_and_gate.bias", _tensor(np.concatenate(biases))
    yield "characters.projection.weight", _tensor(reader.read("CNN_proj/W_proj", (total, size)).T)
    yield "characters.projection.bias", _tensor(reader.read("CNN_proj/b_proj", (size,)))
    for way, direction in enumerate(("forward", "backward")):
        for i in range(config.num_hidden_layers):
            there, here = f"RNN_{way}/RNN/MultiRNNCell/Cell{i}/LSTMCell", f"{direction}_layers.{i}"
            kernel = _gates(reader.read(f"{there}/W_0", (2 * size, 4 * cell)).T)
            bias = _gates(reader.read(f"{there}/B", (4 * cell,)))
            bias[cell : 2 * cell] += 1
            yield f"{here}.recurrent", _tensor(kernel[:, size:])
            yield f"{here}.projection", _tensor(reader.read(f"{there}/W_P_0", (cell, size)).T)
            yield f"{here}.input.weight", _tensor(kernel[:, :size])
            yield f"{here}.input.bias", _tensor(bias)


def _gates(values: Array) -> Array:
    """Rows in the order i, z, f, o -> i, f, z, o."""
    i, z, f, o = np.split(values, 4)
    return np.concatenate([i, f, z, o])


def _tensor(values: Array) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32))


class _Reader:
    """Datasets of an open file, by their path."""

    def __init__(self, path: Path, file: Any) -> None:
        self._path, self._file = path, file
        self._read: set[str] = set()

    def read(self, name: str, shape: tuple[int, ...]) -> Array:
        """The values of a dataset that must be of that shape, of finite numbers, and lie in this very file."""
        found = self._find(name)
        where = f"{self._path}: {name}"
        if tuple(found.shape or ()) != shape:
            raise BadInput(
                f"{where} has the shape {_shown(found.shape or ())}, {OPTIONS} asks for {_shown(shape)}: "
                "the two files do not belong together"
            )
        if found.dtype.kind != "f" or found.dtype.itemsize not in (2, 4, 8):
            raise BadInput(f"{where} is of type {found.dtype}: numbers of 16, 32 or 64 bits were expected")
        properties = found.id.get_create_plist()
        if found.is_virtual or properties.get_external_count():
            raise BadInput(f"{where} lies in another file, which is never opened: save it into this one")
        if properties.get_nfilters():
            raise BadInput(f"{where} is compressed: save it without, as bilm-tf does")
        if found.id.get_storage_size() != (wanted := int(np.prod(shape)) * found.dtype.itemsize):
            raise BadInput(f"{where} has {found.id.get_storage_size():,} bytes in the file, not {wanted:,}: cut short?")
        values = np.asarray(found[...], dtype=np.float32)
        if not np.isfinite(values).all():
            raise BadInput(f"{where} holds infinity or NaN: the model is damaged or diverged")
        self._read.add(name)
        return values

    def _find(self, name: str) -> Any:
        """The dataset at a path each part of which is an entry of its own, no link to elsewhere."""
        import h5py

        here: Any = self._file
        so_far = ""
        for part in name.split("/"):
            so_far = f"{so_far}/{part}".lstrip("/")
            link = here.get(part, getlink=True) if isinstance(here, h5py.Group) else None
            if link is None:
                raise BadInput(f"{self._path}: {so_far} is missing: is this a file of ELMo's weights?")
            if not isinstance(link, h5py.HardLink):
                raise BadInput(f"{self._path}: {so_far} is a link, and links are never followed")
            here = here[part]
        if not isinstance(here, h5py.Dataset):
            raise BadInput(f"{self._path}: {name} is no dataset: is this a file of ELMo's weights?")
        return here

    def left_out(self) -> dict[str, str]:
        """Datasets that were not read."""
        import h5py

        names: list[str] = []

        def look(name: str, found: object) -> bool | None:
            if isinstance(found, h5py.Dataset) and name not in self._read:
                names.append(name)
            return True if len(names) > LARGEST_NAMES else None

        self._file.visititems(look)
        return dict.fromkeys(names, "no part of the network")


def _table(value: object, where: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise BadInput(f"{where} is no table: an {OPTIONS} of ELMo has lstm and char_cnn, with char_cnn.embedding")
    return cast("dict[str, Any]", value)


def _shown(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape)) or "of a single number"
