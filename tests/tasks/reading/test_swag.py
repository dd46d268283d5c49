"""SWAG's csv: a first column without a name, and quoted cells."""

from pathlib import Path

from maskwright.tasks.examples import Choice
from maskwright.tasks.reading.faults import Faults
from maskwright.tasks.reading.swag import swag
from tests.tasks.files import refused, written

HEADER = ",video-id,fold-ind,startphrase,sent1,sent2,gold-source,ending0,ending1,ending2,ending3"
ROW = '17,anetv_x,1,"Rain, he says. He",Rain. He says.,He,gold,"leaves, slowly.",stays.,"says ""no"".",sits.'


def test_endings_are_joined_to_what_they_end(tmp_path: Path) -> None:
    path = written(tmp_path, "val.csv", f"{HEADER},label\n{ROW},2\n")
    options = ("He leaves, slowly.",), ("He stays.",), ('He says "no".',), ("He sits.",)
    assert list(swag(path, Faults())) == [Choice("Rain. He says.", options, 2, f"{path} line 2", "17")]
    path = written(tmp_path, "test.csv", f"{HEADER}\n{ROW}\n")
    assert [choice.label for choice in swag(path, Faults())] == [None]


def test_bad_rows_are_named(tmp_path: Path) -> None:
    for content, message in (
        (f"{HEADER},label\n{ROW},4\n", "line 2 has the label 4, and 4 options: labels are 0 to 3"),
        (f"{HEADER},label\n{ROW},x\n", "line 2 has 'x' in its column 'label', which is no number"),
        (f"{HEADER},label\n{ROW}\n", "line 2 has 11 fields, and the header 12"),
        (
            f"{HEADER.replace('ending3', 'end')}\n{ROW}\n",
            "line 1 has no column 'ending3': its columns are '', video-id",
        ),
    ):
        assert message in refused(swag, written(tmp_path, "train.csv", content))
