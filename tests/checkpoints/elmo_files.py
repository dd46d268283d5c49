"""allennlp's two files of an ELMo, with random weights."""

import json
from pathlib import Path
from typing import Any

from tests.models.plain_elmo import Arrays, drawn

OPTIONS: dict[str, Any] = {
    "lstm": {
        "cell_clip": 0.8, "use_skip_connections": True, "n_layers": 2, "proj_clip": 0.6, "projection_dim": 5, "dim": 9,
    },
    "char_cnn": {
        "embedding": {"dim": 3}, "filters": [[1, 4], [2, 5], [4, 6]], "n_highway": 2, "n_characters": 262,
        "max_characters_per_token": 20, "activation": "relu",
    },
}  # fmt: skip


def changed(**parts: Any) -> dict[str, Any]:
    """The options with keys of lstm and char_cnn exchanged: changed(lstm={"dim": 3})."""
    return {name: {**table, **parts.get(name, {})} for name, table in OPTIONS.items()}


def write(folder: Path, options: Any = OPTIONS, arrays: Arrays | None = None) -> Path:
    """options.json and weights.hdf5; the latter's path."""
    import h5py

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "options.json").write_text(json.dumps(options))
    with h5py.File(folder / "weights.hdf5", "w") as file:
        for name, values in (drawn(OPTIONS) if arrays is None else arrays).items():
            file.create_dataset(name, data=values.astype("float32"))
    return folder / "weights.hdf5"
