"""Small work for the loop: BERT on drawn documents, a corpus without files."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

from maskwright.batch import Batch, flat_batch
from maskwright.corpus.read import Corpus, Split
from maskwright.layers.dropout import DropoutStream
from maskwright.objectives.layouts import LayoutConfig
from maskwright.objectives.masked_lm import MasksConfig
from maskwright.objectives.tally import Tally
from maskwright.training.flat import FlatParameters
from maskwright.training.fully_sharded import FullySharded
from maskwright.training.loop import train
from maskwright.training.masked_recipe import Recipe, build
from maskwright.training.optimizers import Optimizer, OptimizerConfig
from maskwright.training.pretraining import Pretraining
from maskwright.training.run import PRECISIONS
from maskwright.training.run_folder import RunFolder
from maskwright.training.training_config import TrainingConfig
from maskwright.training.work import Work
from tests.models.networks import small

VOCABULARY = 50


def split(documents: int, seed: int, *, even: bool = False) -> Split:
    """Documents of 2 to 9 sentences (an even number, if asked) of 1 to 8 tokens; neighbours are alike, which can be
    learned."""
    draws = np.random.default_rng(seed)
    sizes = draws.integers(2, 10, documents)
    sizes -= sizes % 2 if even else 0
    lengths = draws.integers(1, 9, sizes.sum())
    firsts = np.cumsum(lengths) - lengths
    steps = draws.integers(-2, 3, lengths.sum())
    return Split.from_arrays(
        (5 + np.abs(np.cumsum(steps)) % (VOCABULARY - 5)).astype(np.uint16),
        (draws.random(lengths.sum()) < 0.7).astype(np.uint8) | np.isin(np.arange(lengths.sum()), firsts),
        np.concatenate([[0], np.cumsum(lengths)]),
        np.concatenate([[0], np.cumsum(sizes)]),
    )


def corpus(train: int = 30, held_out: int = 6, languages: tuple[str, ...] = ()) -> Corpus:
    """Of pairs of sentences where two languages are named."""
    ids: dict[str, Any] = {"pad_id": 0, "unk_id": 1, "cls_id": 2, "sep_id": 3, "mask_id": 4, "vocab_size": VOCABULARY}
    ids |= {"kind": "wordpiece", "special_ids": np.arange(5), "id_to_token": str, "tokens": ()}
    made: Any = SimpleNamespace(
        train=split(train, 1, even=bool(languages)),
        held_out=split(held_out, 2, even=bool(languages)),
        tokenizer=SimpleNamespace(**ids),
        path=Path("drawn"),
        manifest=SimpleNamespace(words="drawn", languages=languages),
    )
    return made


def recipe(*, dropout: float = 0.1, optimizer: str = "google", **training: Any) -> Recipe:
    settings: dict[str, Any] = {
        "steps": 12, "batch_sequences": 6, "micro_sequences": 4, "log_every": 3, "evaluate_every": 6, "save_every": 100,
        "schedule": "google",
    }  # fmt: skip
    return Recipe(
        corpus="drawn",
        model=small(vocab_size=VOCABULARY, hidden_dropout_prob=dropout, attention_probs_dropout_prob=dropout),
        layout=LayoutConfig(max_length=32),
        masks=MasksConfig(rate=0.2),
        optimizer=OptimizerConfig(name=optimizer, rate=1e-2),
        training=TrainingConfig(**{**settings, **training}),
    )


class Around:
    """Another work with something of its own in the way; what is not overridden is the other's."""

    def __init__(self, inner: Work) -> None:
        self.inner = inner

    @property
    def module(self) -> Any:
        return self.inner.module

    def batches(self, step: int) -> Sequence[Batch]:
        return self.inner.batches(step)

    def held_out(self) -> Iterator[Batch]:
        return self.inner.held_out()

    def counts(self, batch: Batch) -> dict[str, int]:
        return self.inner.counts(batch)

    def tallies(self, batch: Batch, stream: DropoutStream | None) -> dict[str, Tally]:
        return self.inner.tallies(batch, stream)


def run_in(folder: Path, recipe: Recipe, work: Work | None = None) -> bool:
    """Train in `folder`, from where it is; whether to the end."""
    with RunFolder.open(folder, {"recipe": recipe.recipe}, {"corpus": "a", "tokenizer": "b"}) as opened:
        if work is None:
            work = build(recipe, corpus())
        optimizer = Optimizer(work.module, recipe.optimizer, PRECISIONS[recipe.training.precision])
        return train(work, optimizer, recipe.training, opened, tensorboard=False) is None


class Examples:
    """Sequences that can be joined to micro-batches in any way. Some have nothing to predict."""

    def __init__(self, seed: int, sequences: int) -> None:
        draws = np.random.default_rng(seed)
        self.rows: list[dict[str, np.ndarray]] = []
        for place in range(sequences):
            length = int(draws.integers(3, 20))
            hidden = np.flatnonzero(draws.random(length) < 0.3) if place % 3 else np.zeros(0, np.int64)
            self.rows.append(
                {
                    "ids": draws.integers(1, VOCABULARY, length),
                    "types": draws.integers(0, 2, length),
                    "rows": hidden,
                    "targets": draws.integers(1, VOCABULARY, len(hidden)),
                    "label": draws.integers(0, 2, 1),
                }
            )

    def batch(self, which: Sequence[int]) -> Batch:
        parts = [self.rows[i] for i in which]
        ends = np.concatenate([[0], np.cumsum([len(part["ids"]) for part in parts])]).astype(np.int64)

        def joined(name: str) -> np.ndarray:
            return np.concatenate([part[name] for part in parts])

        rows = np.concatenate([part["rows"] + start for part, start in zip(parts, ends[:-1], strict=True)])
        return flat_batch(
            joined("ids"), ends, joined("types"),
            predict_rows=rows, predict_ids=joined("targets"), pair_labels=joined("label"),
        )  # fmt: skip


class Given:
    """Work on batches that are given."""

    def __init__(self, module: Pretraining, batches: Sequence[Batch], held_out: Sequence[Batch] = ()) -> None:
        self.module = module
        self._batches, self._held_out = batches, held_out

    def batches(self, step: int) -> Sequence[Batch]:
        return self._batches

    def held_out(self) -> Iterator[Batch]:
        return iter(self._held_out)

    def counts(self, batch: Batch) -> dict[str, int]:
        return self.module.counts(batch)

    def tallies(self, batch: Batch, stream: DropoutStream | None) -> dict[str, Tally]:
        return self.module.tallies(batch, stream)


def clipped(flat: FlatParameters | FullySharded, limit: float | None) -> float:
    """The gradient's length, to which it was then shortened as the loop does."""
    norm = float(flat.length())
    flat.shorten(norm, limit)
    return norm


def relative(a: torch.Tensor, b: torch.Tensor) -> float:
    """The length of a - b over that of b."""
    return float((a - b).norm() / b.norm())
