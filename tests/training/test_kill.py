"""kill -9 at any moment, some inside a save: every logged line and the final files are those of an undisturbed run.

All through the real command line, each process as a user would start it.
"""

import json
import random
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from tests.training.small_corpus import SMALL, command, environment, make_corpus, maskwright

STEPS = 60
STRACE = shutil.which("strace")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_corpus(tmp_path_factory.mktemp("corpus"))


def line(recipe: str, corpus: Path, out: Path, micro: int) -> list[str]:
    return ["pretrain", recipe, "--size", "tiny", "--corpus", str(corpus), "--out", str(out), *SMALL,
            "--training.micro_sequences", str(micro)]  # fmt: skip


def logged(out: Path) -> dict[int, str]:
    """step -> its line without the times; a torn last line left out."""
    found: dict[int, str] = {}
    if (out / "metrics.jsonl").exists():
        for text in (out / "metrics.jsonl").read_bytes().split(b"\n")[:-1]:
            entry: dict[str, Any] = json.loads(text)
            del entry["timing"]
            found[entry["step"]] = json.dumps(entry)
    return found


def final_files(out: Path) -> dict[str, bytes]:
    places = [*(out / "checkpoints").rglob("*"), *(out / "model").rglob("*"), out / "recipe.toml"]
    return {str(path.relative_to(out)): path.read_bytes() for path in sorted(places) if path.is_file()}


class Attempts:
    """One run in `out`, begun again and again."""

    def __init__(self, arguments: list[str], out: Path, wanted: dict[int, str], threads: int = 1) -> None:
        self.arguments, self.out, self.wanted = arguments, out, wanted
        self.surroundings = {"OMP_NUM_THREADS": str(threads)}
        self.kills, self.compared = 0, 0

    def compare(self) -> None:
        """Every line that was ever logged, those that will be logged once more too, is the undisturbed run's."""
        for step, text in logged(self.out).items():
            assert text == self.wanted[step]
            self.compared += 1

    def kill_when(self, moment: "Moment") -> bool:
        """Start the run and kill it at `moment`; False if it finished before."""
        with open(self.out.with_suffix(".log"), "ab") as log:
            process = subprocess.Popen(
                command(*self.arguments), stdout=log, stderr=log, env=environment(**self.surroundings)
            )
            moment.wait(process, self.out)
            process.kill()
            code = process.wait()
        assert code in (-9, 0), self.out.with_suffix(".log").read_text()
        self.kills += code == -9
        self.compare()
        return code == -9


class Moment:
    """A time to kill at: so long after the start; or so long after a step was logged; or when the model is written."""

    def __init__(self, *, seconds: float = 0.0, step: int | None = None, file: str | None = None) -> None:
        self.seconds, self.step, self.file = seconds, step, file

    def wait(self, process: subprocess.Popen[bytes], out: Path) -> None:
        while not self._has_come(out) and process.poll() is None:
            time.sleep(0.002)
        end = time.monotonic() + self.seconds
        while time.monotonic() < end and process.poll() is None:
            time.sleep(0.002)

    def _has_come(self, out: Path) -> bool:
        if self.file is not None:
            return any(out.glob(self.file))
        return self.step is None or max(logged(out), default=0) >= self.step


def moments(kills: int, draws: random.Random, startup: float, a_step: float) -> list[Moment]:
    """In order: uniform over the steps and what lies between them, some while starting; then more while finishing.

    Those in the finish may come too late.
    """
    early = max(1, kills // 7)
    steps = sorted(draws.uniform(0, STEPS) for _ in range(kills - early))
    drawn = [Moment(step=int(at), seconds=(at % 1) * a_step) for at in steps]
    for _ in range(early):
        drawn.insert(draws.randrange(len(drawn)), Moment(seconds=draws.uniform(0, startup)))
    late = [f"checkpoints/step-{STEPS:08d}", ".report.html.partial-*", ".model.partial-*"]
    return drawn + [Moment(file=seen, seconds=draws.uniform(0, 0.2)) for seen in late]


def undisturbed(
    recipe: str, corpus: Path, out: Path, micro: int, *more: str, threads: int = 1
) -> tuple[dict[int, str], dict[str, bytes], float]:
    """Lines, final files, and the seconds of a whole run that are not training."""
    began = time.monotonic()
    done = maskwright(*line(recipe, corpus, out, micro), *more, OMP_NUM_THREADS=str(threads))
    assert done.returncode == 0, done.stderr
    seconds = json.loads((out / "metrics.jsonl").read_text().splitlines()[-1])["timing"]["seconds"]
    assert len(logged(out)) == STEPS
    return logged(out), final_files(out), (time.monotonic() - began - seconds)


def finish(attempts: Attempts, files: dict[str, bytes]) -> None:
    done = maskwright(*attempts.arguments, **attempts.surroundings)
    assert done.returncode == 0, done.stderr
    attempts.compare()
    assert logged(attempts.out) == attempts.wanted
    found = final_files(attempts.out)
    assert found.keys() == files.keys()
    assert [name for name in files if found[name] != files[name]] == []
    assert not list(attempts.out.rglob(".*partial*")) and not (attempts.out / ".lock").exists()
    told = f"{attempts.out.name}, {attempts.surroundings}: {attempts.kills} kills, {attempts.compared} lines compared"
    print(f"\n{told}, 0 differ")


def kill_often(recipe: str, micro: int, kills: int, corpus: Path, folder: Path, threads: int = 1) -> None:
    wanted, files, startup = undisturbed(recipe, corpus, folder / "whole", micro, threads=threads)
    out = folder / f"{recipe}-{micro}"
    attempts = Attempts(line(recipe, corpus, out, micro), out, wanted, threads)
    for moment in moments(kills, random.Random(f"{recipe} {micro}"), startup, 0.05):
        attempts.kill_when(moment)
    assert attempts.kills >= kills
    finish(attempts, files)


def test_three_kills(corpus: Path, tmp_path: Path) -> None:
    kill_often("bert", 4, 3, corpus, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("recipe", "micro", "threads"), [("quick", 8, 2), ("quick", 4, 1), ("bert", 8, 1), ("bert", 4, 2)]
)
def test_twenty_kills(recipe: str, micro: int, threads: int, corpus: Path, tmp_path: Path) -> None:
    kill_often(recipe, micro, 20, corpus, tmp_path, threads)


@pytest.mark.slow
@pytest.mark.skipif(STRACE is None, reason="needs strace")
def test_kills_at_the_system_calls_of_a_save(corpus: Path, tmp_path: Path) -> None:
    """The k-th fsync or rename of the process never returns; with a checkpoint at every step k walks through three."""
    wanted, files, _ = undisturbed("bert", corpus, tmp_path / "whole", 4, "--training.save_every", "1")
    out = tmp_path / "calls"
    attempts = Attempts([*line("bert", corpus, out, 4), "--training.save_every", "1"], out, wanted)
    for call, k in [*(("fsync", k) for k in range(1, 25)), *(("rename", k) for k in range(1, 7))]:
        inject = [f"trace={call}", "-e", f"inject={call}:signal=SIGKILL:when={k}"]
        done = maskwright(*attempts.arguments, prefix=[str(STRACE), "-f", "-qq", "-o", "/dev/null", "-e", *inject])
        assert done.returncode in (-9, 137), done.stderr
        attempts.kills += 1
        attempts.compare()
    finish(attempts, files)
