"""An `Encoder` from its folder: its network, tokenizer and task, in the numbers that it is to compute with."""

from pathlib import Path

import torch

from maskwright.checkpoints.adapter_folder import is_adapter, read_adapter
from maskwright.checkpoints.folder import ModelFolder, read_folder
from maskwright.checkpoints.sentence_vectors import read_sentence_vectors
from maskwright.checkpoints.task_folder import TaskFile, check_task, fill_task, one_task, read_task_file
from maskwright.checkpoints.task_part import TaskPart, fill_head, read_task
from maskwright.errors import BadInput
from maskwright.inference.encoder import Encoder
from maskwright.layers.capability import capability_of, lacking
from maskwright.tasks.answering import Task
from maskwright.tokenizers.loading import load_tokenizer
from maskwright.tokenizers.tokenizer import Tokenizer
from maskwright.training.finetuning import AS_IS, finetuning
from maskwright.training.pretraining import Pretraining, network

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
INT8 = "int8"
"""What `load` takes beside these: products of 8-bit integers, all else in float32 and attention in bfloat16."""


def load(
    folder: str | Path, *, adapter: str | Path | None = None, dtype: str = "float32", device: str = "cpu"
) -> Encoder:
    """See `maskwright.load`."""
    if adapter is None and is_adapter(folder):
        adapter, folder = folder, read_adapter(folder).base
        if not Path(folder).is_dir():
            raise BadInput(f"{adapter} belongs to the encoder {folder}, which is not there: load(encoder, adapter=...)")
    if adapter is not None:
        return load(folder, dtype=dtype, device=device).adapted(adapter)
    if dtype == INT8:
        if device != "cpu":
            raise BadInput(f"dtype {INT8} is for processors: take bfloat16 on {device}")
        return load(folder).in_eight_bits()
    if dtype not in DTYPES:
        raise BadInput(f"dtype {dtype!r}: there are {', '.join((*DTYPES, INT8))}")
    if dtype == "bfloat16" and (line := lacking("bf16", capability_of(device_of(device)))):
        raise BadInput(f"dtype {dtype}: {line}: take float32")
    found = read_folder(folder)
    tokenizer = load_tokenizer(found.path)
    if tokenizer.vocab_size > found.config.vocab_size:
        raise BadInput(
            f"{folder}: the tokenizer has {tokenizer.vocab_size} tokens, the network {found.config.vocab_size}: "
            "they do not belong together"
        )
    part, above = read_task(found.path), read_task_file(found.path)
    if part is not None or above is not None:
        return _load_task(found, part, above, tokenizer, dtype, device)
    model = network(found.config, found.heads, "meta")
    found.check(model.weight_names(), model)  # before there is memory for what config.json claims
    model = model.to_empty(device=device_of(device))
    found.fill(model.weight_names(), model)
    said = read_sentence_vectors(found.path)
    return Encoder(model.to(DTYPES[dtype]), tokenizer, has_pooler=found.has_pooler, where=str(folder), sentences=said)


def _load_task(
    found: ModelFolder, said: TaskPart | None, above: TaskFile | None, tokenizer: Tokenizer, dtype: str, device: str
) -> Encoder:
    """An encoder that was fine-tuned, with its task: that of config.json, or that of task.json."""
    found = found.of_encoder()
    part = one_task(found.path, said, above)
    model = finetuning(found.config, part, 0, "meta", features=above.features if above else AS_IS)
    if model.head.pools and not found.has_pooler:
        raise BadInput(f"{found.path}: the pooler's tensors are missing, and its head reads through them")
    found.check(model.encoder_names(), model)
    if above is not None:
        check_task(found.path, model)
    model = model.to_empty(device=device_of(device))
    found.fill(model.encoder_names(), model)
    if above is not None:
        fill_task(found.path, model)
    else:
        fill_head(found.path, model.head.weight_names, model.head)
    model = model.to(DTYPES[dtype])
    encoder = Pretraining(model.encoder, {})
    task = Task(part, model, above)
    return Encoder(encoder, tokenizer, has_pooler=found.has_pooler, where=str(found.path), task=task)


def device_of(name: str) -> torch.device:
    """The device of that name; BadInput where it is not here."""
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise BadInput(f"device {name!r} is not here ({str(error).splitlines()[0]}): take cpu") from None
    return device
