"""Folders of models that are no network but a table: vectors of tokens, or weights of tokens.

    config.json  model.safetensors  README.md (the model card)  and the tokenizer's files

Written whole or not at all; read with a closed schema, each tensor of the shape and type that config.json asks for.
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path

from torch import Tensor

from maskwright.checkpoints.config_file import CONFIG, read_json
from maskwright.checkpoints.published_weights import WEIGHTS
from maskwright.checkpoints.tensor_file import Shapes, num_bytes, read_tensors_of, write_tensors
from maskwright.config import Checked, Config, checked, plain
from maskwright.durable import check_space, staged_folder
from maskwright.errors import BadInput
from maskwright.tokenizers.tokenizer import Tokenizer


def write_static_folder(
    path: Path,
    config: Config,
    tensors: Mapping[str, Tensor],
    tokenizer: Tokenizer,
    card: str,
    *,
    before_done: Callable[[Path], None] | None = None,
) -> Path:
    """Write a folder durably, in place of what is at `path`; returns its path.

    config        with a field model_type
    card          the text of README.md
    before_done   is given the finished folder before it is at `path`; may write more into it, or raise and undo it
    """
    check_space(path.parent, num_bytes(tensors) + 2**22)
    with staged_folder(path, replace=True) as folder:
        (folder / CONFIG).write_text(json.dumps(plain(config), indent=2) + "\n", encoding="utf-8")
        write_tensors(folder / WEIGHTS, tensors)
        tokenizer.save(folder)
        (folder / "README.md").write_text(card, encoding="utf-8")
        if before_done is not None:
            before_done(folder)
    return path


def model_type_of(path: str | Path) -> str | None:
    """What config.json of a folder says the model is; None where it says nothing, or there is none.

    The file is checked by whoever reads the folder.
    """
    try:
        said: object = read_json(Path(path) / CONFIG).get("model_type")
    except (BadInput, OSError):
        return None
    return said if isinstance(said, str) else None


def read_static_folder(
    path: Path, kind: type[Checked], shapes: Callable[[Checked], Shapes]
) -> tuple[Checked, dict[str, Tensor]]:
    """The configuration and the tensors of a folder; BadInput in one line for what is missing or out of place.

    shapes    the tensors that a configuration asks for
    """
    config = checked(kind, read_json(path / CONFIG), str(path / CONFIG))
    return config, read_tensors_of(path / WEIGHTS, shapes(config), CONFIG)
