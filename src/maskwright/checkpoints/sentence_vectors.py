"""What sentence-transformers is told of a folder: how the network's token vectors become one vector of a text.

    modules.json                the steps: Transformer, Pooling, and Normalize where vectors are of length 1
    1_Pooling/config.json       what the pooling is
    sentence_bert_config.json   how long texts may be
    2_Normalize/                empty

Read as versions 2 to 6 of sentence-transformers write it, and written as all of them read it.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, cast

from maskwright.checkpoints.config_file import read_json
from maskwright.errors import BadInput

MODULES, POOLING, LENGTH = "modules.json", "1_Pooling", "sentence_bert_config.json"
PREFIX = "pooling_mode_"
MODES = ("cls_token", "mean_tokens", "max_tokens", "mean_sqrt_len_tokens", "weightedmean_tokens", "lasttoken")
"""What sentence-transformers' `Pooling` can be told, as `pooling_mode_` keys."""
OURS = {"mean_tokens": "mean", "cls_token": "cls"}


class SentenceVectors(NamedTuple):
    """How a folder makes vectors of texts.

    pooling    mean or cls; else what it asks for and we have not, by its own name
    normalize  each is scaled to length 1
    """

    pooling: str
    normalize: bool


def write_sentence_vectors(folder: Path, made: SentenceVectors, *, hidden: int, length: int) -> None:
    """Put the files into a model folder.

    hidden   H
    length   the most tokens of a text; sentence-transformers cuts what is longer
    """
    steps = [("", "Transformer"), (POOLING, "Pooling"), *([("2_Normalize", "Normalize")] if made.normalize else [])]
    listed = [
        {"idx": place, "name": str(place), "path": path, "type": f"sentence_transformers.models.{name}"}
        for place, (path, name) in enumerate(steps)
    ]
    pooled: dict[str, Any] = {"word_embedding_dimension": hidden}
    pooled |= {PREFIX + mode: OURS.get(mode) == made.pooling for mode in MODES}
    _write(folder / MODULES, listed)
    _write(folder / POOLING / "config.json", {**pooled, "include_prompt": True})
    _write(folder / LENGTH, {"max_seq_length": length, "do_lower_case": False})
    if made.normalize:
        (folder / "2_Normalize").mkdir()


def read_sentence_vectors(folder: Path) -> SentenceVectors | None:
    """What a folder says; None for one that says nothing. BadInput names a file that is not as it should be."""
    if not (folder / MODULES).is_file():
        return None
    try:
        listed: Any = json.loads((folder / MODULES).read_text(encoding="utf-8"))
        steps = [(str(step["type"]).rpartition(".")[2], str(step.get("path", ""))) for step in listed]
    except (ValueError, TypeError, KeyError, AttributeError):
        raise BadInput(f"{folder / MODULES} is no list of modules with a type each: remove it, or mend it") from None
    pooling, normalize = "mean", False
    for kind, path in steps:
        match kind:
            case "Transformer":
                pass
            case "Pooling":
                pooling = _pooling(read_json(_inside(folder, path) / "config.json"))
            case "Normalize":
                normalize = True
            case _:
                pooling = kind
    return SentenceVectors(pooling, normalize)


def _pooling(said: Mapping[str, object]) -> str:
    """One key with a name or a list of names, as version 6 has it, or a key for each."""
    named = said.get("pooling_mode")
    if named is None:
        chosen = [OURS.get(mode, mode) for mode in MODES if said.get(PREFIX + mode)]
    else:
        chosen = [str(one) for one in cast("list[object]", named)] if isinstance(named, list) else [str(named)]
    return "+".join(chosen) or "mean"


def _inside(folder: Path, path: str) -> Path:
    """A folder named by a file that may come from anywhere: only one below is looked at."""
    if Path(path).is_absolute() or ".." in Path(path).parts:
        raise BadInput(f"{folder / MODULES} names {path!r:.80}, which is not inside the folder: mend it")
    return folder / path


def _write(path: Path, value: object) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")
