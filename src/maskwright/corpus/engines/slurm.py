"""A Slurm cluster whose nodes share the file system of the work folder: a job array for each stage.

The script of the array lies in the work folder, `slurm-reading.sh`, and may be looked at. `sbatch --wait` ends with
the array; a task that failed leaves its error in `failed-TASK.txt` beside the script.
"""

import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from maskwright.corpus.engines import Stage
from maskwright.corpus.engines.local import WHOLE
from maskwright.errors import BadInput, MaskwrightError

LARGEST_ARRAY = 1000  # Slurm's default MaxArraySize is 1001
LOOK_EVERY = 2.0  # seconds


def engine(workers: int, *, options: str = "") -> "SlurmEngine":
    """Job arrays; `options` go to sbatch as they are: "--partition=cpu --time=2:00:00 --mem=4G"."""
    return SlurmEngine(workers, options)


class SlurmEngine:
    """At most `workers` tasks at a time."""

    def __init__(self, workers: int, options: str) -> None:
        if workers < 1:
            raise BadInput(f"workers is {workers}: give a number from 1")
        if shutil.which("sbatch") is None:
            raise BadInput("--engine slurm needs the command sbatch: start this on a node that submits jobs")
        self._count = workers
        try:
            self._options = shlex.split(options)
        except ValueError as error:
            raise BadInput(f"--slurm-options {options!r}: {error}") from None
        self._job: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._job is not None and self._job.poll() is None:
            self._job.terminate()  # sbatch --wait cancels its job

    def run(self, stage: Stage, tasks: Sequence[int]) -> Iterator[tuple[int, int]]:
        """As `Engine.run`; a task's whole size is told when its file is seen."""
        for failed in stage.work.glob("failed-*.txt"):
            failed.unlink()
        script = self._script(stage, tasks)
        self._job = subprocess.Popen(
            ["sbatch", "--wait", *self._options, str(script)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        waiting = set(tasks)
        over = False
        while waiting and not over:
            over = self._job.poll() is not None
            for task in sorted(waiting.difference(stage.remaining())):
                waiting.discard(task)
                yield task, WHOLE
            if waiting and not over:
                time.sleep(LOOK_EVERY)
        _, said = self._job.communicate()
        if waiting:
            raise self._failure(stage.work, min(waiting), said)

    def _script(self, stage: Stage, tasks: Sequence[int]) -> Path:
        """The job array: element i does tasks i, i + n, i + 2n ..."""
        elements = min(len(tasks), LARGEST_ARRAY)
        listed = stage.work / f"slurm-{stage.name.lower()}.tasks"
        listed.write_text("".join(f"{task}\n" for task in tasks))
        command = [sys.executable, "-m", "maskwright.corpus.engines.task", str(stage.work), stage.name, str(listed)]
        script = stage.work / f"slurm-{stage.name.lower()}.sh"
        script.write_text(
            "#!/bin/sh\n"
            f"#SBATCH --job-name=maskwright-{stage.name.lower()}\n"
            f"#SBATCH --array=0-{elements - 1}%{self._count}\n"
            "#SBATCH --requeue\n"
            f"#SBATCH --output={shlex.quote(str(stage.work / 'slurm-%A-%a.log'))}\n"
            f'exec {shlex.join(command)} "$SLURM_ARRAY_TASK_ID" {elements}\n'
        )
        os.chmod(script, 0o755)
        return script

    @staticmethod
    def _failure(work: Path, task: int, said: str) -> Exception:
        for failed in sorted(work.glob("failed-*.txt")):
            kind, _, line = failed.read_text(encoding="utf-8").partition("\n")
            return BadInput(line.strip()) if kind == "BadInput" else MaskwrightError(line.strip())
        reason = said.strip().splitlines()[-1] if said.strip() else f"see {work}/slurm-*.log"
        return MaskwrightError(
            f"unit {task} was not finished on Slurm ({reason}): start the same command again; what is finished is kept"
        )
