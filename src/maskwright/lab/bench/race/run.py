"""A race: the sides one after the other, each in a process of its own, and the record of it.

Everything is kept in a folder, each side's curve after every look. The same line goes on where it was: a side that is
done is taken as it is, the rival goes on from its last point, ours, which takes a minute, begins anew.
"""

import importlib.util
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from maskwright import durable
from maskwright.corpus.read import Corpus
from maskwright.errors import BadInput, MaskwrightError
from maskwright.lab.bench.pretrain import ALLOCATOR_SET, rival_there
from maskwright.lab.bench.race.curve import Curve, check_terms, read_curve
from maskwright.lab.bench.race.examples import HELD_OUT, LENGTH, make_examples
from maskwright.lab.bench.race.passing import beaten, verdict
from maskwright.lab.bench.turns import Result, Side
from maskwright.progress import Progress, silent

RivalName = Literal["stock", "kept"]
RIVALS: dict[str, tuple[float, float, Mapping[str, str]]] = {"stock": (0.1, 40, {}), "kept": (0.0, 15, ALLOCATOR_SET)}
"""Dropout, minutes, environment: as installed, and as who knows the tricks would run it."""
RATES = {"tiny": 1.5e-3, "mini": 1e-3}
RATE = 1e-4
"""Peak rates of the rival: of pretraining at small sizes, and BERT's. Its own default, 5e-5, is for fine-tuning."""
BATCH, WARMUP = 32, 0.05
SAME_OBJECTIVE = {"layout.kind": "full_sentences", "layout.task": "none", "layout.max_length": LENGTH}
"""Masked LM alone, as the rival has it: no pairs of segments, no next sentence."""
TRIED = ("bf16", "float32")
TRIAL_SECONDS = 15.0
VOCABULARY = 8_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Race:
    """What is raced: both sides on one corpus, at one size.

    minutes     the rival's; None: 40 for stock, 15 for kept
    budgets     seconds of ours, tried in order until one is enough
    rate, batch   the rival's peak rate (None: by size) and blocks a step
    precision   the rival's: bf16 or float32; None: what is faster in a trial
    looks       at the held-out text, of each run
    held_out    sequences of each kind of test, at most
    changes     to our recipe, by dotted key
    """

    size: str = "tiny"
    rival: RivalName = "stock"
    minutes: float | None = None
    budgets: Sequence[float] = (20, 30, 45, 60, 80)
    rate: float | None = None
    batch: int = BATCH
    precision: Literal["bf16", "float32"] | None = None
    looks: int = 24
    held_out: int = HELD_OUT
    seed: int = 0
    threads: int = 1
    changes: Mapping[str, Any] = field(default_factory=dict[str, Any])

    @property
    def rival_seconds(self) -> float:
        """The rival's budget."""
        return 60 * (RIVALS[self.rival][1] if self.minutes is None else self.minutes)


def check(race: Race) -> None:
    """BadInput for what cannot be run."""
    if not (rival_there() and importlib.util.find_spec("accelerate")):
        raise BadInput("a race takes the Trainer of transformers, which is not installed: pip install 'maskwright[hf]'")
    if race.rival_seconds <= 0 or not race.budgets or min(race.budgets) <= 0:
        raise BadInput(
            f"{race.rival_seconds / 60:g} minutes and budgets of {', '.join(f'{b:g}' for b in race.budgets) or 'none'} "
            "seconds: give both sides some time"
        )
    if race.looks < 1 or race.batch < 1 or race.threads < 1:
        raise BadInput(
            f"looks {race.looks}, rival's batch {race.batch}, threads {race.threads}: give at least 1 of each"
        )


