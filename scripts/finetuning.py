"""Fine-tuning measured on real tasks: beside the Trainer of transformers, and model beside model.

    make fine-tuning                                                # all of it: hours
    make fine-tuning ARGS="--groups parity --tasks topic sentiment --seeds 2"
    make fine-tuning ARGS="--record docs/fine-tuning.json --report" # the tables and pictures of docs, without training

    parity   MiniLM's real weights (English) and a small encoder pretrained here (Chinese), fine-tuned by us and by the
             Trainer on the same rows: the same batch, rate, warm-up, decay, epochs, dropout and length; another order
    order    models that the bake-off pretrained on the same text, and BERT with random weights, on 100, 1,000 and all
             examples

Packages are fetched where they are not there; the second group and Chinese need models of `make bake-off`. Answers are
kept in the record, and what stands there is not made again. As many jobs go side by side as there are cores, one core
each. What needs something that is not there yet, a model or a way to fine-tune it, is passed over with a line.
"""

import argparse
import contextlib
import json
import multiprocessing
import os
import signal
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

from finetuning_comparison.report import write_report
from finetuning_comparison.rows import GROUPS, MODELS, SIDES, jobs_of
from finetuning_comparison.runs import Missing, run
from finetuning_comparison.task import prepare
from finetuning_comparison.tasks import TASKS
from finetuning_comparison.terms import Job, Terms
from maskwright.durable import write_file
from maskwright.errors import MaskwrightError
from maskwright.progress import Progress, rich_progress

Answers = dict[Job, dict[str, Any]]


def main(arguments: Sequence[str] | None = None) -> None:
    """Fine-tune what is not in the record yet, then write tables and pictures beside it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--packages", type=Path, default=Path("corpora/packages"), help="where packages are kept")
    parser.add_argument("--out", type=Path, default=Path("runs/fine-tuning"), help="for rows of tasks, runs and models")
    parser.add_argument("--models", type=Path, default=Path("runs/bake-off"), help="the runs of the bake-off")
    parser.add_argument("--chinese", type=Path, help="the encoder for Chinese; MODELS/zh/bert-started/0/model if none")
    parser.add_argument("--record", type=Path, help="the file of all answers; OUT/fine-tuning.json unless given")
    parser.add_argument("--groups", nargs="+", choices=GROUPS, default=list(GROUPS))
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=list(TASKS))
    parser.add_argument("--rows", nargs="+", choices=[*SIDES, *MODELS], help="only these sides or models")
    parser.add_argument("--seeds", type=int, default=5, help="of the first group")
    parser.add_argument("--order-seeds", type=int, help="of the second; 3 at most unless given")
    parser.add_argument("--examples", type=int, default=1_000, help="to learn from, in the first group")
    parser.add_argument("--epochs", type=float, default=3, help="in the first group; twice as many in Chinese")
    parser.add_argument("--precision", choices=["bf16", "float32"], default="bf16", help="of both sides")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="jobs side by side, a core each")
    parser.add_argument("--prepare", action="store_true", help="only write the rows of the tasks")
    parser.add_argument("--report", action="store_true", help="only tables and pictures of what is in the record")
    given = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C: no job is left behind
    record, progress = given.record or given.out / "fine-tuning.json", rich_progress()
    terms = Terms(
        given.packages, given.out, given.chinese or given.models / "zh/bert-started/0/model", given.models,
        given.examples, given.epochs, given.precision,
    )  # fmt: skip
    order_seeds = min(3, given.seeds) if given.order_seeds is None else given.order_seeds
    jobs = [
        job
        for job in jobs_of(given.groups, given.tasks, given.seeds, order_seeds, given.examples)
        if given.rows is None or job.name in given.rows
    ]
    if not given.report:
        for name in dict.fromkeys(job.task for job in jobs):
            prepare(TASKS[name], terms.task(name), terms.packages)
            progress.say(f"{terms.task(name)}: {TASKS[name].title}")
    if not given.report and not given.prepare:
        try:
            tune_all(terms, jobs, record, given.workers, progress)
        except MaskwrightError as error:
            raise SystemExit(str(error)) from None
    if not given.prepare:
        answers = read(record)
        progress.say(f"{len(answers)} runs: {write_report(list(answers.values()), record.with_suffix('.md'))}")


def tune_all(terms: Terms, jobs: Sequence[Job], record: Path, workers: int, progress: Progress) -> None:
    """The jobs that are not in the record; the first error ends it, what is missing is said and passed over."""
    answers = read(record)
    ours = {"epochs": terms.epochs, "precision": terms.precision}
    for told in answers.values():
        if told["terms"] != ours:
            raise SystemExit(f"{record} holds runs of {told['terms']}, not {ours}: give another --record")
    missing = [job for job in jobs if job not in answers]
    spawn = multiprocessing.get_context("spawn")
    # A worker and what it starts are a group of processes, which is ended as one.
    with (
        ProcessPoolExecutor(workers, mp_context=spawn, initializer=os.setsid) as pool,
        progress.stage("Jobs", len(missing), "jobs") as bar,
    ):
        waiting = {pool.submit(run, terms, job): job for job in missing}
        try:
            for done in as_completed(waiting):
                job = waiting[done]
                try:
                    answers[job] = {**done.result(), "terms": ours}
                except Missing as error:
                    progress.say(f"passed over: {error}")
                    bar.advance(1)
                    continue
                write(record, answers)
                told = answers[job]
                bar.advance(1, f"{job}: {told['measure']} {told['value']:.3f}, {told['seconds']:.0f} s")
        except BaseException:
            for child in multiprocessing.active_children():
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(child.pid, signal.SIGTERM)
                child.terminate()  # where it has not begun a group yet
            pool.shutdown(cancel_futures=True)
            raise


def read(record: Path) -> Answers:
    """The answers by job; none where no record is."""
    told = json.loads(record.read_text(encoding="utf-8")) if record.is_file() else []
    return {Job(*(one[field] for field in Job._fields)): one for one in told}


def write(record: Path, answers: Answers) -> None:
    """A line for each job, in an order of their own."""
    lines = ",\n".join(json.dumps(answers[job], ensure_ascii=False) for job in sorted(answers))
    record.parent.mkdir(parents=True, exist_ok=True)
    write_file(record, f"[\n{lines}\n]\n".encode())


if __name__ == "__main__":
    main()
