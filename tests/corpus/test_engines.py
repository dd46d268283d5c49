"""Engines: the same bytes on each, and what happens when a worker is lost."""

import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from maskwright.corpus.build import build_corpus
from maskwright.corpus.read import Corpus
from maskwright.errors import BadInput, MaskwrightError
from maskwright.text.samples import sample
from maskwright.tokenizers.wordpiece import WordPiece
from tests.corpus.folders import contents

UNITS = 6


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six files of text, which are six units, and a tokenizer."""
    folder = tmp_path_factory.mktemp("engines")
    (folder / "in").mkdir()
    for number in range(UNITS):
        chapters = ["\n".join(chapter.sentences[:50]) for chapter in sample("en")[number * 8 : number * 8 + 8]]
        (folder / "in" / f"{number}.txt").write_text("\n\n".join(chapters) + "\n")
    WordPiece.train([s for c in sample("en")[::9] for s in c.sentences], 1000).save(folder / "tokenizer")
    return folder


@pytest.fixture(autouse=True)
def small_units(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("maskwright.corpus.sources.UNIT_BYTES", (60_000, 60_000))


def build(folder: Path, out: Path, **settings: object) -> Corpus:
    return build_corpus([folder / "in"], out, tokenizer=folder / "tokenizer", shard_tokens=10_000, **settings)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def whole(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("maskwright.corpus.sources.UNIT_BYTES", (60_000, 60_000))
        made = build(folder, tmp_path_factory.mktemp("whole") / "c")
    assert len({shard.file.split("-")[-2] for shard in made.manifest.shards}) >= UNITS
    return contents(made.path)


SCRIPT = """
import sys
from maskwright import cli
from maskwright.corpus import sources
sources.UNIT_BYTES = 60_000, 60_000
if __name__ == "__main__":
    sys.exit(cli.main(sys.argv[1:]))
"""


def command(folder: Path, out: Path, *more: str) -> list[str]:
    script = folder / "build.py"
    script.write_text(SCRIPT)
    return [sys.executable, str(script), "corpus", str(folder / "in"), "--out", str(out),
            "--tokenizer", str(folder / "tokenizer"), *more]  # fmt: skip


def children(parent: int) -> list[int]:
    """Its workers: not what `multiprocessing` starts to look after resources."""
    done = subprocess.run(["pgrep", "-P", str(parent), "-f", "spawn_main"], capture_output=True, text=True)
    return [int(line) for line in done.stdout.split()]


@pytest.mark.parametrize("workers", [2, 9])
def test_processes(folder: Path, whole: dict[str, bytes], tmp_path: Path, workers: int) -> None:
    assert contents(build(folder, tmp_path / "c", workers=workers).path) == whole


def test_a_script_without_its_guard_is_told_what_it_lacks(folder: Path, tmp_path: Path) -> None:
    script = tmp_path / "build.py"
    script.write_text(
        "from maskwright.corpus.build import build_corpus\n"
        f"build_corpus([{str(folder / 'in')!r}], {str(tmp_path / 'c')!r}, vocab_size=500, workers=2)\n"
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False, timeout=120)
    said = done.stderr.splitlines()[-1]
    assert done.returncode and "did not start" in said and 'under `if __name__ == "__main__":`' in said


@pytest.mark.skipif(shutil.which("pgrep") is None, reason="looks for worker processes by pgrep")
def test_a_killed_worker_is_one_line_and_the_same_command_goes_on(folder: Path, tmp_path: Path) -> None:
    made = tmp_path / "c"
    for moment in range(200):
        process = subprocess.Popen(
            command(folder, made, "--workers", "2"), stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        while process.poll() is None and not (workers := children(process.pid)):
            time.sleep(0.01)
        time.sleep(0.05 * moment)
        for worker in children(process.pid)[:1]:
            os.kill(worker, signal.SIGKILL)
        _, said = process.communicate(timeout=60)
        if process.returncode == 0:
            break
        errors = [line for line in said.splitlines() if line.startswith("maskwright: error")]
        assert process.returncode == 1 and len(errors) == 1 and "Traceback" not in said, said
        assert "died by signal 9" in errors[0] and "start the same command again" in errors[0]
        del workers
    assert moment > 0
    assert Corpus.open(made, verify="checksums").train.num_documents


def test_an_error_in_a_worker_is_the_error_of_the_build(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for file in (folder / "in").iterdir():
        (tmp_path / "in" / file.name).write_bytes(file.read_bytes())
    (tmp_path / "in" / "3.txt").write_bytes(b"It was so.\xff\n")
    with pytest.raises(BadInput, match=r"3\.txt is not UTF-8: byte 10 ") as caught:
        build_corpus([tmp_path / "in"], tmp_path / "c", tokenizer=folder / "tokenizer", workers=2)
    assert "\n" not in str(caught.value) and not (tmp_path / "c").exists()


# --- Slurm, with a scheduler that runs an array one after the other ---------------------------------

SBATCH = """#!{python}
import os, re, subprocess, sys
script = open(sys.argv[-1]).read()
first, last, most = re.search(r"--array=(\\d+)-(\\d+)%(\\d+)", script).groups()
open({log!r}, "a").write(" ".join(sys.argv[1:-1]) + "\\n")
codes = [
    subprocess.run(["sh", sys.argv[-1]], env={{**os.environ, "SLURM_ARRAY_TASK_ID": str(element)}}).returncode
    for element in range(int(first), int(last) + 1)
]
sys.exit(max(codes))
"""


@pytest.fixture
def sbatch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A log of what sbatch was called with."""
    (tmp_path / "bin").mkdir()
    script = tmp_path / "bin" / "sbatch"
    script.write_text(SBATCH.format(python=sys.executable, log=str(tmp_path / "log")))
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    monkeypatch.setattr("maskwright.corpus.engines.slurm.LOOK_EVERY", 0.05)
    return tmp_path / "log"


