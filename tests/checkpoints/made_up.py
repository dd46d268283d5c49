"""A small model folder, and ways to spoil one."""

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file
from torch import Tensor

from maskwright.checkpoints.folder import write_folder
from maskwright.models import module_of, network_of
from maskwright.tokenizers.byte_bpe import ByteBPE
from maskwright.tokenizers.files import SPECIAL_TOKENS
from maskwright.tokenizers.tokenizer import Tokenizer
from maskwright.tokenizers.unigram import Unigram
from maskwright.tokenizers.wordpiece import WordPiece
from maskwright.training.pretraining import Pretraining
from tests.models.networks import network, small

WORDS = "the of paris capital france is a cat sat on mat . , ? river long and blue ##ing ##ed 中 国 人 ' é x".split()


def tokenizer(extra: int = 0) -> WordPiece:
    """Five special tokens, a few words, and letters so that little is unknown."""
    letters = [chr(c) for c in range(ord("b"), ord("x"))]
    pieces = [f"##{chr(c)}" for c in range(ord("a"), ord("z") + 1)]
    tokens = [*SPECIAL_TOKENS, *WORDS, *letters, "y", "z", *pieces, *(f"word{i}" for i in range(extra))]
    return WordPiece(tokens)


@cache
def tokenizer_for(model_type: str) -> Tokenizer:
    """The kind that the network was published with, made of a few words; or another that will do."""
    text = [" ".join(WORDS), "the cat sat on a mat", "Paris is the capital of France."] * 20
    if model_type in ("roberta", "xlm-roberta"):
        return ByteBPE.train(text, 300)
    if model_type == "gpt2":
        return ByteBPE.train(text, 300, style="gpt2")
    if model_type == "xlnet":
        return Unigram.train(text, 64, style="xlnet")
    return Unigram.train(text, 60) if model_type == "albert" else tokenizer()


def config(model_type: str = "bert", **changes: Any) -> Any:
    size = tokenizer_for(model_type)
    pads = {"pad_token_id": size.pad_id} if "pad_token_id" in module_of(model_type).Config.model_fields else {}
    return small(model_type, **{"vocab_size": size.vocab_size, **pads, **changes})


def folder(
    path: Path, heads: tuple[str, ...] = ("mlm", "nsp"), seed: int = 0, model_type: str = "bert", **changes: Any
) -> Pretraining:
    """Write a model of random weights to `path`."""
    shape = config(model_type, **changes)
    model = network(shape, heads, seed)
    part = model if heads else model.encoder
    write_folder(
        path,
        names=part.weight_names(),
        parameters=dict(part.named_parameters()),
        config=shape,
        tokenizer=tokenizer_for(model_type),
        facts={"steps": 10, "Data": {"tokens": 1234567, "languages": ["en", "zh"]}},
    )
    return model


def change_tensors(path: Path, change: Callable[[dict[str, Tensor]], object], file: str = "model.safetensors") -> None:
    tensors = load_file(path / file)
    change(tensors)
    save_file(tensors, path / file, {"format": "pt"})


def change_config(path: Path, **changes: Any) -> None:
    data = json.loads((path / "config.json").read_text())
    (path / "config.json").write_text(json.dumps({**data, **changes}))


def encoder(folder: Path) -> Path:
    """A folder of a BERT as it begins, with a pooler and without heads."""
    made = network_of(config()).initialise(0)
    return write_folder(
        folder,
        names=made.weight_names(),
        parameters=dict(made.named_parameters()),
        config=config(),
        tokenizer=tokenizer(),
    )
