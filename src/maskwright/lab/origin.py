"""Which novel, which part of the book is this passage from? A real task, asked of frozen vectors.

Answered by an attentive probe on the vectors of a pretrained encoder, by the same probe on those of the same
encoder with random weights, and from a bag of words; learned on passages of some chapters, judged on others.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from maskwright.inference.encoder import Encoder
from maskwright.lab.attentive import learn, token_states
from maskwright.lab.passages import Chapter, Passage, cut_passages
from maskwright.lab.probes import (
    Integers,
    Interval,
    Probe,
    bag_of_words,
    check_apart,
    choose_penalty,
    confusion,
    interval,
    judged,
    predict,
)
from maskwright.progress import Progress, silent

PASSAGE = 128  # tokens, as long as what it was pretrained on
EPOCHS = 6


class Verdict(NamedTuple):
    """Which part is this passage from: the answers of probes on several kinds of vectors.

    parts                the classes
    truth                (N,) classes of the test passages
    probes               kind of vector -> its probe
    gain                 accuracy of the first kind over the second, on the same passages
    chance               always answering the class most frequent in training
    confused             (parts, parts) counts of the first kind
    left_out             sentences too long for a passage
    """

    parts: list[str]
    truth: Integers
    probes: dict[str, Probe]
    gain: Interval
    chance: float
    confused: Integers
    training_passages: int
    test_chapters: int
    left_out: int


def judge(
    training: Sequence[Chapter],
    held_out: Sequence[Chapter],
    encoders: Mapping[str, Encoder],
    *,
    spaced: bool,
    progress: Progress = silent,
) -> Verdict:
    """Probe the vectors of each encoder, the one that matters first, and a bag of words.

    Trained on passages of the training chapters, judged on those of the held-out ones.

    spaced    whether words are parted by spaces
    """
    tokenizer, joint = next(iter(encoders.values())).tokenizer, " " if spaced else ""
    train, train_left_out = cut_passages(training, tokenizer, PASSAGE, joint)
    test, test_left_out = cut_passages(held_out, tokenizer, PASSAGE, joint)
    parts = list(dict.fromkeys(chapter.part for chapter in [*training, *held_out]))
    chapters = {chapter.title: place for place, chapter in enumerate([*training, *held_out])}
    classes, groups = _numbered(train, parts, chapters)
    truth, test_groups = _numbered(test, parts, chapters)
    check_apart(classes, groups, truth, test_groups)
    probes: dict[str, Probe] = {}
    for name, encoder in encoders.items():
        with progress.stage(f"passages, {name} encoder", len(train) + len(test), "passages") as stage:
            learned_from = token_states(encoder, [passage.text for passage in train], stage)
            judged_by = token_states(encoder, [passage.text for passage in test], stage)
        with progress.stage(f"probe, {name} encoder", EPOCHS, "epochs") as stage:
            probe = learn(learned_from, classes, len(parts), epochs=EPOCHS, stage=stage)
            probes[name] = judged(probe.predict(judged_by), truth, test_groups)
    with progress.stage("passages, bag of words", len(train) + len(test), "passages") as stage:
        bags = bag_of_words([p.text for p in train], [p.text for p in test], characters=not spaced)
        penalty = choose_penalty(bags[0], classes, groups)
        probes["bag of words"] = judged(predict(bags[0], classes, bags[1], penalty), truth, test_groups)
        stage.advance(len(train) + len(test))
    first, second, *_ = probes.values()
    return Verdict(
        parts=parts,
        truth=truth,
        probes=probes,
        gain=interval(first.right.astype(np.int64) - second.right, test_groups),
        chance=float(np.mean(truth == np.bincount(classes).argmax())),
        confused=confusion(truth, first.predicted, len(parts)),
        training_passages=len(train),
        test_chapters=len(set(test_groups.tolist())),
        left_out=train_left_out + test_left_out,
    )


def _numbered(
    passages: Sequence[Passage], parts: Sequence[str], chapters: Mapping[str, int]
) -> tuple[Integers, Integers]:
    places = {part: place for place, part in enumerate(parts)}
    return (
        np.array([places[passage.part] for passage in passages], dtype=np.int64),
        np.array([chapters[passage.chapter] for passage in passages], dtype=np.int64),
    )
