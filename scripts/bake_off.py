"""The family's choices beside each other at an equal budget of tokens, on the real corpora.

    make bake-off                                       # all of it: hours
    make bake-off ARGS="--groups units rates --languages en"
    make bake-off ARGS="--record docs/bake-off.json --report"       # the tables and pictures of docs, without training

Needs the corpora that `make corpora` makes. Answers are kept in the record, and a run that stands there is not made
again; one that was stopped goes on. As many runs go side by side as there are cores, one core each.

Runs of a language begin with the same word2vec embeddings and differ from `quick` at 15 % masks, DOC-SENTENCES of 128
tokens and no sentence task in what their row says; those of the groups tokens and time are of other kinds, and begin at
random. Afterwards each is asked the same:

    held out   loss and accuracy of masked tokens (15 %, 80/10/10) on the same held-out sequences, DOC-SENTENCES of 128
    words      the same where whole words are hidden
    probe      logistic regression on mean token vectors: BBC topics, or sentiment of Chinese reviews; learned from a
               fifth of the texts and judged by the rest, five times over

and those of other kinds, beside the probe,

    context    which part of speech a word is, of words with several: logistic regression on the word's own vector
    senses     whether two uses of a word in one sense of WordNet are nearer than two in different ones (English)
"""

import argparse
import json
import multiprocessing
import os
import signal
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

from comparison.report import write_report
from comparison.rows import GROUPS, RUNS, runs_of
from comparison.runs import prepare, run
from comparison.terms import Job, Terms
from maskwright.durable import write_file
from maskwright.errors import MaskwrightError
from maskwright.models.bert import SIZES
from maskwright.progress import Progress, rich_progress

Answers = dict[Job, dict[str, Any]]


def main(arguments: Sequence[str] | None = None) -> None:
    """Train what is not in the record yet, then write tables and pictures beside it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpora", type=Path, default=Path("corpora"))
    parser.add_argument("--out", type=Path, default=Path("runs/bake-off"), help="where runs are trained")
    parser.add_argument("--record", type=Path, help="the file of all answers; OUT/bake-off.json unless given")
    parser.add_argument("--groups", nargs="+", choices=GROUPS, default=list(GROUPS))
    parser.add_argument("--rows", nargs="+", choices=RUNS, help="only these runs of the groups")
    parser.add_argument("--languages", nargs="+", choices=["en", "zh"], default=["en", "zh"])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--tokens", type=float, default=3e6, help="of each run, special ones included")
    parser.add_argument("--size", choices=SIZES, default="tiny", help="of the networks")
    parser.add_argument("--batch", type=int, default=32, help="sequences of an update, where a row says nothing")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="runs side by side, a core each")
    parser.add_argument("--report", action="store_true", help="only tables and pictures of what is in the record")
    given = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C: no run is left behind
    record, progress = given.record or given.out / "bake-off.json", rich_progress()
    terms = Terms(given.corpora, given.out, given.tokens, given.size, given.batch)
    # Seeds outermost: whatever is stopped early has all rows, with fewer runs.
    jobs = [
        Job(language, name, seed)
        for seed in range(given.seeds)
        for language in given.languages
        for name in runs_of(given.groups)
        if given.rows is None or name in given.rows
    ]
    if not given.report:
        try:
            train_all(terms, jobs, record, given.workers, progress)
        except MaskwrightError as error:
            raise SystemExit(str(error)) from None
    answers = read(record)
    progress.say(f"{len(answers)} runs: {write_report(list(answers.values()), record.with_suffix('.md'))}")


def train_all(terms: Terms, jobs: Sequence[Job], record: Path, workers: int, progress: Progress) -> None:
    """The runs that are not in the record; the first error ends it, and runs under way are saved."""
    answers = read(record)
    ours = terms.tokens, terms.size
    for told in answers.values():
        if (theirs := (told["budget"], told.get("size", "tiny"))) != ours:
            raise SystemExit(
                f"{record} holds runs of {theirs[0]:g} tokens at size {theirs[1]}, not {ours[0]:g} at {ours[1]}: "
                "give another --record"
            )
    missing = [job for job in jobs if job not in answers]
    for language in dict.fromkeys(job.language for job in missing):
        prepare(terms, language, [job.name for job in missing if job.language == language], progress)
    spawn = multiprocessing.get_context("spawn")
    # A process for each run: what one leaves in memory is no other's.
    with (
        ProcessPoolExecutor(workers, mp_context=spawn, max_tasks_per_child=1) as pool,
        progress.stage("Runs", len(missing), "runs") as bar,
    ):
        waiting = {pool.submit(run, terms, job): job for job in missing}
        try:
            for done in as_completed(waiting):
                answers[waiting[done]] = done.result()
                write(record, answers)
                bar.advance(1, _line(answers[waiting[done]]))
        except BaseException:
            for child in multiprocessing.active_children():
                child.terminate()  # it saves, and goes on from there another time
            pool.shutdown(cancel_futures=True)
            raise


def read(record: Path) -> Answers:
    """The answers by run; none where no record is."""
    told = json.loads(record.read_text(encoding="utf-8")) if record.is_file() else []
    return {Job(one["language"], one["name"], one["seed"]): one for one in told}


def write(record: Path, answers: Answers) -> None:
    """A line for each run, in an order of their own."""
    lines = ",\n".join(json.dumps(answers[job], ensure_ascii=False) for job in sorted(answers))
    write_file(record, f"[\n{lines}\n]\n".encode())


def _line(told: dict[str, Any]) -> str:
    loss = f"held-out loss {told['held_out']['loss']:.3f}, " if "held_out" in told else ""
    probed = f"{told['probe']['task']} {100 * told['probe']['accuracy']:.1f} %"
    return f"{told['language']} {told['name']} {told['seed']}: {loss}{probed}, {told['seconds']:.0f} s"


if __name__ == "__main__":
    main()
