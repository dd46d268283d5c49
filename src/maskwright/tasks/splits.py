"""What a fine-tuning learns from, and what it is judged by: the files of a recipe, or a part that is put aside."""

import hashlib
import json
from itertools import chain
from typing import Any, NamedTuple

from maskwright.errors import BadInput
from maskwright.tasks.aside import put_aside
from maskwright.tasks.data import DataConfig
from maskwright.tasks.reading.faults import Faults
from maskwright.tasks.shapes import shape
from maskwright.tasks.suites import read_split, splits_there

HELD_OUT = 0.1
"""Share of the examples that is put aside to judge by where no file for that is named."""
SPLITS = ("train", "dev")


class Split(NamedTuple):
    """Examples to learn from, and to judge by."""

    train: list[Any]
    dev: list[Any]

    @property
    def fingerprint(self) -> str:
        """Of all examples."""
        told = hashlib.sha256()
        for one in chain(self.train, [None], self.dev):
            told.update(json.dumps(None if one is None else [*one._replace(where="")]).encode())
        return told.hexdigest()


def read(data: DataConfig, faults: Faults) -> Split:
    """The examples of a recipe's files. What is put aside depends on `data.split_seed` alone: runs can be compared."""
    if data.suite is not None:
        train, *dev = (
            list(read_split(data.suite, data.folder, name, faults))
            for name in SPLITS
            if name == "train" or name in splits_there(data.suite, data.folder)
        )
    else:
        train, *dev = (_read(data, path, faults) for path in (data.train, data.dev) if path is not None)
    if dev:
        if not train or not dev[0]:
            raise BadInput(f"{data.folder} has no example of {data.suite} to {'judge by' if train else 'learn from'}")
        return Split(train, dev[0])
    aside = round(HELD_OUT * len(train))
    if not aside:
        where = data.train or data.folder
        raise BadInput(f"{where} has {len(train)} examples, too few to put some aside: name a file with --dev")
    return Split(*put_aside(train, aside, data.split_seed, data.train or data.folder))


def _read(data: DataConfig, path: str, faults: Faults) -> list[Any]:
    made = shape(data.shape)
    if found := made.examples(data, path, faults):
        return found
    raise BadInput(
        f"{path} has no example: it needs rows of {data.text or made.COLUMNS.text} and what is asked of them"
    )
