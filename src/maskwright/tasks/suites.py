"""Published data sets by name: what shape they have, how their files are called, and by what they are judged.

A name is a suite and a data set in it, `glue:sst2`. A data set of a known shape is a line of `SETS`.
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

from maskwright.errors import BadInput
from maskwright.tasks.examples import Example, Labelled, is_labelled
from maskwright.tasks.metrics import chinese_questions, choices, entities, numbers, questions, segmentation
from maskwright.tasks.metrics import classes as class_metrics
from maskwright.tasks.reading.c3 import c3
from maskwright.tasks.reading.chid import chid
from maskwright.tasks.reading.clue import clue, cluewsc, csl
from maskwright.tasks.reading.columns import conll2003
from maskwright.tasks.reading.faults import Faults, kept
from maskwright.tasks.reading.glue import DEV_IDS, cola, glue, mrpc
from maskwright.tasks.reading.msra import msra
from maskwright.tasks.reading.segmented import segmented
from maskwright.tasks.reading.squad import cmrc2018, squad
from maskwright.tasks.reading.swag import swag
from maskwright.tasks.reading.tab_separated import chnsenticorp, lcqmc

Shape = Literal["classification", "regression", "tagging", "segmentation", "questions", "choice"]
Reader = Callable[[Path, Faults], Iterator[Example]]
Judge = Callable[[Sequence[Any], Sequence[Any]], Mapping[str, float]]
Files = Mapping[str, tuple[str, ...]]


class Suite(NamedTuple):
    """A published data set.

    read     what reads one of its files
    files    of each split (train, dev, test, and others it may have) the names that its file goes by, in a directory
    classes  the names of its classes, in the order of BERT's run_classifier.py or of the benchmark; () for other
             shapes
    judge    from what is right and what was predicted, example by example, to numbers by name: of names of classes,
             numbers, tags of sentences, words of sentences, answers of questions and a text, places of options
    metrics  which of these numbers count for it; the first decides
    language en or zh
    """

    shape: Shape
    read: Reader
    files: Files
    classes: tuple[str, ...]
    judge: Judge
    metrics: tuple[str, ...]
    language: Literal["en", "zh"]


_TSV: Files = {split: (f"{split}.tsv",) for split in ("train", "dev", "test")}
_TEXT: Files = {split: (f"{split}.tsv", f"{split}.txt") for split in ("train", "dev", "test")}
_JSON: Files = {
    "train": ("train.json", "train.jsonl"), "dev": ("dev.json", "dev.jsonl"),
    "test": ("test.json", "test.jsonl", "test1.0.json"),
}  # fmt: skip
_MRPC: Files = {
    "train": ("train.tsv", "msr_paraphrase_train.txt"), "dev": ("dev.tsv", DEV_IDS),
    "test": ("test.tsv", "msr_paraphrase_test.txt"),
}  # fmt: skip
_MNLI: Files = {
    "train": ("train.tsv",), "dev": ("dev_matched.tsv",), "dev_mismatched": ("dev_mismatched.tsv",),
    "test": ("test_matched.tsv",), "test_mismatched": ("test_mismatched.tsv",),
    "test_diagnostic": ("diagnostic.tsv", "../diagnostic/diagnostic.tsv"),
}  # fmt: skip
_CMRC: Files = {
    split: (f"{split}.json", f"cmrc2018_{split}.json") for split in ("train", "dev", "test", "trial")
}  # fmt: skip
_MSRA: Files = {
    "train": ("train.tsv", "train.txt", "msra_train_bio.txt", "msra_train.txt", "train1.txt"),
    "dev": ("dev.tsv", "dev.txt"),
    "test": ("test.tsv", "test.txt", "msra_test_bio.txt", "msra_test.txt", "testright1.txt"),
}
_CONLL: Files = {
    "train": ("eng.train", "train.txt"), "dev": ("eng.testa", "valid.txt", "dev.txt"),
    "test": ("eng.testb", "test.txt"),
}  # fmt: skip

_OF_SPANS = ("f1", "precision", "recall")


def _sighan(name: str, *, gold: str | None = None) -> Suite:
    """A corpus of SIGHAN's second bakeoff, in the folders of its archive or without them."""
    train, test = f"{name}_training.utf8", gold or f"{name}_test_gold.utf8"
    files = {"train": (train, f"training/{train}"), "test": (test, f"gold/{test}")}
    return Suite("segmentation", segmented, files, (), segmentation.scores, _OF_SPANS, "zh")


def _squad(version: questions.Version) -> Suite:
    files = {split: (f"{split}-v{version}.json",) for split in ("train", "dev")}
    return Suite("questions", squad, files, (), partial(questions.scores, version=version), ("f1", "exact"), "en")


def _c3(kind: str) -> Files:
    return {split: (f"{kind}-{split}.json", f"c3-{kind}-{split}.json") for split in ("train", "dev", "test")}


def _choice(read: Reader, files: Files, language: Literal["en", "zh"]) -> Suite:
    return Suite("choice", read, files, (), choices.scores, ("accuracy",), language)


def _english(read: Reader, files: Files, classes: str, *metrics: str) -> Suite:
    return _classification(read, files, classes, metrics or ("accuracy",), "en")


def _chinese(read: Reader, files: Files, classes: str) -> Suite:
    return _classification(read, files, classes, ("accuracy",), "zh")


def _classification(
    read: Reader, files: Files, classes: str, metrics: tuple[str, ...], language: Literal["en", "zh"]
) -> Suite:
    names = tuple(classes.split())
    return Suite("classification", read, files, names, partial(class_metrics.scores, classes=names), metrics, language)


