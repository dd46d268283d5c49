"""Task heads beside transformers' classes: scores, losses, gradients; and folders in both directions."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from torch import Tensor

from maskwright.batch import Batch
from maskwright.checkpoints.folder import write_folder
from maskwright.checkpoints.task_part import PROBLEMS, Asks, TaskPart, head_class, read_task
from maskwright.draws import generator
from maskwright.errors import BadInput
from maskwright.inference.encoder_loading import load as load_encoder
from maskwright.inference.exporting import export_model
from maskwright.models import module_of, published
from maskwright.training.finetuning import Finetuning, finetuning
from tests.checkpoints import made_up
from tests.models.networks import draw_weights, small
from tests.models.xlnet_peers import exact_positions
from tests.parity import assert_close, assert_same_gradients, draw_batch, lend_weights

NETWORKS = ("bert", "albert", "roberta", "xlm-roberta", "xlm", "xlnet", "openai-gpt", "gpt2")
PARTS: dict[Asks, TaskPart] = {
    "class": TaskPart("class", ("no", "yes", "谁知道")),
    "classes": TaskPart("classes", ("a", "b", "c", "d")),
    "number": TaskPart("number", ("score",)),
}


def drawn(kind: str, part: TaskPart, dtype: torch.dtype = torch.float64) -> Finetuning:
    """A small network with a head, every weight drawn."""
    model = finetuning(small(kind), part, 0)
    draw_weights(model, 0)
    return model.to(dtype)


def theirs_of(model: Finetuning, part: TaskPart) -> Any:
    """The class of transformers with the same weights."""
    config: Any = model.encoder.config
    settings = module_of(config.model_type).config_json(config) | part.settings()
    kind = getattr(transformers, head_class(published(config.model_type), part.asks))
    theirs = kind(kind.config_class(**{key: value for key, value in settings.items() if key != "architectures"}))
    theirs = theirs.to(next(model.parameters()).dtype).eval()
    if config.model_type == "xlnet":
        theirs.transformer.positional_embedding = exact_positions(config.d_model, torch.float64)
    lend_weights(model.weight_names(), model, theirs)
    return theirs


def asked(kind: str, part: TaskPart) -> Batch:
    rng = generator(1, "asked")
    config = small(kind)
    languages = 3 if kind == "xlm" else 0
    segments = getattr(config, "type_vocab_size", 0)
    padding = getattr(config, "pad_token_id", 0)
    batch = draw_batch(rng, [7, 1, 12, 5], config.vocab_size, segments, padding=padding, languages=languages)
    batch = replace(batch, predict_rows=None, predict_ids=None, pair_labels=None)
    labels = {
        "class": rng.integers(0, len(part.labels), 4),
        "classes": rng.integers(0, 2, (4, len(part.labels))).astype("float32"),
        "number": rng.normal(size=4).astype("float32"),
    }[part.asks]
    return replace(batch, labels=torch.from_numpy(labels))


def their_answers(theirs: Any, batch: Batch, asks: Asks) -> tuple[Tensor, Tensor]:
    """Scores and summed loss, one sequence after another: their last token is that of the padding otherwise."""
    lengths = batch.cu_seqlens.diff().tolist()
    scores: list[Tensor] = []
    losses: list[Tensor] = []
    assert batch.labels is not None
    for n, ids in enumerate(batch.token_ids.split(lengths)):
        inputs: dict[str, Tensor] = {"input_ids": ids[None], "attention_mask": torch.ones_like(ids)[None]}
        for field, name in (("token_type_ids", "token_type_ids"), ("language_ids", "langs")):
            if (rows := getattr(batch, field)) is not None:
                inputs[name] = rows.split(lengths)[n][None]
        label = batch.labels[n : n + 1]
        out = theirs(**inputs, labels=label if asks == "class" else label.double())
        scores.append(out.logits)
        losses.append(out.loss * out.logits.numel() if asks == "classes" else out.loss)
    return torch.cat(scores), torch.stack(losses).sum()


@pytest.mark.parametrize("asks", PARTS)
@pytest.mark.parametrize("kind", NETWORKS)
def test_equal_to_transformers(kind: str, asks: Asks, monkeypatch: pytest.MonkeyPatch) -> None:
    if kind == "xlm":  # their softmax is always in float32, which is all that would differ
        monkeypatch.setattr(torch.Tensor, "float", lambda tensor: tensor)
    part = PARTS[asks]
    ours, batch = drawn(kind, part), asked(kind, part)
    theirs = theirs_of(ours, part)
    assert theirs.config.problem_type == PROBLEMS[asks]
    scores, loss = their_answers(theirs, batch, asks)
    assert_close(ours.scores(batch), scores, "scores")
    tally = ours.tallies(batch)["task"]
    assert_close(tally.loss_sum, loss, "loss")
    assert tally.count == ours.counts(batch)["task"] == scores.numel() // (len(part.labels) if asks == "class" else 1)
    tally.loss_sum.backward()
    loss.backward()
    assert_same_gradients(ours.weight_names(), ours, theirs)


@pytest.mark.parametrize("kind", [kind for kind in NETWORKS if kind != "openai-gpt"])
def test_tags_equal_to_transformers(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if kind == "xlm":
        monkeypatch.setattr(torch.Tensor, "float", lambda tensor: tensor)
    part = TaskPart("tags", ("O", "B-人", "I-人"))
    ours = drawn(kind, part)
    theirs = theirs_of(ours, part)
    rows = torch.tensor([0, 2, 3, 7, 9, 19, 24])  # of sequences of 7, 1, 12 and 5 tokens
    batch = replace(asked(kind, PARTS["class"]), predict_rows=rows, labels=torch.tensor([0, 1, 2, 0, 1, 1, 0]))
    lengths = batch.cu_seqlens.diff().tolist()
    found: list[Tensor] = []
    for n, ids in enumerate(batch.token_ids.split(lengths)):
        inputs: dict[str, Tensor] = {"input_ids": ids[None], "attention_mask": torch.ones_like(ids)[None]}
        for field, name in (("token_type_ids", "token_type_ids"), ("language_ids", "langs")):
            if (of_all := getattr(batch, field)) is not None:
                inputs[name] = of_all.split(lengths)[n][None]
        found.append(theirs(**inputs).logits[0])
    scores = torch.cat(found)[rows]
    assert_close(ours.scores(batch), scores, "scores")
    tally = ours.tallies(batch)["task"]
    loss = torch.nn.functional.cross_entropy(scores, batch.labels, reduction="sum")
    assert_close(tally.loss_sum, loss, "loss")
    assert tally.count == 7 and int(tally.correct) == int((scores.argmax(-1) == batch.labels).sum())
    tally.loss_sum.backward()
    loss.backward()
    assert_same_gradients(ours.weight_names(), ours, theirs)


@pytest.mark.parametrize("asks", PARTS)
@pytest.mark.parametrize("kind", ["bert", "albert", "roberta", "xlm", "xlnet", "gpt2", "openai-gpt"])
def test_a_folder_loads_there_and_here_with_equal_scores(tmp_path: Path, kind: str, asks: Asks) -> None:
    part, tokenizer = PARTS[asks], made_up.tokenizer_for(kind)
    model = finetuning(made_up.config(kind), part, 0)
    model.encoder.initialise(0)
    model.initialise_head(0.5, 0)
    parameters = dict(model.named_parameters())
    folder = write_folder(
        tmp_path / "model",
        names=model.weight_names(),
        parameters=parameters,
        config=made_up.config(kind),
        tokenizer=tokenizer,
        task=part,
    )
    kind_there = getattr(transformers, head_class(published(kind), asks))
    theirs, told = kind_there.from_pretrained(folder, output_loading_info=True)
    assert not any(told.values()), told
    assert read_task(folder) == part
    encoder = load_encoder(folder)
    texts = ["one text", ("a pair", "of them")] if kind != "openai-gpt" else ["one text", "another one"]
    answers = encoder.predict(texts)
    theirs.save_pretrained(tmp_path / "theirs")  # and one that they wrote
    tokenizer.save_into(tmp_path / "theirs")
    assert read_task(tmp_path / "theirs") == part
    assert load_encoder(tmp_path / "theirs").predict(texts) == answers
    export_model(folder, tmp_path / "out")  # keeps its task
    assert load_encoder(tmp_path / "out").predict(texts) == answers
    for text, answer in zip(texts, answers, strict=True):
        one = tokenizer.encode_pairs([text])[0]
        inputs = {"input_ids": torch.from_numpy(one.ids)[None]}
        if "token_type_ids" in model.encoder.reads:
            inputs["token_type_ids"] = torch.from_numpy(one.type_ids)[None]
        if kind == "xlm":
            inputs["langs"] = torch.zeros_like(inputs["input_ids"])
        logits = theirs(**inputs).logits[0]
        match asks:
            case "class":
                assert answer.shares == pytest.approx(dict(zip(part.labels, logits.softmax(-1).tolist())), abs=1e-5)
                assert answer.label == part.labels[int(logits.argmax())]
            case "classes":
                assert answer.shares == pytest.approx(dict(zip(part.labels, logits.sigmoid().tolist())), abs=1e-5)
            case "number":
                assert answer.label == pytest.approx(logits.item(), abs=1e-5) and answer.shares == {}


def test_a_head_is_not_read_for_what_it_is_not(tmp_path: Path) -> None:
    model = finetuning(made_up.config("bert"), PARTS["class"], 0)
    model.encoder.initialise(0)
    folder = write_folder(
        tmp_path / "bert",
        names=model.weight_names(),
        parameters=dict(model.named_parameters()),
        config=made_up.config("bert"),
        tokenizer=made_up.tokenizer_for("bert"),
        task=PARTS["class"],
    )
    with pytest.raises(BadInput, match="Google's form has no head of a task"):
        export_model(folder, tmp_path / "google", "tf1")
    made_up.change_tensors(folder, lambda tensors: [tensors.pop(name) for name in list(tensors) if "pooler" in name])
    with pytest.raises(BadInput, match="the pooler's tensors are missing, and its head reads through them"):
        load_encoder(folder)
    made_up.change_config(
        folder, model_type="xlnet", architectures=["XLNetForSequenceClassification"], summary_type="mean"
    )
    with pytest.raises(BadInput, match='summary_type is "mean": only "last" is read'):
        read_task(folder)


def test_a_model_without_a_task_predicts_nothing(tmp_path: Path) -> None:
    made_up.folder(tmp_path / "model")
    with pytest.raises(BadInput, match="was not fine-tuned"):
        load_encoder(tmp_path / "model").predict(["a text"])
