"""Published data sets by name: what is there, what is missing, and that each can be judged."""

from pathlib import Path

import pytest

from maskwright.tasks.reading.faults import Faults
from maskwright.tasks.suites import SETS, read_split, split_path, splits_there, suite
from tests.tasks.files import refusal, written

JUDGED = {
    "classification": lambda classes: (list(classes), list(classes)),
    "regression": lambda _: ([1.0, 2.0, 3.0], [1.0, 2.0, 3.0]),
    "tagging": lambda _: ([["B-PER", "O"]], [["B-PER", "O"]]),
    "segmentation": lambda _: ([["却说", "曹操"]], [["却说", "曹操"]]),
    "questions": lambda _: ([["曹操"]], ["曹操"]),
    "choice": lambda _: ([1, 0], [1, 0]),
}


@pytest.mark.parametrize("name", SETS)
def test_what_is_all_right_reaches_one_in_every_number_that_counts(name: str) -> None:
    chosen = suite(name)
    found = chosen.judge(*JUDGED[chosen.shape](chosen.classes))
    assert {metric: round(found[metric], 12) for metric in chosen.metrics} == dict.fromkeys(chosen.metrics, 1.0)
    assert bool(chosen.classes) == (chosen.shape == "classification")
    assert "train" in chosen.files


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    assert refusal(lambda: suite("glue:sst")) == "there is no data set 'glue:sst'; did you mean glue:sst2?"
    assert refusal(lambda: suite("squad:2")).endswith("did you mean squad:2.0?")
    assert refusal(lambda: suite("xyzzy")).startswith("there is no data set 'xyzzy'; there are glue:cola, glue:sst2")


def test_a_missing_file_is_named_with_those_there(tmp_path: Path) -> None:
    folder = tmp_path / "conll"
    assert refusal(lambda: split_path("conll:2003", folder, "train")) == f"--data {folder} is no folder"
    valid = written(folder, "valid.txt", "EU B-ORG\n")
    assert split_path("conll:2003", folder, "dev") == valid
    assert splits_there("conll:2003", folder) == ["dev"]
    assert refusal(lambda: split_path("conll:2003", folder, "train")) == (
        f"--data {folder} has no eng.train or train.txt, train of conll:2003: it holds valid.txt"
    )
    assert refusal(lambda: split_path("conll:2003", folder, "trial")) == (
        "conll:2003 has no split 'trial': it has train, dev, test"
    )


def test_files_may_lie_in_the_folders_of_their_archive(tmp_path: Path) -> None:
    written(tmp_path, "training/pku_training.utf8", "却说  曹操\n")
    written(tmp_path, "gold/pku_test_gold.utf8", "败走\n")
    assert splits_there("sighan:pku", tmp_path) == ["train", "test"]
    assert [example.where for example in read_split("sighan:pku", tmp_path, "train", Faults())] == [
        f"{tmp_path}/training/pku_training.utf8 line 1"
    ]
