"""kill -9 of a fine-tuning: lines, kept weights, checkpoints and the model are those of an undisturbed run."""

import csv
import random
from pathlib import Path

import pytest

from tests.checkpoints import made_up
from tests.training.small_corpus import maskwright
from tests.training.test_kill import Attempts, Moment, final_files, finish, logged

STEPS = 40
WORDS = "the cat sat on a mat river of paris france long".split()


def arguments(folder: Path, out: Path) -> list[str]:
    line = f"finetune classification --model {folder / 'encoder'} --train {folder / 'train.csv'} --out {out} --epochs 4"
    keys = "--training.save_every 3 --training.log_every 1 --training.evaluate_every 2 --training.batch_sequences 9"
    return f"{line} {keys} --optimizer.rate 1e-2".split()


@pytest.mark.slow
def test_kills_change_nothing(tmp_path: Path) -> None:
    draws = random.Random(0)
    made_up.folder(tmp_path / "encoder")
    rows = [(" ".join(draws.choices(WORDS, k=draws.randint(2, 9))), str(draws.randrange(3))) for _ in range(100)]
    with (tmp_path / "train.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("text", "label"), *rows])
    whole, out = tmp_path / "whole", tmp_path / "out"
    done = maskwright(*arguments(tmp_path, whole))
    assert done.returncode == 0, done.stderr
    wanted = logged(whole)
    assert len(wanted) == STEPS
    attempts = Attempts(arguments(tmp_path, out), out, wanted)
    for at in sorted(draws.uniform(0, STEPS) for _ in range(8)):
        attempts.kill_when(Moment(step=int(at), seconds=(at % 1) * 0.03))
    for seen in (f"checkpoints/step-{STEPS:08d}", ".report.html.partial-*", ".model.partial-*"):
        attempts.kill_when(Moment(file=seen))
    assert attempts.kills >= 8
    finish(attempts, final_files(whole))
    for name in ("evaluation.json", "kept.json"):
        assert (out / name).read_bytes() == (whole / name).read_bytes()
