"""One element of a job array: `python -m maskwright.corpus.engines.task WORK STAGE TASKS ELEMENT ELEMENTS`.

An error goes into `failed-TASK.txt` in the work folder, its kind in the first line, for the process that waits.
"""

import sys
from pathlib import Path

from maskwright.corpus.engines.ray import do
from maskwright.corpus.stages import stage_called
from maskwright.durable import write_file
from maskwright.errors import BadInput


def main(work: str, name: str, listed: str, element: str, elements: str) -> int:
    """Do the tasks that fall to this element; 1 when one failed."""
    stage = stage_called(name, Path(work))
    tasks = [int(line) for line in Path(listed).read_text().split()]
    for task in tasks[int(element) :: int(elements)]:
        try:
            do(stage, task)
        except Exception as error:  # noqa: BLE001 - told to the process that waits for the job
            kind = "BadInput" if isinstance(error, BadInput | OSError) else type(error).__name__
            write_file(Path(work) / f"failed-{task}.txt", f"{kind}\n{error}\n".encode())
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
