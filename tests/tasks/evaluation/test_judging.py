"""Everything that is said of answers, from answers that are known: numbers beside scikit-learn's, slices, the worst."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from maskwright.checkpoints.task_part import TaskPart
from maskwright.draws import generator
from maskwright.tasks.evaluation.judging import chief_of, refuse_unjudgeable, result
from maskwright.tasks.examples import Labelled, Tagged
from maskwright.tasks.metrics import classes, entities, numbers, segmentation
from maskwright.tasks.predictions import Prediction
from maskwright.tasks.schemes import tags_of_words, words_of_tags
from tests.tasks.files import refusal

THREE = TaskPart("class", ("a", "b", "c"))
ENTITIES = TaskPart("tags", ("O", "B-LOC", "B-PER", "I-LOC", "I-PER"))


class Known:
    """Data whose measures are those of a metric."""

    def __init__(self, examples: Sequence[Any], part: TaskPart, measures: Mapping[str, float], cut: int = 0) -> None:
        self.examples, self.part, self.cut, self._measures = examples, part, cut, measures

    def measures(self, answers: Sequence[Any]) -> Mapping[str, float]:
        return self._measures

    def different(self, answers: Sequence[Any]) -> int:
        return len(set(map(str, answers)))


def judged(known: Known, answers: Sequence[Any], chief: str, lengths: Sequence[int] | None = None, **more: Any) -> Any:
    data: Any = known
    return result(data, answers, chief, lengths=lengths or [5] * len(known.examples), **more)


def of_classes(count: int = 200) -> tuple[list[Labelled], list[Prediction]]:
    """Answers that are right for `a` mostly, and never `c`."""
    rng = generator(0, "answers")
    gold = ["abc"[i] for i in rng.integers(0, 3, count)]
    examples = [Labelled(f"text {i}", None, name, f"t.csv line {i + 2}") for i, name in enumerate(gold)]
    answers: list[Prediction] = []
    for name in gold:
        shares = rng.dirichlet([8 if one == name == "a" else 2 if one == name else 1 for one in "ab"]) * 0.98
        row = {"a": float(shares[0]), "b": float(shares[1]), "c": 0.02}
        answers.append(Prediction(max(row, key=lambda one: row[one]), row))
    return examples, answers


def test_classes_are_told_as_scikit_learn_tells_them() -> None:
    examples, answers = of_classes()
    gold, said = [str(one.label) for one in examples], [str(one.label) for one in answers]
    known = Known(examples, THREE, classes.scores(gold, said, THREE.labels))
    found = judged(known, answers, "macro_f1")
    theirs = precision_recall_fscore_support(gold, said, labels=list("abc"), zero_division=0)
    for place, name in enumerate("abc"):
        row = found["classes"][place]
        assert row == {
            "name": name,
            **{key: pytest.approx(theirs[i][place]) for i, key in enumerate(("precision", "recall", "f1"))},
            "support": theirs[3][place],
        }
    matrix = confusion_matrix(gold, said, labels=list("abc"))
    assert found["confusion"]["counts"] == matrix.tolist()
    first = found["confusions"][0]
    off = matrix - np.diag(np.diag(matrix))
    assert (
        first["count"] == off.max() and matrix["abc".index(first["gold"]), "abc".index(first["predicted"])] == off.max()
    )
    chief = found["chief"]
    assert chief["value"] == found["measures"]["macro_f1"] and chief["low"] < chief["value"] < chief["high"]
    assert next(iter(found["measures"])) == "macro_f1"


def test_the_worst_are_those_whose_right_class_is_least_likely() -> None:
    examples, answers = of_classes()
    found = judged(Known(examples, THREE, {"accuracy": 0.5}), answers, "accuracy", worst=7)
    shares = sorted(answer.shares[str(one.label)] for one, answer in zip(examples, answers, strict=True))
    assert [one["share"] for one in found["worst"]] == shares[:7]
    worst = found["worst"][0]
    assert worst["loss"] == pytest.approx(-np.log(worst["share"])) and worst["where"].startswith("t.csv line ")
    assert worst["gold"] == "c" and worst["text"].startswith("text ")


def test_slices_are_the_measure_of_their_examples() -> None:
    examples, answers = of_classes()
    lengths = [1 + i % 8 for i in range(200)]
    sources = ["news" if i % 3 else "web" for i in range(200)]
    found = judged(Known(examples, THREE, {"accuracy": 0.5}), answers, "accuracy", lengths, columns={"source": sources})
    hits = np.array([one.label == answer.label for one, answer in zip(examples, answers, strict=True)])
    assert [one["name"] for one in found["slices"]["tokens"]] == ["1 to 2", "3 to 4", "5 to 6", "7 to 8"]
    short = hits[np.array(lengths) <= 2]
    first = found["slices"]["tokens"][0]
    assert (first["examples"], first["value"]) == (len(short), pytest.approx(short.mean()))
    assert first["low"] < first["value"] < first["high"]
    web = next(one for one in found["slices"]["source"] if one["name"] == "web")
    assert web["value"] == pytest.approx(hits[::3].mean()) and web["examples"] == 67
    few = judged(Known(examples[:40], THREE, {"accuracy": 0.5}), answers[:40], "accuracy", lengths[:40])
    assert "slices of fewer than 30 examples say little (4 here): look at their intervals" in few["notes"]


def test_where_all_is_right_there_is_doubt_all_the_same() -> None:
    examples = [Labelled("x", None, "a", f"line {i}") for i in range(20)]
    answers = [Prediction("a", {"a": 0.9, "b": 0.1})] * 20
    found = judged(Known(examples, TaskPart("class", ("a", "b")), {"accuracy": 1.0}, cut=3), answers, "accuracy")
    assert found["chief"]["high"] == 1 and found["chief"]["low"] == pytest.approx(0.839, abs=1e-3)
    assert "it gives one answer for all examples" in found["notes"]
    assert any("no example is of b" in note for note in found["notes"])
    assert "3 of 20 texts were cut: what stands behind is never read" in found["notes"]


def test_two_models_are_set_beside_each_other() -> None:
    examples, answers = of_classes()
    always = [Prediction("a", {"a": 0.8, "b": 0.1, "c": 0.1})] * 200
    found = judged(Known(examples, THREE, {"accuracy": 0.5}), answers, "accuracy", other=always)
    beside = found["against"]
    right = [[one.label == each.label for one, each in zip(examples, some, strict=True)] for some in (answers, always)]
    assert beside["other"]["value"] == pytest.approx(np.mean(right[1]))
    assert beside["difference"]["value"] == pytest.approx(np.mean(right[0]) - np.mean(right[1]))
    assert beside["mcnemar"]["this"] == sum(a and not b for a, b in zip(*right, strict=True))
    assert 0 <= beside["not_better"] <= 1


def test_several_classes() -> None:
    part = TaskPart("classes", ("a", "b"))
    examples = [
        Labelled("x", None, names, f"line {i}") for i, names in enumerate([("a",), ("a", "b"), (), ("b",)] * 10)
    ]
    row = {"a": 0.9, "b": 0.2}
    answers = [Prediction(("a",), row)] * 40
    gold, said = [one.label for one in examples], [("a",)] * 40
    measures = classes.several_scores(gold, said, part.labels)  # type: ignore[arg-type]
    found = judged(Known(examples, part, measures), answers, "micro_f1")
    assert found["chief"]["value"] == measures["micro_f1"]
    assert found["classes"][0] == {
        "name": "a",
        "precision": 0.5,
        "recall": 1.0,
        "f1": pytest.approx(2 / 3),
        "support": 20,
    }
    assert found["worst"][0]["gold"] == "b" and found["worst"][0]["predicted"] == "a"
    assert found["worst"][0]["loss"] == pytest.approx(-np.log(0.1) - np.log(0.2))
    assert any(
        one["gold"] == "(none)"
        for one in judged(Known(examples, part, measures), answers, "micro_f1", worst=40)["worst"]
    )


def test_numbers() -> None:
    gold, said = [1.0, 2.0, 3.0, 5.0], [1.5, 2.0, 2.0, 8.0]
    examples = [Labelled("x", "y", each, f"line {i}") for i, each in enumerate(gold)]
    answers = [Prediction(each, {}) for each in said]
    found = judged(Known(examples, TaskPart("number", ("number",)), numbers.scores(gold, said)), answers, "pearson")
    assert found["residuals"]["mean"] == pytest.approx(2.5 / 4) and found["residuals"]["mean_absolute_error"] == 4.5 / 4
    assert found["residuals"]["gold"] == gold and found["residuals"]["predicted"] == said
    assert [one["loss"] for one in found["worst"]] == [3.0, 1.0, 0.5, 0.0] and found["worst"][0]["text"] == "x | y"
    assert (
        "calibration" not in found
        and "mcnemar"
        not in judged(
            Known(examples, TaskPart("number", ("number",)), numbers.scores(gold, said)),
            answers,
            "pearson",
            other=answers,
        )["against"]
    )


def test_entities_by_type_and_what_they_are_taken_for() -> None:
    gold = [("B-PER", "I-PER", "O", "B-LOC"), ("O", "B-LOC", "I-LOC"), ("O",)]
    said = [["B-PER", "I-PER", "O", "B-PER"], ["B-PER", "O", "B-LOC"], ["O"]]
    examples = [Tagged(tuple("wxyz"[: len(tags)]), tags, f"line {i}") for i, tags in enumerate(gold)]
    measures = entities.scores(gold, said)
    found = judged(Known(examples, ENTITIES, measures), said, "f1")
    assert found["chief"]["value"] == pytest.approx(measures["f1"])
    by_type = entities.by_type(gold, said)
    assert {row["name"]: {k: v for k, v in row.items() if k != "name"} for row in found["classes"]} == by_type
    labels, counts = found["confusion"]["labels"], np.array(found["confusion"]["counts"])
    assert labels == ["LOC", "PER", "(none)"]
    # one LOC is called PER, one is missed; a PER and a LOC stand where nothing does
    assert counts.tolist() == [[0, 1, 1], [0, 1, 0], [1, 1, 0]]
    assert [one["loss"] for one in found["worst"]] == [3.0, 2.0, 0.0]
    assert found["worst"][0] == {
        "where": "line 1", "text": "w x y", "loss": 3.0, "gold": "x y/LOC", "predicted": "w/PER y/LOC", "share": None,
    }  # fmt: skip


def test_parts_of_speech_are_judged_word_by_word() -> None:
    part = TaskPart("tags", ("DET", "NOUN", "VERB"))
    assert (chief_of(part, None), chief_of(ENTITIES, None), chief_of(part, "conll:2003")) == ("accuracy", "f1", "f1")
    gold, said = [("DET", "NOUN"), ("VERB", "VERB")], [["DET", "VERB"], ["VERB", "NOUN"]]
    examples = [Tagged(("v", "w"), tags, f"line {i}") for i, tags in enumerate(gold)]
    found = judged(Known(examples, part, entities.scores(gold, said)), said, "accuracy")
    assert found["chief"]["value"] == 0.5
    assert found["confusion"] == {"labels": ["DET", "NOUN", "VERB"], "counts": [[1, 0, 0], [0, 0, 1], [0, 1, 1]]}
    flat = [tag for tags in gold for tag in tags], [tag for tags in said for tag in tags]
    theirs = precision_recall_fscore_support(*flat, labels=part.labels, zero_division=0)
    assert [row["f1"] for row in found["classes"]] == pytest.approx(theirs[2].tolist())


def test_segmented_words_by_their_length() -> None:
    words = [["却说", "曹操", "败", "走"], ["诸葛亮"]]
    said = [["却说", "曹", "操", "败", "走"], ["诸葛亮"]]
    examples = [
        Tagged(tuple("".join(each)), tags_of_words(each), f"line {i}", joined=True) for i, each in enumerate(words)
    ]
    measures = segmentation.scores([words_of_tags(one.words, one.tags or ()) for one in examples], said)
    found = judged(Known(examples, TaskPart("words", tuple("BEMS")), measures), said, "f1")
    assert found["chief"]["value"] == pytest.approx(measures["f1"])
    rows = {row["name"]: (row["precision"], row["recall"], row["support"]) for row in found["classes"]}
    assert rows == {"1 character": (0.5, 1.0, 2), "2 characters": (1.0, 0.5, 2), "3 characters": (1.0, 1.0, 1)}
    assert found["worst"][0]["predicted"] == "却说 曹 操 败 走" and found["worst"][0]["loss"] == 3


def test_what_cannot_be_judged_is_refused_by_its_row() -> None:
    one = Labelled("x", None, "a", "t.csv line 2")
    assert "t.csv line 3 does not say what is right" in refusal(
        lambda: refuse_unjudgeable([one, one._replace(label=None, where="t.csv line 3")], THREE)
    )
    assert "t.csv line 2 is 'z', which the model does not know: it knows a, b, c" in refusal(
        lambda: refuse_unjudgeable([one._replace(label="z")], THREE)
    )
    assert "line 1 is 'B-ORG', which" in refusal(
        lambda: refuse_unjudgeable([Tagged(("x",), ("B-ORG",), "line 1")], ENTITIES)
    )
    refuse_unjudgeable([one._replace(label=2.5)], TaskPart("number", ("number",)))
