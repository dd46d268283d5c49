"""bfloat16 is taken for many texts, and only where it is exact enough."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import maskwright as mw
from maskwright.checkpoints.folder import write_folder
from maskwright.checkpoints.sentence_vectors import SentenceVectors
from maskwright.checkpoints.task_part import SpanSettings, TaskPart
from maskwright.cli import main
from maskwright.errors import BadInput
from maskwright.inference import encoder_loading, precision
from maskwright.inference.precision import MANY, faster
from maskwright.layers.eight_bits import can_eight_bits
from maskwright.layers.onednn import can_fuse
from maskwright.training.finetuning import finetuning
from tests.checkpoints import made_up

pytestmark = pytest.mark.skipif(not can_fuse(torch.bfloat16), reason="this processor has no instructions for bfloat16")
SHAPE = {"hidden_size": 64, "intermediate_size": 128}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made_up.folder(tmp_path / "model", (), **SHAPE)
    return tmp_path / "model"


def dtype_of(encoder: object) -> torch.dtype:
    return encoder.model.encoder.token_table.dtype  # type: ignore[attr-defined]


def test_many_texts_are_worth_a_second_look(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    exact = mw.load(folder)
    monkeypatch.setattr(precision, "EXACT", 0.0)
    assert faster(exact, folder, MANY - 1) is exact
    assert dtype_of(faster(exact, folder, MANY)) == torch.bfloat16
    monkeypatch.setattr(precision, "EXACT", 1.1)
    assert faster(exact, folder, MANY) is exact


def test_the_command_line_asks_for_it(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [f"the cat sat on word {i} x" for i in range(MANY)]
    (tmp_path / "texts.txt").write_text("\n".join(texts) + "\n")
    monkeypatch.setattr(precision, "EXACT", 0.0)

    def encoded(name: str, *more: str) -> np.ndarray:
        words = ["encode", str(folder), "--file", str(tmp_path / "texts.txt"), "--out", str(tmp_path / name), *more]
        assert main(words) == 0
        return np.load(tmp_path / name)

    exact = mw.load(folder).encode(texts)
    assert np.array_equal(encoded("a.npy", "--dtype", "float32"), exact)
    rounded = encoded("b.npy")
    assert not np.array_equal(rounded, exact)
    assert np.array_equal(rounded, mw.load(folder, dtype="bfloat16").encode(texts))
    (tmp_path / "texts.txt").write_text("\n".join(texts[:-1]) + "\n")
    assert np.abs(encoded("c.npy") - exact[:-1]).max() < 1e-6


def test_a_gpu_without_bf16_is_told_or_left_alone(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    exact, has = mw.load(folder), [(7, 5)]
    monkeypatch.setattr(precision, "EXACT", 0.0)
    monkeypatch.setattr(encoder_loading, "device_of", lambda _: torch.device("cpu"))
    for module in (precision, encoder_loading):
        monkeypatch.setattr(module, "capability_of", lambda _: has[0])
    with pytest.raises(BadInput, match=r"dtype bfloat16: this GPU has no bf16 .*7\.5.*: take float32"):
        mw.load(folder, dtype="bfloat16", device="cuda")
    assert faster(exact, folder, MANY, "cuda") is exact
    has[0] = (8, 0)
    assert dtype_of(faster(exact, folder, MANY, "cuda")) == torch.bfloat16


@pytest.mark.skipif(not can_eight_bits(), reason="this processor has no instructions for int8")
def test_eight_bits_are_a_dtype(folder: Path, tmp_path: Path) -> None:
    texts = ["the cat sat on a mat", "paris is the capital of france .", ""]
    exact, near = mw.load(folder).encode(texts), mw.load(folder, dtype="int8").encode(texts)
    cosines = (exact * near).sum(1) / np.linalg.norm(exact, axis=1) / np.linalg.norm(near, axis=1)
    assert cosines.min() > 0.8 and np.abs(exact - near).max() > 1e-4  # weights as wild as these are not trained ones
    assert np.array_equal(mw.load(folder, dtype="int8").encode(texts), near)
    with pytest.raises(BadInput, match="which an adapter cannot change"):
        mw.load(folder, dtype="int8").adapted(tmp_path / "adapter")
    with pytest.raises(BadInput, match="int8 is for processors"):
        mw.load(folder, dtype="int8", device="cuda")
    with pytest.raises(BadInput, match="dtype 'int4': there are float32, bfloat16, int8"):
        mw.load(folder, dtype="int4")


def test_predictions_of_many_rows_are_made_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shape = made_up.config(**SHAPE)
    model = finetuning(shape, TaskPart("class", ("animal", "place")), 0)
    model.encoder.initialise(0)
    model.initialise_head(0.5, 1)
    folder = write_folder(
        tmp_path / "model", names=model.weight_names(), parameters=dict(model.named_parameters()),
        config=shape, tokenizer=made_up.tokenizer_for("bert"), task=TaskPart("class", ("animal", "place")),
    )  # fmt: skip
    monkeypatch.setattr(precision, "EXACT", 0.0)
    texts = [f"the cat sat on word {i} x" for i in range(MANY)]
    for count, dtype in ((MANY, "bfloat16"), (MANY - 1, "float32")):
        (tmp_path / "rows.csv").write_text("text\n" + "".join(f"{text}\n" for text in texts[:count]))
        assert main(["predict", str(folder), "--in", str(tmp_path / "rows.csv"), "--shares"]) == 0
        told = [json.loads(line)["shares"]["animal"] for line in capsys.readouterr().out.splitlines()]
        expected = [one.shares["animal"] for one in mw.load(folder, dtype=dtype).predict(texts[:count])]
        other = [one.shares["animal"] for one in mw.load(folder).predict(texts[:count])]
        assert told == pytest.approx(expected, abs=1e-5)
        assert (told == pytest.approx(other, abs=1e-5)) == (dtype == "float32")


@pytest.mark.parametrize(
    "part",
    [
        TaskPart("class", ("animal", "place")),
        TaskPart("classes", ("animal", "place", "time")),
        TaskPart("number", ("how much",)),
        TaskPart("tags", ("B-X", "I-X", "O")),
        TaskPart("words", ("B", "M", "E", "S")),
        TaskPart("span", (), SpanSettings()),
        TaskPart("option", ()),
    ],
    ids=lambda part: part.asks,
)
def test_a_fine_tuned_model_has_to_answer_alike(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: TaskPart
) -> None:
    monkeypatch.setattr(precision, "EXACT", 0.0)
    texts = ["the cat sat on a mat .", "paris is the capital of france .", "the river is long and blue ."]
    monkeypatch.setattr(precision, "sample_texts", lambda *_, **__: (texts, ["en"]))
    shape = made_up.config(**SHAPE)
    model = finetuning(shape, part, 0)
    model.encoder.initialise(0)
    model.initialise_head(0.5, 1)
    folder = write_folder(
        tmp_path / "model", names=model.weight_names(), parameters=dict(model.named_parameters()),
        config=shape, tokenizer=made_up.tokenizer_for("bert"), task=part,
    )  # fmt: skip
    exact, rounded = mw.load(folder), mw.load(folder, dtype="bfloat16")

    def is_taken(**bounds: float) -> bool:
        for name, value in bounds.items():
            monkeypatch.setattr(precision, name, value)
        return faster(exact, folder, MANY, answers=True) is not exact

    if part.asks in ("class", "classes", "number"):
        ours, theirs = exact.predict(texts), rounded.predict(texts)
        if part.asks == "number":
            numbers = np.array([one.label for one in ours])
            apart = np.abs(numbers - [one.label for one in theirs]).max() / numbers.std()
        else:
            apart = max(
                abs(a.shares[label] - b.shares[label]) for a, b in zip(ours, theirs, strict=True) for label in a.shares
            )
        assert apart > 0
        assert is_taken(SHARE=1.01 * apart, SAME=2.0) and not is_taken(SHARE=0.99 * apart)
    else:
        assert is_taken(SHARE=0.0, SAME=0.0) and not is_taken(SAME=1.01)


def test_a_vocabulary_that_knows_no_sample_text_is_looked_at_by_its_own_words(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise BadInput("the vocabulary knows neither sample text")

    monkeypatch.setattr(precision, "sample_texts", unknown)
    exact = mw.load(folder)
    drawn = precision._looked_at(exact)
    assert len(set(drawn)) == 32 and "[" not in "".join(drawn)
    monkeypatch.setattr(precision, "EXACT", 0.0)
    assert dtype_of(faster(exact, folder, MANY)) == torch.bfloat16
    (tmp_path / "texts.txt").write_text("the cat\n" * MANY)
    assert main(["encode", str(folder), "--file", str(tmp_path / "texts.txt"), "--out", str(tmp_path / "a.npy")]) == 0


def test_a_pooling_that_is_none_of_ours_leaves_it_exact(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "EXACT", 0.0)
    exact = mw.load(folder)
    exact.sentences = SentenceVectors("max_tokens", normalize=False)
    assert faster(exact, folder, MANY) is exact
    assert dtype_of(faster(exact, folder, MANY, pooling="cls")) == torch.bfloat16


def test_tags_of_both_languages_are_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Chinese by characters, whatever is beside it: a sentence would be one long word."""
    asked: list[tuple[list[list[str]], bool]] = []

    class Tagger:
        def tag(self, words: list[list[str]], *, joined: bool = False) -> list[list[str]]:
            asked.append((words, joined))
            return [["O"] * len(one) for one in words]

    tagger: Any = Tagger()
    assert len(precision._answers(tagger, "tags", ["the cat", "猫坐着", "a mat ."])) == 8
    assert asked == [([["the", "cat"], ["a", "mat", "."]], False), ([["猫", "坐", "着"]], True)]


@pytest.mark.parametrize(("dtype", "least"), [("bfloat16", 0.99999), ("int8", 0.9999)])
def test_a_text_s_vector_does_not_depend_on_its_neighbours(folder: Path, dtype: str, least: float) -> None:
    """But for rounding: found were 1 and 0.99999; float32 has a test of its own."""
    if dtype == "int8" and not can_eight_bits():
        pytest.skip("this processor has no instructions for int8")
    texts = ["the cat sat on a mat", *("paris is the capital of france . " * count for count in range(1, 6)), "a cat"]
    encoder = mw.load(folder, dtype=dtype)
    among, alone = encoder.encode(texts), np.concatenate([encoder.encode([text]) for text in texts])
    cosines = (among * alone).sum(1) / np.linalg.norm(among, axis=1) / np.linalg.norm(alone, axis=1)
    assert cosines.min() >= least
