"""One job: fine-tuned by us or by transformers' Trainer, and what it then is worth on the rows put aside."""

import json
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from finetuning_comparison.measures import measured
from finetuning_comparison.rows import (
    BATCH,
    CLIP,
    DECAY,
    DROPOUT,
    EPSILON,
    MODELS,
    OURS,
    RATES,
    THEIRS,
    WARMUP,
    epochs_of,
)
from finetuning_comparison.task import part, prepare, read_rows
from finetuning_comparison.tasks import TASKS
from finetuning_comparison.terms import Job, Terms
from maskwright.checkpoints.folder import read_folder, write_folder
from maskwright.errors import MaskwrightError
from maskwright.tasks.shapes import names
from maskwright.tokenizers.loading import load_tokenizer
from maskwright.training.metrics import last_metrics
from maskwright.training.pretraining import network
from sources.minilm import minilm

TRAINER = Path(__file__).with_name("trainer.py")
NEVER = 10**9
BAD_INPUT = 2
"""How the command line ends where it was asked for what it cannot do."""


class Missing(Exception):
    """Something that a job needs is not there yet: a shape of task, a model. Says what, in a line."""


def run(terms: Terms, job: Job) -> dict[str, Any]:
    """Fine-tune and judge: what goes into the record. Raises `Missing`.

    value        of the task's measure
    seconds      of training alone: no reading, no evaluation, no checkpoint
    cpu_seconds  of the whole process that learns and answers
    """
    task = TASKS[job.task]
    if task.shape not in names():
        raise Missing(f"{job}: `maskwright finetune` has no shape {task.shape} yet")
    folder = terms.task(job.task)
    prepare(task, folder, terms.packages)
    model = _model(terms, job)
    train = part(folder, job.examples or None, job.seed if job.group == "order" else 0)
    learn = _theirs if job.name == THEIRS else _ours
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    told = learn(terms, job, model, train, folder / "dev.jsonl")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    busy = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {**job._asdict(), "measure": task.measure, **told, "cpu_seconds": busy}


def command_of(terms: Terms, job: Job, model: Path, train: Path, dev: Path, out: Path) -> list[str]:
    """The line of `maskwright` that is the job."""
    task, row = TASKS[job.task], MODELS.get(job.name)
    line = ["finetune", task.shape, "--model", str(model), "--train", str(train), "--dev", str(dev)]
    line += ["--out", str(out), "--json", *(["--pair", task.pair] if task.pair else [])]
    if row is not None and not row.sequences:
        return line
    settings: dict[str, Any] = {
        "epochs": epochs_of(job, terms.epochs),
        "data.max-length": task.length,
        "optimizer.rate": row.rate if row else RATES[task.language],
        "optimizer.epsilon": EPSILON,
        "optimizer.weight-decay": DECAY,
        "training.batch-sequences": BATCH,
        "training.micro-sequences": BATCH,
        "training.warmup-share": WARMUP,
        "training.schedule": "linear",
        "training.clip": CLIP,
        "training.precision": terms.precision,
        "training.seed": job.seed,
        "training.evaluate-every": NEVER,
        "stopping.keep": "last",  # as the Trainer does
        **({} if row else {"heads": THEIRS}),  # a fifth of a point of parts of speech, after so few steps
        "training.save-every": NEVER,
        **((row.changes if row else None) or {}),
    }
    return line + [word for key, value in settings.items() for word in (f"--{key}", str(value))]


def _ours(terms: Terms, job: Job, model: Path, train: Path, dev: Path) -> dict[str, Any]:
    task = TASKS[job.task]
    out = terms.out / "runs" / job.group / job.task / f"{job.name}-{job.examples}-{job.seed}".replace(" ", "-")
    shutil.rmtree(out, ignore_errors=True)  # a run that was stopped is made anew: these are short
    try:
        line = command_of(terms, job, model, train, dev, out)
        told = json.loads(_said(job, [sys.executable, "-m", "maskwright", *line]))
        last = last_metrics(out)
        return {"value": told[task.measure], "steps": last["step"], "seconds": last["timing"]["seconds"]}
    finally:
        shutil.rmtree(out, ignore_errors=True)


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
    _said(job, [sys.executable, str(TRAINER), json.dumps(given)])
    told = json.loads(out.read_text("utf-8"))
    value = measured(task.shape, read_rows(dev), told["answers"])[task.measure]
    return {"value": value, "steps": told["steps"], "seconds": told["seconds"]}


def _said(job: Job, command: Sequence[str]) -> str:
    """What a process on one core says."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    last = next((line for line in reversed(done.stderr.splitlines()) if line.strip()), "no word")
    if done.returncode == BAD_INPUT and job.name != THEIRS:
        raise Missing(f"{job}: {last}")
    if done.returncode:
        raise MaskwrightError(f"{job} ended with {done.returncode}: {last}")
    return done.stdout


def _model(terms: Terms, job: Job) -> Path:
    """The encoder that a job starts from."""
    language = TASKS[job.task].language
    if job.name in (OURS, THEIRS):
        found = minilm(terms.packages) if language == "en" else terms.chinese
    else:
        runs = terms.models / language / MODELS[job.name].run
        own, first = (runs / str(seed) / "model" for seed in (job.seed, 0))
        found = own if own.is_dir() else first
    if not found.is_dir():
        raise Missing(f"{job}: there is no model {found}: make it, or name another folder")
    if job.group == "order" and MODELS[job.name].random:
        return _random(found, terms.out / "random" / language / str(job.seed), job.seed)
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