def test_slurm(
    folder: Path, whole: dict[str, bytes], tmp_path: Path, sbatch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("maskwright.corpus.engines.slurm.LARGEST_ARRAY", 4)
    made = build(folder, tmp_path / "c", engine="slurm", workers=3, engine_settings={"options": "--mem=4G"})
    assert contents(made.path) == whole
    assert sbatch.read_text() == "--wait --mem=4G\n" * 2


def test_an_error_on_slurm_is_one_line(folder: Path, tmp_path: Path, sbatch: Path) -> None:
    (tmp_path / "bad.txt").write_bytes(b"It was so.\xff\n")
    with pytest.raises(BadInput, match=r"bad\.txt is not UTF-8: byte 10 "):
        build_corpus([tmp_path / "bad.txt"], tmp_path / "c", tokenizer=folder / "tokenizer", engine="slurm")


def test_a_scheduler_that_fails_is_told(folder: Path, tmp_path: Path, sbatch: Path) -> None:
    script = tmp_path / "bin" / "sbatch"
    script.write_text("#!/bin/sh\necho 'sbatch: error: invalid partition specified: moon' >&2\nexit 1\n")
    with pytest.raises(MaskwrightError, match="unit 0 was not finished on Slurm .*invalid partition specified: moon"):
        build(folder, tmp_path / "c", engine="slurm")


def test_without_a_scheduler(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BadInput, match="needs the command sbatch"):
        build(folder, tmp_path / "c", engine="slurm")


# --- Ray, a real cluster on this machine ------------------------------------------------------------


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    ray = pytest.importorskip("ray")
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    yield
    ray.shutdown()


@pytest.mark.slow
def test_ray(cluster: None, folder: Path, whole: dict[str, bytes], tmp_path: Path) -> None:
    assert contents(build(folder, tmp_path / "c", engine="ray", workers=2).path) == whole


@pytest.mark.slow
def test_a_worker_of_ray_killed_in_the_middle_is_made_good(
    cluster: None, folder: Path, whole: dict[str, bytes], tmp_path: Path
) -> None:
    killed: list[int] = []

    def kill(name: str) -> bool:
        found = subprocess.run(["pgrep", "-f", f"^ray::{name}"], capture_output=True, text=True).stdout.split()
        for worker in found[:1]:
            os.kill(int(worker), signal.SIGKILL)
            killed.append(int(worker))
        return bool(found)

    watch(lambda: kill("do"), times=2, then=lambda: build(folder, tmp_path / "c", engine="ray", workers=2))
    assert killed and contents(tmp_path / "c") == whole


def watch(event: Callable[[], bool], *, times: int, then: Callable[[], object]) -> None:
    """`then`, while a thread makes `event` happen so many times."""
    import threading

    over = threading.Event()

    def look() -> None:
        seen = 0
        while not over.is_set() and seen < times:
            seen += event()
            time.sleep(0.05)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        then()
    finally:
        over.set()
        thread.join()


@pytest.mark.slow
def test_stages_are_steps_of_datatrove(folder: Path, whole: dict[str, bytes], tmp_path: Path) -> None:
    executor = pytest.importorskip("datatrove.executor.local").LocalPipelineExecutor

    class Datatrove:
        """An engine of one's own."""

        def run(self, stage, tasks):
            executor([stage], tasks=len(stage.sizes()), workers=1, logging_dir=str(tmp_path / stage.name)).run()
            yield from ((task, 2**62) for task in tasks)

    from maskwright.corpus import build as module

    with pytest.MonkeyPatch.context() as patched:
        run_stage = module.run_stage
        patched.setattr(module, "run_stage", lambda stage, _, progress: run_stage(stage, Datatrove(), progress))
        made = build(folder, tmp_path / "c")
    assert contents(made.path) == whole