_CLUE_PAIR = partial(clue, text="sentence1", pair="sentence2")
_PAIR = partial(glue, text="sentence1", pair="sentence2")
_NLI = "contradiction entailment neutral"
_TWO = "entailment not_entailment"
_TNEWS = "100 101 102 103 104 106 107 108 109 110 112 113 114 115 116"

SETS: dict[str, Suite] = {
    "glue:cola": _english(cola, _TSV, "0 1", "matthews"),
    "glue:sst2": _english(partial(glue, text="sentence"), _TSV, "0 1"),
    "glue:mrpc": _english(mrpc, _MRPC, "0 1", "f1", "accuracy"),
    "glue:stsb": Suite(
        "regression", partial(_PAIR, label="score", kind="number"), _TSV, (), numbers.scores, ("spearman", "pearson"),
        "en",
    ),
    "glue:qqp": _english(
        partial(glue, text="question1", pair="question2", label="is_duplicate", id="id", torn=True),
        _TSV, "0 1", "f1", "accuracy",
    ),
    "glue:mnli": _english(partial(_PAIR, label="gold_label"), _MNLI, _NLI),
    "glue:qnli": _english(partial(glue, text="question", pair="sentence"), _TSV, _TWO),
    "glue:rte": _english(_PAIR, _TSV, _TWO),
    "glue:wnli": _english(_PAIR, _TSV, "0 1"),
    "squad:1.1": _squad("1.1"),
    "squad:2.0": _squad("2.0"),
    "swag:regular": _choice(swag, {"train": ("train.csv",), "dev": ("val.csv",), "test": ("test.csv",)}, "en"),
    "conll:2003": Suite("tagging", conll2003, _CONLL, (), entities.scores, _OF_SPANS, "en"),
    "clue:afqmc": _chinese(_CLUE_PAIR, _JSON, "0 1"),
    "clue:tnews": _chinese(clue, _JSON, _TNEWS),
    "clue:iflytek": _chinese(clue, _JSON, " ".join(map(str, range(119)))),
    "clue:cmnli": _chinese(_CLUE_PAIR, _JSON, _NLI),
    "clue:cluewsc": _chinese(cluewsc, _JSON, "false true"),
    "clue:csl": _chinese(csl, _JSON, "0 1"),
    "clue:cmrc2018": Suite("questions", cmrc2018, _CMRC, (), chinese_questions.scores, ("exact", "f1"), "zh"),
    "clue:chid": _choice(chid, _JSON, "zh"),
    "clue:c3-d": _choice(c3, _c3("d"), "zh"),
    "clue:c3-m": _choice(c3, _c3("m"), "zh"),
    "chinese:chnsenticorp": _chinese(chnsenticorp, _TEXT, "0 1"),
    "chinese:lcqmc": _chinese(lcqmc, _TEXT, "0 1"),
    "chinese:msra": Suite("tagging", msra, _MSRA, (), entities.scores, _OF_SPANS, "zh"),
    "sighan:as": _sighan("as", gold="as_testing_gold.utf8"),
    "sighan:cityu": _sighan("cityu"),
    "sighan:msr": _sighan("msr"),
    "sighan:pku": _sighan("pku"),
}  # fmt: skip


def suite(name: str) -> Suite:
    """The data set of that name. Raises `BadInput`, with the nearest name, where there is none.

    >>> suite("glue:sst-2")
    Traceback (most recent call last):
        ...
    maskwright.errors.BadInput: there is no data set 'glue:sst-2'; did you mean glue:sst2?
    """
    if name in SETS:
        return SETS[name]
    near = get_close_matches(name.lower(), SETS, 1)
    hint = f"; did you mean {near[0]}?" if near else f"; there are {', '.join(SETS)}"
    raise BadInput(f"there is no data set {name!r}{hint}")


def split_path(name: str, folder: str | Path, split: str) -> Path:
    """The file of a split. Raises `BadInput` for a split that the data set does not have, and where it is missing."""
    files = suite(name).files
    if split not in files:
        raise BadInput(f"{name} has no split {split!r}: it has {', '.join(files)}")
    folder = Path(folder)
    for file in files[split]:
        if (folder / file).is_file():
            return folder / file
    if not folder.is_dir():
        raise BadInput(f"--data {folder} is no folder")
    there = ", ".join(sorted(os.listdir(folder))[:10]) or "nothing"
    raise BadInput(f"--data {folder} has no {' or '.join(files[split])}, {split} of {name}: it holds {there}")


def splits_there(name: str, folder: str | Path) -> list[str]:
    """The splits whose files are in the folder."""
    files = suite(name).files
    return [split for split in files if any((Path(folder) / file).is_file() for file in files[split])]


def read_split(name: str, folder: str | Path, split: str, faults: Faults) -> Iterator[Example]:
    """The examples of a split.

    Raises `BadInput` as `split_path` and its reader do, for an example to learn or to develop from that says nothing
    of what is asked, and for a class that the data set does not have.
    """
    chosen = suite(name)
    asked = not split.startswith(("test", "trial"))

    def checked(example: Example) -> Example:
        if asked and not is_labelled(example):
            raise BadInput(f"{example.where} does not say what is right, as examples of {split} do")
        refuse_class(example, chosen.classes)
        return example

    return kept(chosen.read(split_path(name, folder, split), faults), checked, faults)


def refuse_class(example: Example, classes: tuple[str, ...]) -> None:
    """Raises `BadInput` for a label that is not among the classes, where there are any."""
    if classes and isinstance(example, Labelled) and isinstance(example.label, str) and example.label not in classes:
        few = ", ".join(classes[:20]) + (" ..." if len(classes) > 20 else "")
        raise BadInput(f"{example.where} has the label {example.label!r}; there are {few}")