def run_race(race: Race, corpus: str | None, out: Path, *, again: bool = False, progress: Progress = silent) -> Result:
    """Run what is not there yet, and write `race.json`; the record.

    corpus   None: the sample text, made into one in the folder
    again    run ours anew, beside the rival that is there
    """
    check(race)
    with durable.locked(out), _ended_by_sigterm():
        opened = _corpus(corpus, out, progress)
        counts = _examples(opened, race, out)
        common = {
            "corpus": opened.fingerprint, "size": race.size, "seed": race.seed, "threads": race.threads,
            "looks": race.looks, "held_out": counts["sentences"],
        }  # fmt: skip
        rival = _run_rival(race, opened, out, common, progress)
        if again:
            for path in out.glob("ours-*.json"):
                path.unlink()
        ours: dict[str, Curve] = {}
        record = _record(race, opened, counts, rival, ours, out)
        for budget in sorted(race.budgets):
            if ours and beaten(rival, ours):
                break
            ours[f"{budget:g} s"] = _run_ours(race, budget, opened, out, common, progress)
            record = _record(race, opened, counts, rival, ours, out)
        return record


@contextmanager
def _ended_by_sigterm() -> Generator[None]:
    """SIGTERM ends us as an error would, and with us the side that runs."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def leave(*_: object) -> None:
        raise SystemExit(128 + signal.SIGTERM)

    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _corpus(given: str | None, out: Path, progress: Progress) -> Corpus:
    if given is not None:
        return Corpus.open(given)
    from maskwright.corpus.build import build_corpus
    from maskwright.corpus.sources import SampleText

    return build_corpus(SampleText("en"), out / "corpus", vocab_size=VOCABULARY, progress=progress)


def _examples(corpus: Corpus, race: Race, out: Path) -> dict[str, int]:
    """The blocks and the test, made once; remade where another corpus was raced on, for its curves say so."""
    file, told = out / "examples.npz", out / "examples.json"
    made_of = {"corpus": corpus.fingerprint, "at_most": race.held_out}
    if file.exists() and told.exists():
        known = json.loads(told.read_text("utf-8"))
        if all(known.get(name) == value for name, value in made_of.items()):
            return known["counts"]
        if (out / "rival.json").exists():
            raise BadInput(f"{out} holds a race on another corpus or test: give another --out")
    counts = make_examples(corpus, file, held_out=race.held_out)
    durable.write_file(told, json.dumps({**made_of, "counts": counts}).encode())
    return counts


def _run_rival(race: Race, corpus: Corpus, out: Path, common: Mapping[str, Any], progress: Progress) -> Curve:
    dropout, _, environment = RIVALS[race.rival]
    path = out / "rival.json"
    terms = {
        **common,
        "rival": race.rival,
        "seconds": race.rival_seconds,
        "rate": race.rate or RATES.get(race.size, RATE),
        "batch": race.batch,
        "dropout": dropout,
        "warmup": WARMUP,
    }
    before = read_curve(path)
    if race.precision or before:
        terms["precision"] = race.precision or (before.terms.get("precision") if before else None)
    check_terms(before, terms, path, "give another --out")
    if before is not None and before.finished:
        progress.say(f"{path}: the rival's {race.rival_seconds / 60:g} minutes are there already")
        return before
    if "precision" not in terms:
        terms["precision"] = _better_precision(race, terms, environment, corpus, out, progress)
    side = Side(f"transformers, {race.rival}", "rival", {"terms": terms, "budget": race.rival_seconds}, environment)
    return run_side(side, path, race, corpus, out, progress)


def _better_precision(
    race: Race, terms: Mapping[str, Any], environment: Mapping[str, str], corpus: Corpus, out: Path, progress: Progress
) -> str:
    """With which the rival sees more tokens a second here."""
    speeds: dict[str, float] = {}
    short = replace(race, looks=2)
    _remove_trials(out)  # of a race that was interrupted in them
    for precision in TRIED:
        path = out / f"trial-{precision}.json"
        given = {"terms": {**terms, "precision": precision}, "budget": min(TRIAL_SECONDS, race.rival_seconds)}
        curve = run_side(Side(f"try {precision}", "rival", given, environment), path, short, corpus, out, progress)
        first, last = curve.points[0], curve.points[-1]  # what is compiled and allocated once is before the first
        seconds = last.seconds - first.seconds or last.seconds
        speeds[precision] = (last.tokens - first.tokens or last.tokens) / seconds
    _remove_trials(out)
    told = ", ".join(f"{speed:,.0f} tokens/s in {precision}" for precision, speed in speeds.items())
    progress.say(f"transformers sees {told}")
    return max(speeds, key=lambda precision: speeds[precision])


def _remove_trials(out: Path) -> None:
    for left in out.glob("trial-*"):
        shutil.rmtree(left) if left.is_dir() else left.unlink()


def _run_ours(
    race: Race, budget: float, corpus: Corpus, out: Path, common: Mapping[str, Any], progress: Progress
) -> Curve:
    path = out / f"ours-{budget:g}.json"
    terms = {**common, "seconds": budget, "changes": {**SAME_OBJECTIVE, **race.changes}}
    before = read_curve(path)
    if before is not None and before.finished:
        check_terms(before, terms, path, "run ours --again, or give another --out")
        return before
    side = Side(f"maskwright, {budget:g} s", "ours", {"terms": terms, "budget": budget})
    curve = run_side(side, path, race, corpus, out, progress)
    if not curve.points:
        progress.say(
            f"{budget:g} s were not enough for what embeddings begin as ({curve.begun:.0f} s): fewer epochs of "
            "word2vec (--start.epochs 1) would leave some for steps"
        )
    return curve


def run_side(side: Side, path: Path, race: Race, corpus: Corpus, out: Path, progress: Progress) -> Curve:
    """One side in its process; its curve, which is told of while it grows."""
    given = {
        **side.given, "curve": str(path), "examples": str(out / "examples.npz"), "corpus": str(corpus.path.absolute()),
        "looks": race.looks, "spawned": time.monotonic(),
    }  # fmt: skip
    threads = {"OMP_NUM_THREADS": str(race.threads), "MKL_NUM_THREADS": str(race.threads)}
    log = path.with_suffix(".log")
    with log.open("wb") as said, progress.stage(side.name, race.looks, "looks") as bar:
        process = subprocess.Popen(
            [sys.executable, "-m", f"maskwright.lab.bench.race.{side.module}", json.dumps(given)],
            env={**os.environ, **threads, **side.environment},
            stdout=said,
            stderr=said,
        )
        known = 0
        try:
            while (code := process.poll()) is None:
                time.sleep(0.2)
                known = _tell(path, known, bar)
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait()
        _tell(path, known, bar)
    curve = read_curve(path)
    if code or curve is None or not curve.finished:
        lines = [line for line in log.read_text("utf-8", "replace").splitlines() if line.strip()]
        raise MaskwrightError(f"{side.name} ended with {code}: {lines[-1] if lines else 'no word'} (see {log})")
    return curve


def _tell(path: Path, known: int, bar: Any) -> int:
    """Advance the bar by the points that are new; how many there are."""
    curve = read_curve(path)
    points = list(curve.points) if curve else []
    if len(points) > known:
        last = points[-1]
        losses = ", ".join(f"{kind} {loss:.3f}" for kind, loss in last.losses.items())
        bar.advance(len(points) - known, note=f"{last.seconds:,.0f} s, {last.tokens / 1e6:.2f} M tokens: {losses}")
    return max(known, len(points))


def _record(
    race: Race, corpus: Corpus, counts: Mapping[str, int], rival: Curve, ours: Mapping[str, Curve], out: Path
) -> Result:
    record: Result = {
        "race": asdict(race),
        "corpus": {
            "fingerprint": corpus.fingerprint,
            "vocabulary": corpus.tokenizer.vocab_size,
            "tokens": corpus.train.num_tokens,
            "megabytes": round(sum(entry.size for entry in corpus.manifest.shards) / 1e6, 1),
            "examples": dict(counts),
        },
        "machine": {
            "system": platform.platform(),
            "processor": platform.machine(),
            "python": platform.python_version(),
        },
        "verdict": verdict(rival, ours),
        "rival": asdict(rival),
        "ours": {name: asdict(curve) for name, curve in ours.items()},
    }
    durable.write_file(out / "race.json", json.dumps(record, indent=1).encode())
    return record
