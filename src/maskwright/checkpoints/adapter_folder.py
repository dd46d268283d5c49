"""A folder that holds what a task added to an encoder, and not the encoder: as `peft` has it.

adapter_config.json         which maps are changed and how (`LoraConfig` of peft)
adapter_model.safetensors   A and B of each, and the head's weights whole (`modules_to_save`)
config.json                 the task: class, labels
base.json                   the encoder: where it was, and a fingerprint of its weights
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from maskwright.checkpoints.config_file import CONFIG, read_json
from maskwright.checkpoints.published import publish
from maskwright.checkpoints.task_part import TaskPart, head_class, read_task
from maskwright.checkpoints.tensor_file import num_bytes, read_tensors, write_tensors
from maskwright.config import checked
from maskwright.durable import check_space, staged_folder
from maskwright.errors import BadInput
from maskwright.layers.low_rank import LoraConfig, LowRank
from maskwright.layers.weight_names import WeightName
from maskwright.models import ModelConfig, module_of, published

ADAPTER, TENSORS, BASE = "adapter_config.json", "adapter_model.safetensors", "base.json"
PREFIX = "base_model.model."
"""How names begin in peft's file."""
TASK_TYPES = {"span": "QUESTION_ANS", "tags": "TOKEN_CLS", "words": "TOKEN_CLS", "option": None}
"""What peft calls tasks; all others are SEQ_CLS."""


class AdapterFolder(NamedTuple):
    """What a folder says; its tensors are not yet read.

    base          where the encoder was
    fingerprint   of that encoder's weights
    """

    path: Path
    lora: LoraConfig
    part: TaskPart
    base: str
    fingerprint: str


def is_adapter(folder: str | Path) -> bool:
    """Whether a folder holds an adapter."""
    return (Path(folder) / ADAPTER).is_file()


def fingerprint(encoder: nn.Module) -> str:
    """Of an encoder's weights, whatever type they are computed in; a pooler does not count."""
    told = hashlib.sha256()
    for name, parameter in sorted(encoder.named_parameters()):
        if not name.startswith("pooler."):
            told.update(name.encode() + parameter.detach().float().cpu().contiguous().numpy().tobytes())
    return told.hexdigest()


def write_adapter(
    path: Path,
    adapter: LowRank,
    names: Sequence[WeightName],
    parameters: Mapping[str, Tensor],
    config: ModelConfig,
    part: TaskPart,
    *,
    base: str,
    encoder: str,
) -> Path:
    """Write a folder durably, in place of what is at `path`; returns its path.

    names        of what is saved whole, the head and a pooler of its own, beside `parameters`
    base         where the encoder is
    encoder      its fingerprint
    """
    there = published(config.model_type)
    whole = publish(names, parameters)
    tensors = {PREFIX + name: tensor.float().contiguous() for name, tensor in whole.items()}
    for change in adapter.changes:
        for letter, rows in (("A", adapter.a), ("B", adapter.b)):
            name = f"{PREFIX}{there.prefix}{change.published}.lora_{letter}.weight"
            tensors[name] = rows[change.key].detach().float().contiguous()
    kept = dict.fromkeys(name.removeprefix(there.prefix).partition(".")[0] for name in whole)
    said = {
        "peft_type": "LORA",
        "task_type": TASK_TYPES.get(part.asks, "SEQ_CLS"),
        "base_model_name_or_path": base,
        "inference_mode": True,
        "r": adapter.config.rank,
        "lora_alpha": adapter.config.alpha,
        "lora_dropout": 0.0,
        "bias": "none",
        "fan_in_fan_out": there.tasks in ("GPT2", "OpenAIGPT"),
        "target_modules": [there.prefix + change.published for change in adapter.changes],
        "modules_to_save": list(kept),
    }
    settings = {"architectures": [head_class(there, part.asks)], **module_of(config.model_type).config_json(config)}
    files: dict[str, Any] = {
        ADAPTER: said,
        CONFIG: {**settings, **part.settings()},
        BASE: {"model": base, "fingerprint": encoder, "targets": list(adapter.config.targets)},
    }
    check_space(path.parent, num_bytes(tensors) + 2**20)
    with staged_folder(path, replace=True) as folder:
        for name, value in files.items():
            (folder / name).write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        write_tensors(folder / TENSORS, tensors, {"format": "pt"})
    return path


def read_adapter(folder: str | Path) -> AdapterFolder:
    """Look through a folder that `write_adapter` wrote. BadInput names what is wrong with it."""
    path = Path(folder)
    if not is_adapter(path):
        raise BadInput(f"{path} is no adapter: name a folder with {ADAPTER}, such as a run's model/ of --adapter lora")
    if not (path / BASE).is_file():
        raise BadInput(f"{path} has no {BASE}: only adapters that maskwright made are read")
    said, base = read_json(path / ADAPTER), read_json(path / BASE)
    rank, alpha = said.get("r"), said.get("lora_alpha")
    lora = checked(LoraConfig, {"rank": rank, "alpha": alpha, "targets": base.get("targets")}, str(path / ADAPTER))
    part = read_task(path)
    model, mark = base.get("model"), base.get("fingerprint")
    if part is None or not isinstance(model, str) or not isinstance(mark, str):
        raise BadInput(f"{path}: {CONFIG} names no task, or {BASE} no encoder: the folder is not whole")
    return AdapterFolder(path, lora, part, model, mark)


@torch.no_grad()
def fill_adapter(
    found: AdapterFolder,
    adapter: LowRank,
    names: Sequence[WeightName],
    parameters: Mapping[str, Tensor],
    prefix: str,
) -> None:
    """Read the weights; BadInput for one that is missing, has another shape or holds no numbers.

    names, parameters   as `write_adapter` takes them
    prefix              of the encoder's tensors in classes with heads
    """
    wanted = {PREFIX + name: tensor for name, tensor in publish(names, parameters).items()}
    for change in adapter.changes:
        wanted[f"{PREFIX}{prefix}{change.published}.lora_A.weight"] = adapter.a[change.key]
        wanted[f"{PREFIX}{prefix}{change.published}.lora_B.weight"] = adapter.b[change.key]
    there = read_tensors(found.path / TENSORS)
    for name in sorted(wanted.keys() | there.keys()):
        if name not in wanted or name not in there or wanted[name].shape != there[name].shape:
            shapes = [tuple(tensors[name].shape) if name in tensors else None for tensors in (there, wanted)]
            raise BadInput(f"{found.path / TENSORS}: {name} has the shape {shapes[0]}, its files ask for {shapes[1]}")
        if not bool(there[name].isfinite().all()):
            raise BadInput(f"{found.path / TENSORS}: {name} holds infinity or NaN: the adapter is damaged")
        wanted[name].copy_(there[name])
