"""One run of the bake-off: `quick` with the changes of its row, as many steps as the budget of tokens allows."""

import json
import math
from pathlib import Path
from typing import Any, NamedTuple

import torch

import maskwright as mw
from comparison.answers import LENGTH, held_out, probe
from comparison.rows import RUNS
from maskwright.config import checked, override, plain
from maskwright.corpus.read import Corpus
from maskwright.corpus.rearrange import split
from maskwright.durable import staged_file
from maskwright.models.albert import AlbertConfig
from maskwright.progress import Progress
from maskwright.recipes import quick, train
from maskwright.training.masked_recipe import Recipe, data
from maskwright.training.run import keep_memory
from maskwright.training.start import StartConfig
from maskwright.training.word2vec import word_vectors

WIDTH = 128
PASSES = 12
"""How often runs on a part of the corpus see it."""
BATCH = 32
"""Sequences of an update, unless a row says otherwise."""


class Terms(NamedTuple):
    """What all runs of one call have in common."""

    corpora: Path
    out: Path
    tokens: float


class Job(NamedTuple):
    """One run."""

    language: str
    name: str
    seed: int

    def folder(self, out: Path) -> Path:
        """Where it is trained."""
        return out / self.language / self.name / str(self.seed)


def prepare(terms: Terms, language: str, progress: Progress) -> None:
    """What all runs of a language begin with: word2vec vectors of its training documents, and the small part."""
    corpus = Corpus.open(terms.corpora / language)
    path = _vectors(terms, language)
    if not path.is_file():
        ids, vectors, _ = word_vectors(corpus.train, WIDTH, StartConfig(epochs=1).word2vec(seed=0), progress)
        path.parent.mkdir(parents=True, exist_ok=True)
        with staged_file(path) as file:
            file.write(f"{len(ids)} {WIDTH}\n".encode())
            for i, vector in zip(ids.tolist(), vectors, strict=True):
                file.write(f"{corpus.tokenizer.id_to_token(i)} {' '.join(f'{x:.6g}' for x in vector)}\n".encode())
    if not _part(terms, language).is_dir():
        share = min(1.0, terms.tokens / PASSES / corpus.train.num_tokens)
        split(corpus.path, [_part(terms, language)], [share], progress=progress)


def run(terms: Terms, job: Job) -> dict[str, Any]:
    """Train it and ask it. Goes on where it was stopped before.

    Alone in its process: on one core, with the allocator told to keep memory.
    """
    torch.set_num_threads(1)
    keep_memory()
    folder = job.folder(terms.out)
    whole = Corpus.open(terms.corpora / job.language)
    corpus = Corpus.open(_part(terms, job.language)) if job.name.startswith("part-") else whole
    recipe = recipe_of(terms, job, corpus)
    if train(recipe, corpus, folder, allocator="kept"):
        raise KeyboardInterrupt
    encoder = mw.load(folder / "model")
    last = json.loads((folder / "metrics.jsonl").read_text().splitlines()[-1])
    return {
        **job._asdict(),
        "budget": terms.tokens,
        "steps": recipe.training.steps,
        "tokens": last["tokens"],
        "seconds": last["timing"]["seconds"],
        "parameters": sum(p.numel() for p in encoder.model.parameters()),
        **held_out(encoder, whole),
        "probe": probe(encoder, job.language, terms.corpora / "packages"),
    }


def recipe_of(terms: Terms, job: Job, corpus: Corpus) -> Recipe:
    """`quick` at 15 % masks with the row's changes."""
    changes, tokenizer = RUNS[job.name], corpus.tokenizer
    start = plain(quick.recipe("tiny", str(corpus.path), tokenizer.vocab_size))
    if changes.get("model.model_type") == "albert":
        start["model"] = plain(
            AlbertConfig(vocab_size=tokenizer.vocab_size, hidden_dropout_prob=0, attention_probs_dropout_prob=0)
        )
    common = {
        "model.pad_token_id": tokenizer.pad_id, "model.max_position_embeddings": LENGTH, "layout.max_length": LENGTH,
        "masks.rate": 0.15, "start.tokens": str(_vectors(terms, job.language)),
        "training.seed": job.seed, "training.batch_sequences": BATCH, "training.micro_sequences": BATCH,
        "training.evaluate_every": 10**6, "training.held_out_sequences": 32,
    }  # fmt: skip
    first = checked(Recipe, override(start, {**common, **changes}), job.name)
    seen = data(first, corpus)
    batches = [seen.batches(step) for step in range(3)]
    a_step = sum(batch.num_tokens for step in batches for batch in step) / len(batches)
    steps = max(1, round(terms.tokens / a_step))
    # Fewer and larger steps want a higher rate, by the root of their size, up to what still converges.
    scale = min(3.0, math.sqrt(first.training.batch_sequences / BATCH))
    rates = {f"optimizer.{name}": getattr(first.optimizer, name) * scale for name in ("rate", "matrix_rate")}
    done = {"training.steps": steps, "training.save_every": steps, "training.log_every": max(1, steps // 20)}
    return checked(Recipe, override(plain(first), {**rates, **done}), job.name)


def _vectors(terms: Terms, language: str) -> Path:
    return terms.out / language / f"word2vec-{WIDTH}.txt"


def _part(terms: Terms, language: str) -> Path:
    return terms.out / language / f"part-{terms.tokens / PASSES:.0f}"
