"""Small folders of an ELMo and of a table of vectors, and made-up tasks that they can learn."""

from pathlib import Path

import numpy as np
import torch

from maskwright.checkpoints.elmo_folder import write_elmo
from maskwright.draws import generator
from maskwright.tokenizers.words import Words
from maskwright.training.both_ways_lm import both_ways_lm
from maskwright.training.word2vec import TableConfig
from maskwright.training.word2vec_recipe import write_table
from tests.models.elmo_batches import config

TOKENS = ["<unk>", *"a the film was fine dull long and very not it of story plot cast fast".split()]
WORDS = Words(TOKENS)
RARE = WORDS.vocabulary.ids["cast"]
"""A token without a vector."""


def elmo_folder(path: Path) -> Path:
    """Of two layers, its weights large enough that words differ; with its softmax."""
    shape = config(
        vocab_size=WORDS.vocab_size + 1, character_size=8, filters=((1, 16), (2, 32)), projection_size=24, cell_size=24,
        cell_clip=3.0, projection_clip=3.0,
    )  # fmt: skip
    model = both_ways_lm(shape)
    model.initialise(0)
    rng = torch.Generator().manual_seed(1)
    for name, parameter in model.named_parameters():
        torch.nn.init.normal_(parameter, std=0.6 if "characters" in name else 0.2, generator=rng)
    parameters = dict(model.named_parameters())
    return write_elmo(path, config=model.encoder.config, parameters=parameters, tokenizer=WORDS, facts={"steps": 3})


def table_folder(path: Path) -> Path:
    """Of sixteen numbers a token."""
    counts = np.full(WORDS.vocab_size, 9)
    counts[[0, RARE]] = 0
    vectors = generator(0, "vectors").normal(size=(WORDS.vocab_size, 16)).astype(np.float32) * (counts > 0)[:, None]
    shape = TableConfig(vocab_size=WORDS.vocab_size, hidden_size=16)
    return write_table(path, shape, vectors, counts, WORDS, {"epochs": 1})


FOLDERS = {"elmo": elmo_folder, "word2vec": table_folder}
