"""The weights of a Hugging Face folder that has them as pickles: pytorch_model.bin, or shards with an index."""

import json
import re
from pathlib import Path
from typing import cast

from maskwright.checkpoints.config_file import read_json
from maskwright.checkpoints.published_weights import INDEX, WEIGHTS
from maskwright.checkpoints.torch_files.guarded import Imported, Limits, read_torch_file
from maskwright.durable import staged_folder
from maskwright.errors import BadInput

TORCH_WEIGHTS, TORCH_INDEX = "pytorch_model.bin", "pytorch_model.bin.index.json"
MOST_SHARDS = 1_000


def read_torch_folder(path: str | Path, *, out: str | Path, limits: Limits | None = None) -> list[Imported]:
    """Write the weights in the folder `path` to the new folder `out` as safetensors, one file for each of torch's.

    `out` gets model.safetensors, or shards with model.safetensors.index.json, and nothing else. See `read_torch_file`.

    Raises BadInput as that does, and for an index that names a file that is missing or lies elsewhere; then
    there is no `out`.
    """
    path, out = Path(path), Path(out)
    files = {TORCH_WEIGHTS: WEIGHTS} if (path / TORCH_WEIGHTS).is_file() else None
    weight_map: dict[str, str] = {}
    if files is None:
        if not (path / TORCH_INDEX).is_file():
            raise BadInput(f"{path}: has neither {TORCH_WEIGHTS} nor {TORCH_INDEX}")
        weight_map, files = _shards(path)
    with staged_folder(out) as folder:
        read = [read_torch_file(path / there, out=folder / ours, limits=limits) for there, ours in files.items()]
        if weight_map:
            index = {"metadata": {}, "weight_map": {name: files[file] for name, file in weight_map.items()}}
            (folder / INDEX).write_text(json.dumps(index, indent=2) + "\n", encoding="utf-8")
    return [Imported(out / one.path.name, one.tensors, one.values, one.dropped) for one in read]


def _shards(folder: Path) -> tuple[dict[str, str], dict[str, str]]:
    """Tensor -> shard, and shard -> our name of it."""
    index = folder / TORCH_INDEX
    listed: object = read_json(index).get("weight_map")
    if not isinstance(listed, dict) or not listed:
        raise BadInput(f"{index}: weight_map, the table of tensors and files, is missing")
    weight_map = cast("dict[str, object]", listed)
    for name, file in weight_map.items():
        if not isinstance(file, str) or not re.fullmatch(r"pytorch_model[\w-]*\.bin", file, re.ASCII):
            raise BadInput(
                f"{index}: {name} lies in {file!r}: a file pytorch_model-*.bin beside the index was expected"
            )
    files = {
        file: f"{file.removeprefix('pytorch_').removesuffix('.bin')}.safetensors"
        for file in cast("dict[str, str]", weight_map).values()
    }
    if len(files) > MOST_SHARDS:
        raise BadInput(f"{index}: names {len(files):,} files: up to {MOST_SHARDS:,} are read")
    for file in files:
        if not (folder / file).is_file():
            raise BadInput(f"{folder / file}: missing, though {TORCH_INDEX} names it")
    return cast("dict[str, str]", weight_map), files
