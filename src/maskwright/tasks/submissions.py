"""The files that GLUE's and CLUE's sites take, and SQuAD's evaluation: predictions for test files, in their forms.

GLUE     a table `index, prediction` for each test file (gluebenchmark.com/faq; nyu-mll/GLUE-baselines, src/main.py):
         names of classes for MNLI, AX, QNLI and RTE, 0 and 1 for the others, STS-B's numbers to three places. AX is
         answered by a model of MNLI.
CLUE     an object {"id", "label"} a line, in the order of the test file (CLUEbenchmark/CLUE, README and
         baselines/paddlenlp). TNEWS, CLUEWSC, ChID and C3 have had two test files, and their names tell which.
SQuAD    one object of all answers by the ids of questions (evaluate-v2.0.py); CMRC 2018 of CLUE has the same.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from maskwright.checkpoints.task_part import TaskPart
from maskwright.errors import BadInput
from maskwright.tasks.choices import Chosen
from maskwright.tasks.suites import suite

LOWEST, HIGHEST = 0.0, 5.0
"""STS-B's scale."""
OLD = "1.0"
"""In the name of a test file of CLUE's first edition (test1.0.json)."""


class Submission(NamedTuple):
    """A file to hand in.

    split   of which it holds the predictions
    name    of the file; `{edition}` in it is that of the test file
    """

    split: str
    name: str


GLUE: dict[str, dict[str, str]] = {
    "glue:cola": {"test": "CoLA"},
    "glue:sst2": {"test": "SST-2"},
    "glue:mrpc": {"test": "MRPC"},
    "glue:stsb": {"test": "STS-B"},
    "glue:qqp": {"test": "QQP"},
    "glue:mnli": {"test": "MNLI-m", "test_mismatched": "MNLI-mm", "test_diagnostic": "AX"},
    "glue:qnli": {"test": "QNLI"},
    "glue:rte": {"test": "RTE"},
    "glue:wnli": {"test": "WNLI"},
}
"""Of each data set the splits to hand in, and what their files are called."""
ANSWERS = {
    "squad:1.1": Submission("dev", "predictions.json"),
    "squad:2.0": Submission("dev", "predictions.json"),
    "clue:cmrc2018": Submission("test", "cmrc2018_predict.json"),
    "clue:chid": Submission("test", "chid{edition}_predict.json"),
}
"""Of data sets whose answers go by the ids of questions."""
CLUE = {"afqmc": False, "tnews": True, "iflytek": False, "cmnli": False, "cluewsc": True, "csl": False}
"""Of each data set whether its file tells the edition of the test file."""


def submissions(data_set: str) -> list[Submission]:
    """The files to hand in for a data set. BadInput for one that no site takes predictions for."""
    suite(data_set)
    if data_set in GLUE:
        return [Submission(split, f"{name}.tsv") for split, name in GLUE[data_set].items()]
    if data_set in ANSWERS:
        return [ANSWERS[data_set]]
    benchmark, _, name = data_set.partition(":")
    if benchmark == "clue" and name in CLUE:
        return [Submission("test", f"{name}{'{edition}' if CLUE[name] else ''}_predict.json")]
    known = [*GLUE, *ANSWERS, *(f"clue:{one}" for one in CLUE)]
    raise BadInput(f"no form is known in which predictions for {data_set} are handed in: there are {', '.join(known)}")


def file_name(submission: Submission, test: Path) -> str:
    """What the file is called that goes with a test file.

    >>> file_name(Submission("test", "tnews{edition}_predict.json"), Path("TNEWS/test1.0.json"))
    'tnews10_predict.json'
    """
    return submission.name.format(edition="10" if OLD in test.name else "11")


def refuse_other_labels(data_set: str, part: TaskPart) -> None:
    """BadInput for a model whose classes have other names than those of the data set: the site would not know them."""
    classes = suite(data_set).classes
    if classes and set(classes) != set(part.labels):
        raise BadInput(
            f"the model's classes are {', '.join(part.labels[:8])}, and {data_set} has {', '.join(classes[:8])}: "
            "hand in what a model of that data set predicts"
        )


def content(data_set: str, examples: Sequence[Any], answers: Sequence[Any]) -> bytes:
    """The file of a split's examples, none left out, and what was predicted.

    answers   as the model of such a shape gives them: `Prediction`, `Reply`, `Chosen`
    """
    if data_set in ANSWERS:
        said = [one.place if isinstance(one, Chosen) else one.answers[0].text for one in answers]
        return answers_by_id([str(one.id) for one in examples], said)
    if data_set in GLUE:
        return glue_table(examples, [answer.label for answer in answers])
    return clue_lines(examples, [str(answer.label) for answer in answers])


def glue_table(examples: Sequence[Any], predicted: Sequence[Any]) -> bytes:
    """`index, prediction`: the index that the test file has, or the place from 0; numbers within STS-B's scale."""
    rows = [
        f"{place if one.id is None else one.id}\t{_glue(answer)}\n"
        for place, (one, answer) in enumerate(zip(examples, predicted, strict=True))
    ]
    return ("index\tprediction\n" + "".join(rows)).encode()


def clue_lines(examples: Sequence[Any], predicted: Sequence[str | int]) -> bytes:
    """An object a line: the id of the test file as a number, or the place from 0, and the label."""
    rows = [
        json.dumps({"id": _clue_id(one.id, place), "label": answer}, ensure_ascii=False) + "\n"
        for place, (one, answer) in enumerate(zip(examples, predicted, strict=True))
    ]
    return "".join(rows).encode()


def answers_by_id(ids: Sequence[str], predicted: Sequence[Any]) -> bytes:
    """SQuAD's predictions.json, CMRC 2018's and ChID's files: one object, from the id of a question to its answer.

    An empty text says that the context holds no answer. BadInput for an id that two questions have.

    >>> answers_by_id(["56ddde6b9a695914005b9628", "DEV_0"], ["France", ""]).decode()
    '{"56ddde6b9a695914005b9628": "France", "DEV_0": ""}'
    """
    found = dict(zip(ids, predicted, strict=True))
    if len(found) < len(ids):
        raise BadInput(f"{len(ids) - len(found)} of {len(ids)} questions have the id of another: answers need one each")
    return json.dumps(found, ensure_ascii=False).encode()


def _glue(answer: Any) -> str:
    """A class's name, or a number of STS-B.

    >>> _glue("not_entailment"), _glue(5.31), _glue(-0.2), _glue(2.34567)
    ('not_entailment', '5.000', '0.000', '2.346')
    """
    return f"{min(max(answer, LOWEST), HIGHEST):.3f}" if isinstance(answer, float) else str(answer)


def _clue_id(given: str | None, place: int) -> int | str:
    if given is None:
        return place
    return int(given) if given.isdecimal() else given
