"""An encoder with more above it than any class of transformers has: out, in, and what others make of the folder."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from maskwright.checkpoints.folder import POOLER
from maskwright.checkpoints.task_folder import TASK, TASK_WEIGHTS, TaskFile, read_task_file, write_composite
from maskwright.checkpoints.task_part import Asks
from maskwright.errors import BadInput
from maskwright.inference.encoder import Encoder
from maskwright.inference.encoder_loading import load as load_encoder
from maskwright.inference.exporting import export_model
from maskwright.layers.features import FeaturesConfig
from maskwright.training.finetuning import Finetuning, finetuning
from tests.checkpoints import made_up
from tests.models.networks import draw_weights

LABELS: dict[Asks, tuple[str, ...]] = {
    "tags": ("O", "B-人", "I-人"),
    "words": ("B", "E", "M", "S"),
    "class": ("no", "yes", "谁知道"),
    "classes": ("a", "b"),
    "number": ("score",),
}
TEXTS = ["the cat sat on a mat", "paris is the capital of france .", "a cat"]
WORDS = [text.split() for text in TEXTS]


def written(
    path: Path, asks: Asks = "tags", kind: str = "bert", *, pooler: bool = True, **features: Any
) -> tuple[Path, Finetuning]:
    task = TaskFile(asks=asks, labels=LABELS[asks], features=FeaturesConfig(**features))
    config = made_up.config(kind)
    may = torch.rand(len(task.labels) + 1, len(task.labels) + 1, generator=torch.Generator().manual_seed(1)) < 0.7
    model = finetuning(config, task.part, 0, features=task.features, may_follow=may)
    draw_weights(model.requires_grad_(), 0)
    names = [name for name in model.encoder.weight_names() if pooler or not name.ours.startswith(POOLER)]
    write_composite(
        path, task, model, names=names, parameters=dict(model.named_parameters()), config=config,
        tokenizer=made_up.tokenizer_for(kind), facts={"steps": 1},
    )  # fmt: skip
    return path, model


def answers(encoder: Encoder, asks: Asks) -> list[Any]:
    if asks == "tags":
        return encoder.tag(WORDS)
    return encoder.segment(["中国人", "人中"]) if asks == "words" else encoder.predict(TEXTS)


@pytest.mark.parametrize(
    ("asks", "kind", "features"),
    [
        ("tags", "bert", {"top": "bilstm_crf", "layers": "mix"}),
        ("tags", "openai-gpt", {}),
        ("words", "albert", {"top": "crf"}),
        ("tags", "xlnet", {"top": "bilstm", "lstm_cells": 3, "lstm_layers": 1}),
        ("class", "roberta", {"layers": "mix", "frozen": True}),
        ("classes", "gpt2", {"top": "bilstm"}),
        ("number", "xlm", {"layers": "mix", "top": "bilstm"}),
    ],
)
def test_a_folder_says_the_same_again_and_is_an_encoder_to_others(
    asks: Asks, kind: str, features: dict[str, Any], tmp_path: Path
) -> None:
    folder, model = written(tmp_path / "model", asks, kind, **features)
    theirs, told = transformers.AutoModel.from_pretrained(folder, output_loading_info=True)
    assert not any(told.values()), told
    encoder = load_encoder(folder)
    assert encoder.task is not None and encoder.task.part.labels == LABELS[asks]
    for (name, ours), (other, found) in zip(
        model.state_dict().items(), encoder.task.model.state_dict().items(), strict=True
    ):
        assert name == other and torch.equal(ours, found), name
    said = answers(encoder, asks)
    assert answers(load_encoder(folder), asks) == said
    vectors = load_encoder(folder).token_vectors(["a cat"])[0]  # of the encoder alone
    one = made_up.tokenizer_for(kind).encode_pairs(["a cat"])[0]
    inputs = {"input_ids": torch.from_numpy(one.ids)[None]}
    if kind == "xlm":
        inputs["langs"] = torch.zeros_like(inputs["input_ids"])
    elif "token_type_ids" in model.encoder.reads:
        inputs["token_type_ids"] = torch.from_numpy(one.type_ids)[None]
    with torch.no_grad():
        assert torch.allclose(theirs(**inputs).last_hidden_state[0], torch.from_numpy(vectors), atol=2e-4)
    export_model(folder, tmp_path / "out")
    assert answers(load_encoder(tmp_path / "out"), asks) == said
    assert (tmp_path / "out" / TASK).read_bytes() == (folder / TASK).read_bytes()
    assert answers(load_encoder(folder, dtype="bfloat16"), asks)


def test_the_card_says_what_stands_above(tmp_path: Path) -> None:
    folder, _ = written(tmp_path / "model", layers="mix", top="bilstm_crf", frozen=True)
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert "left as it was; a BiLSTM and a CRF on a learned mix of all its layers gives tags of words" in card
    assert 'encoder.tag([["some", "words"]])' in card and "AutoModel.from_pretrained" in card


def test_an_encoder_without_a_pooler_stays_one(tmp_path: Path) -> None:
    folder, _ = written(tmp_path / "model", "class", layers="mix", pooler=False)
    encoder = load_encoder(folder)
    assert not encoder.has_pooler and len(encoder.predict(TEXTS)) == 3
    export_model(folder, tmp_path / "out")
    assert not load_encoder(tmp_path / "out").has_pooler


@pytest.mark.parametrize("form", ["tf1", "sentence-transformers"])
def test_forms_without_a_place_for_it_are_refused(form: Any, tmp_path: Path) -> None:
    folder, _ = written(tmp_path / "model", top="crf")
    with pytest.raises(BadInput, match=f"{form} has no place for: export it as hf"):
        export_model(folder, tmp_path / "out", form)
    assert not (tmp_path / "out").exists()


def change(folder: Path, **keys: Any) -> None:
    path = folder / TASK
    path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), **keys}), encoding="utf-8")


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"labels": []}, "labels is empty"),
        ({"labels": ["O", "B-人"]}, "has the shape 3 x 16, task.json asks for 2 x 16"),
        ({"asks": "poems"}, "asks"),
        ({"asks": "class"}, "features.top is crf, and class has no tags to join"),
        ({"code": "import os"}, "code"),
        ({"features": {"top": "linear"}}, "head.words.classifier.weight|head.classifier.weight is missing"),
        ({"features": {"top": "bilstm_crf", "lstm_cells": 65536, "lstm_layers": 64}}, "task.json asks for 3 x 131072"),
        ({"features": {"layers": "concat_last_four", "top": "crf"}}, "reads four layers, the model has 2"),
    ],
)
def test_what_task_json_may_not_say(keys: dict[str, Any], message: str, tmp_path: Path) -> None:
    folder, _ = written(tmp_path / "model", top="crf")
    change(folder, **keys)
    with pytest.raises(BadInput, match=message) as caught:
        load_encoder(folder)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda t: t.pop("head.crf.ends"), "the tensor head.crf.ends is missing, and task.json asks for it"),
        (lambda t: t.update(more=torch.zeros(1)), "the tensor more has no place in what task.json describes"),
        (lambda t: t["head.crf.starts"].fill_(float("nan")), "holds infinity or NaN"),
        (lambda t: t.update({"head.crf.starts": torch.zeros(3, dtype=torch.int64)}), "numbers with a point"),
        (lambda t: t.update({"head.crf.may_follow": torch.ones(4, 4)}), "is F32: BOOL was expected"),
    ],
)
def test_what_its_tensors_may_not_be(spoil: Any, message: str, tmp_path: Path) -> None:
    folder, _ = written(tmp_path / "model", top="crf")
    made_up.change_tensors(folder, spoil, TASK_WEIGHTS)
    with pytest.raises(BadInput, match=message):
        load_encoder(folder)


def test_files_that_do_not_go_together_are_refused(tmp_path: Path) -> None:
    folder, _ = written(tmp_path / "model", top="crf")
    (folder / TASK_WEIGHTS).unlink()
    with pytest.raises(BadInput, match="cannot be read"):
        load_encoder(folder)
    folder, _ = written(tmp_path / "two", top="crf")
    made_up.change_config(folder, architectures=["BertForTokenClassification"])
    with pytest.raises(BadInput, match="has a head of a task, and task.json another"):
        load_encoder(folder)
    assert read_task_file(tmp_path) is None
