"""How long a recipe takes for a token here, so that runs can be given equal time."""

import statistics
import time
from collections.abc import Callable
from typing import Any

import torch

from comparison.recipes import times_read, unlimited
from comparison.rows import OTHERS, RUNS
from comparison.terms import Terms
from maskwright.corpus.read import Corpus
from maskwright.progress import Progress
from maskwright.recipes import module_of
from maskwright.training.gradients import gradients
from maskwright.training.optimizers import Optimizer
from maskwright.training.run import PRECISIONS, device_for
from maskwright.training.signals import Stop
from maskwright.training.word2vec import word_vectors
from maskwright.training.work import whole

STEPS, ROUNDS = 12, 3


def paces(terms: Terms, language: str, corpus: Corpus, part: Corpus, progress: Progress) -> dict[str, float]:
    """Seconds a token of BERT and of each other recipe that learns by steps or passes; the median of turns.

    part   what word2vec is timed on
    """
    bert = RUNS["bert"]
    trained = {"bert": bert, **{name: RUNS[name] for name in OTHERS if name not in ("word2vec", "bags")}}
    turns: dict[str, Callable[[], float]] = {
        name: _steps(unlimited(terms, language, run.recipe, run.changes, corpus), corpus)
        for name, run in trained.items()
    }
    vectors = unlimited(terms, language, "word2vec", {}, part)
    turns["word2vec"] = lambda: (
        _timed(lambda: word_vectors(part.train, terms.width, vectors.training)) / (part.train.num_tokens)
    )
    found: dict[str, list[float]] = {name: [] for name in turns}
    with progress.stage(f"{language}: seconds a token", ROUNDS * len(turns), "turns") as bar:
        for _ in range(ROUNDS):
            for name, turn in turns.items():
                found[name].append(turn())
                bar.advance(1, f"{name} {found[name][-1] * 1e6:.1f} µs")
    return {name: statistics.median(values) for name, values in found.items()}


def _steps(recipe: Any, corpus: Corpus) -> Callable[[], float]:
    """A turn of some training steps; what it gives is seconds a token."""
    work = module_of(recipe.recipe).build(recipe, corpus)
    work.module.to(device_for()).train()
    optimizer = Optimizer(work.module, recipe.optimizer, PRECISIONS[recipe.training.precision])
    done = 0

    def turn() -> float:
        nonlocal done
        tokens = 0

        def steps() -> None:
            nonlocal tokens
            for step in range(done, done + STEPS):
                batches = work.batches(step)
                tokens += sum(batch.num_tokens for batch in batches)
                gradients(work, optimizer, whole(batches), recipe.training, step, Stop())
                optimizer.step(0.0)

        taken = _timed(steps)
        done += STEPS
        return taken * times_read(recipe.recipe) / tokens

    turn()  # the first steps are slower
    return turn


def _timed(do: Callable[[], object]) -> float:
    """Seconds: of a processor on a CPU, where others may be at work; by the clock where a GPU works."""
    gpu = device_for().type == "cuda"
    clock = time.perf_counter if gpu else time.process_time
    began = clock()
    do()
    if gpu:
        torch.cuda.synchronize()
    return clock() - began
