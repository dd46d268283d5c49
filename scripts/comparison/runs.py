"""One run of the bake-off: trained for its budget, then asked."""

import json
from pathlib import Path
from typing import Any

import torch

import maskwright as mw
from comparison.answers import held_out, in_context, probe, senses
from comparison.pace import paces
from comparison.recipes import recipe_of, times_read
from comparison.rows import RUNS, runs_of
from comparison.terms import PASSES, Job, Terms
from maskwright.corpus.read import Corpus
from maskwright.corpus.rearrange import split
from maskwright.durable import staged_file, write_file
from maskwright.inference.encoder import Encoder
from maskwright.progress import Progress, silent
from maskwright.recipes import module_of, train
from maskwright.training.run import device_for, keep_memory
from maskwright.training.start import StartConfig
from maskwright.training.word2vec import word_vectors

KINDS = runs_of(["tokens", "time"])
"""Runs of models that are not all asked for masked tokens; they are asked what all of them can answer."""


def prepare(terms: Terms, language: str, names: list[str], progress: Progress) -> None:
    """What the runs of a language need: word2vec vectors of all its text, the small part, everyone's pace."""
    corpus = Corpus.open(terms.corpora / language)
    started = [name for name in names if RUNS[name].recipe == "quick" and name != "bert"]
    if started and not (path := terms.vectors(language)).is_file():
        settings = StartConfig(epochs=1).word2vec(seed=0)
        ids, vectors, _ = word_vectors(corpus.train, terms.width, settings, progress)
        path.parent.mkdir(parents=True, exist_ok=True)
        with staged_file(path) as file:
            file.write(f"{len(ids)} {terms.width}\n".encode())
            for i, vector in zip(ids.tolist(), vectors, strict=True):
                file.write(f"{corpus.tokenizer.id_to_token(i)} {' '.join(f'{x:.6g}' for x in vector)}\n".encode())
    part = _some(corpus, terms.part(language), terms.tokens / PASSES, progress=progress)
    if any(RUNS[name].by_time for name in names) and not (told := _paces(terms, language)).is_file():
        torch.set_num_threads(1)
        keep_memory()
        write_file(told, json.dumps(paces(terms, language, corpus, part, progress)).encode())


def run(terms: Terms, job: Job) -> dict[str, Any]:
    """Train it and ask it. Goes on where it was stopped before.

    Alone in its process: on one core, with the allocator told to keep memory.
    """
    torch.set_num_threads(1)
    keep_memory()
    folder = job.folder(terms.out)
    whole = Corpus.open(terms.corpora / job.language)
    tokens = _tokens(terms, job)
    corpus = _corpus(terms, job, whole, tokens)
    recipe: Any = recipe_of(terms, job, corpus, tokens)
    if train(recipe, corpus, folder, allocator="kept"):
        raise KeyboardInterrupt
    encoder = mw.load(folder / "model", device=device_for().type)
    last = json.loads((folder / "metrics.jsonl").read_text().splitlines()[-1])
    packages = terms.corpora / "packages"
    told: dict[str, Any] = {
        **job._asdict(),
        "budget": terms.tokens,
        "size": terms.size,
        "steps": last["step"],
        "tokens": last["tokens"] / times_read(RUNS[job.name].recipe),
        "seconds": last["timing"]["seconds"],
        "probe": probe(encoder, whole.tokenizer, job.language, packages),
    }
    if isinstance(encoder, Encoder):
        told["parameters"] = sum(p.numel() for p in encoder.model.parameters())
        if "mlm" in encoder.model.heads:
            told |= held_out(encoder, whole)
    if job.name in KINDS:
        told |= {
            "in_context": in_context(encoder, job.language, packages),
            "senses": senses(encoder, packages) if job.language == "en" else None,
        }
    return told


def _tokens(terms: Terms, job: Job) -> float:
    """The run's budget: that of the call, or what it reads in the time that BERT takes for it."""
    run = RUNS[job.name]
    if not run.by_time or run.recipe == "bag_of_words":
        return terms.tokens
    pace = json.loads(_paces(terms, job.language).read_text())
    return terms.tokens * pace["bert"] / pace[job.name.removesuffix("-time")]


def _corpus(terms: Terms, job: Job, whole: Corpus, tokens: float) -> Corpus:
    """What the run reads: all text, the small part again and again, or as much as it reads once if it has no steps."""
    run = RUNS[job.name]
    if job.name.startswith("part-"):
        return Corpus.open(terms.part(job.language))
    if not hasattr(module_of(run.recipe), "train") or (run.by_time and run.recipe == "bag_of_words"):
        return whole
    folder = job.folder(terms.out)
    return _some(whole, folder.with_name(f"{folder.name}-text"), tokens, seed=job.seed)


def _some(corpus: Corpus, out: Path, tokens: float, *, seed: int = 0, progress: Progress = silent) -> Corpus:
    """Documents of about so many tokens in all, drawn; all of the corpus where it has no more."""
    share = tokens / corpus.train.num_tokens
    if share >= 1:
        return corpus
    if not out.is_dir():
        split(corpus.path, [out], [share], seed=seed, progress=progress)
    return Corpus.open(out)


def _paces(terms: Terms, language: str) -> Path:
    return terms.out / language / "seconds-a-token.json"
