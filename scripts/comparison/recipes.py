"""The recipe of each run: the same shape and regime for all of its kind, as much text as its budget allows."""

import math
from typing import Any

from comparison.rows import RUNS, Changes
from comparison.terms import LENGTH, Job, Terms
from maskwright.config import Config, checked, override, plain
from maskwright.corpus.read import Corpus
from maskwright.models.albert import AlbertConfig
from maskwright.models.bert import SIZES
from maskwright.recipes import module_of

BATCH = 32
"""Sequences of the update that `quick`'s rates are for."""
LANES = 4
"""Lanes of ELMo, 20 words each, for a sequence of the others."""
ELMO_RATE = 1e-2


def recipe_of(terms: Terms, job: Job, corpus: Corpus, tokens: float) -> Config:
    """The run's recipe on that corpus, with as many steps as `tokens` take; one without steps reads all the corpus."""
    run = RUNS[job.name]
    first = unlimited(terms, job.language, run.recipe, run.changes, corpus, seed=job.seed)
    module = module_of(run.recipe)
    if run.recipe == "word2vec":
        passes = max(1, round(tokens / corpus.train.num_tokens))
        return checked(module.Recipe, override(plain(first), {"training.epochs": passes}), job.name)
    if hasattr(module, "train"):
        return first
    seen = module.data(first, corpus)
    batches = [seen.batches(step) for step in range(3)]
    a_step = sum(batch.num_tokens for step in batches for batch in step) / len(batches) / times_read(run.recipe)
    steps = max(1, round(tokens / a_step))
    done = {"training.steps": steps, "training.save_every": steps, "training.log_every": max(1, steps // 20)}
    return checked(module.Recipe, override(plain(first), done), job.name)


def times_read(recipe: str) -> int:
    """How often a step counts a token that it reads: ELMo's once for each direction."""
    return 2 if recipe == "elmo" else 1


def unlimited(terms: Terms, language: str, name: str, changes: Changes, corpus: Corpus, seed: int = 0) -> Any:
    """A recipe of the bake-off's shape and regime with a row's changes, before anyone says how long it runs."""
    module, tokenizer = module_of(name), corpus.tokenizer
    size = "full" if name == "bag_of_words" else terms.size if terms.size in module.SIZES else "tiny"
    start = plain(module.recipe(size, str(corpus.path), tokenizer.vocab_size))
    common: Changes = {"training.seed": seed}
    if not hasattr(module, "train"):
        if changes.get("model.model_type") == "albert":
            start["model"] = plain(AlbertConfig(vocab_size=tokenizer.vocab_size))
        common |= _shape(name, terms.size) | _regime(name, terms)
        common |= {f"model.{key}": 0 for key in start["model"] if "dropout" in key}
        if "pad_token_id" in start["model"]:
            common["model.pad_token_id"] = tokenizer.pad_id
        if name == "quick":
            common |= {"masks.rate": 0.15, "start.tokens": str(terms.vectors(language))}
    elif name == "word2vec":
        common |= {"model.hidden_size": terms.width, "training.epochs": 1}
    recipe = checked(module.Recipe, override(start, {**common, **changes}), name)
    if name not in ("quick", "gpt", "xlnet"):
        return recipe
    # Fewer and larger steps want a higher rate, by the root of their size, up to what still converges.
    scale = min(3.0, math.sqrt(recipe.training.batch_sequences / BATCH))
    rates = {f"optimizer.{key}": getattr(recipe.optimizer, key) * scale for key in ("rate", "matrix_rate")}
    return checked(module.Recipe, override(plain(recipe), rates), name)


def _shape(name: str, size: str) -> Changes:
    """Layers and widths like those of BERT's size; ELMo keeps its two layers."""
    numbers = SIZES[size]
    layers, hidden = numbers["num_hidden_layers"], numbers["hidden_size"]
    if name == "xlnet":
        shape = {"n_layer": layers, "d_model": hidden, "n_head": hidden // 64, "d_inner": 4 * hidden}
    elif name == "elmo":
        shape = {"projection_size": hidden // 2, "cell_size": 2 * hidden}
    else:
        shape = {"max_position_embeddings": LENGTH}
    return {f"model.{key}": value for key, value in shape.items()}


def _regime(name: str, terms: Terms) -> Changes:
    """`quick`'s; ELMo's matrices, which Muon does not take, are moved by AdamW like all else of it.

    Its own regime (Adagrad at 0.2, constant) was behind at equal tokens, see docs/decisions.md.
    """
    regime = {
        "training.batch_sequences": terms.batch, "training.micro_sequences": terms.batch,
        "training.evaluate_every": 10**6, "training.held_out_sequences": 32,
    }  # fmt: skip
    quick = plain(module_of("quick").recipe("tiny", "", 1000))
    regime |= {f"training.{key}": quick["training"][key] for key in ("warmup_share", "schedule", "clip")}
    if name == "elmo":
        regime |= {f"training.{key}_sequences": LANES * terms.batch for key in ("batch", "micro")}
        return regime | {"optimizer.name": "adamw", "optimizer.rate": ELMO_RATE}
    length = "permutation.max_length" if name == "xlnet" else "layout.max_length"
    return regime | {length: LENGTH} | {f"optimizer.{key}": value for key, value in quick["optimizer"].items()}
