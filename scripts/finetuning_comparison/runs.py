"""One job: fine-tuned by us or by transformers' Trainer, and what it then is worth on the rows put aside."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch

from finetuning_comparison.measures import measured
from finetuning_comparison.rows import (
    BATCH,
    CLIP,
    DECAY,
    DROPOUT,
    EPSILON,
    MODELS,
    RATES,
    THEIRS,
    WARMUP,
    epochs_of,
)
from finetuning_comparison.task import part, prepare, read_rows
from finetuning_comparison.tasks import TASKS
from finetuning_comparison.terms import Job, Terms
from maskwright.checkpoints.folder import read_folder, write_folder
from maskwright.config import checked, override, plain
from maskwright.errors import BadInput, MaskwrightError
from maskwright.lab.bench.finetune_ours import Stopwatch
from maskwright.tasks.finetune import Recipe, evaluation, finetune
from maskwright.tasks.shapes import names
from maskwright.tokenizers.loading import load_tokenizer
from maskwright.training.pretraining import network
from maskwright.training.run import keep_memory
from sources.minilm import minilm

TRAINER = Path(__file__).with_name("trainer.py")
NEVER = 10**9


class Missing(Exception):
    """Something that a job needs is not there yet: a shape of task, a model. Says what, in a line."""


def run(terms: Terms, job: Job) -> dict[str, Any]:
    """Fine-tune and judge: what goes into the record. Raises `Missing`.

    Alone in its process, on one core, with the allocator told to keep memory; the other side likewise.
    """
    torch.set_num_threads(1)
    keep_memory()
    task = TASKS[job.task]
    if task.shape not in names():
        raise Missing(f"{job}: `maskwright finetune` has no shape {task.shape} yet")
    folder = terms.task(job.task)
    prepare(task, folder, terms.packages)
    model = _model(terms, job)
    train = part(folder, job.examples or None, job.seed if job.group == "order" else 0)
    learn = _theirs if job.name == THEIRS else _ours
    return {**job._asdict(), "measure": task.measure, **learn(terms, job, model, train, folder / "dev.jsonl")}


def _model(terms: Terms, job: Job) -> Path:
    """The encoder that a job starts from."""
    language = TASKS[job.task].language
    if job.group == "parity":
        found = minilm(terms.packages) if language == "en" else terms.chinese
    else:
        runs = terms.models / language / MODELS[job.name].run
        own, first = (runs / str(seed) / "model" for seed in (job.seed, 0))
        found = own if own.is_dir() else first
        if MODELS[job.name].random and found.is_dir():
            return _random(found, terms.out / "random" / language / str(job.seed), job.seed)
    if not found.is_dir():
        raise Missing(f"{job}: there is no model {found}: make it, or name another folder")
    return found


def _random(like: Path, folder: Path, seed: int) -> Path:
    """The same network with weights that are drawn."""
    if not folder.is_dir():
        there = read_folder(like)
        made = network(there.config, there.heads)
        made.initialise(there.config.initializer_range, seed)
        write_folder(
            folder, names=made.weight_names(), parameters=dict(made.named_parameters()), config=there.config,
            tokenizer=load_tokenizer(like), replace=True,
        )  # fmt: skip
    return folder


def recipe_of(terms: Terms, job: Job, model: Path, train: Path, dev: Path) -> Recipe:
    """What `maskwright finetune` is told. Raises BadInput where it knows no such key yet."""
    task = TASKS[job.task]
    row = MODELS.get(job.name)
    rate = row.rate if row else RATES[task.language]
    made = {
        "model": str(model),
        "data": {"shape": task.shape, "train": str(train), "dev": str(dev), "max_length": task.length},
        "dropout": DROPOUT,
        "epochs": epochs_of(job, terms.epochs),
        "optimizer": {"epsilon": EPSILON, "weight_decay": DECAY} | ({"rate": rate} if rate else {}),
        "training": {
            "batch_sequences": BATCH, "micro_sequences": BATCH, "warmup_share": WARMUP, "schedule": "linear",
            "clip": CLIP, "precision": terms.precision, "seed": job.seed, "log_every": 10, "evaluate_every": NEVER,
            "save_every": NEVER,
        },
    }  # fmt: skip
    recipe = checked(Recipe, made, str(job))
    return checked(Recipe, override(plain(recipe), row.changes or {}), str(job)) if row else recipe


def _ours(terms: Terms, job: Job, model: Path, train: Path, dev: Path) -> dict[str, Any]:
    task, watch = TASKS[job.task], Stopwatch(NEVER)
    out = terms.out / "runs" / job.group / job.task / f"{job.name}-{job.examples}-{job.seed}".replace(" ", "-")
    shutil.rmtree(out, ignore_errors=True)  # a run that was stopped is made anew: these are short
    try:
        if finetune(recipe_of(terms, job, model, train, dev), out, allocator="kept", progress=watch):
            raise KeyboardInterrupt
        spent, found = watch.spent, evaluation(out)
    except BadInput as error:
        raise Missing(f"{job}: {error}") from None
    finally:
        shutil.rmtree(out, ignore_errors=True)
    return {"value": found[task.measure], "steps": len(watch.wall), **spent}


def _theirs(terms: Terms, job: Job, model: Path, train: Path, dev: Path) -> dict[str, Any]:
    task = TASKS[job.task]
    out = terms.out / "answers" / f"{job.task}-{job.examples}-{job.seed}.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    given = {
        "model": str(model), "train": str(train), "dev": str(dev), "shape": task.shape, "length": task.length,
        "rate": RATES[task.language], "batch": BATCH, "epochs": epochs_of(job, terms.epochs), "warmup": WARMUP,
        "decay": DECAY, "epsilon": EPSILON, "clip": CLIP, "dropout": DROPOUT, "precision": terms.precision,
        "seed": job.seed, "threads": 1, "out": str(out),
    }  # fmt: skip
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
    done = subprocess.run(
        [sys.executable, str(TRAINER), json.dumps(given)], env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.strip()]
        raise MaskwrightError(f"{job} ended with {done.returncode}: {said[-1] if said else 'no word'}")
    told = json.loads(out.read_text("utf-8"))
    value = measured(task.shape, read_rows(dev), told["answers"])[task.measure]
    return {"value": value, **{key: told[key] for key in ("steps", "seconds", "cpu_seconds")}}
