"""Heads for answers in a context and for options beside transformers' classes: scores, losses, gradients, folders."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from torch import Tensor

from maskwright.batch import Batch
from maskwright.checkpoints.folder import write_folder
from maskwright.checkpoints.span_settings import SpanSettings
from maskwright.checkpoints.task_part import TaskPart, head_class, read_task
from maskwright.errors import BadInput
from maskwright.inference.encoder_loading import load as load_encoder
from maskwright.inference.exporting import export_model
from maskwright.models import published
from maskwright.training.finetuning import Finetuning, finetuning
from tests.checkpoints import made_up
from tests.parity import assert_close, assert_same_gradients
from tests.training.test_finetuning import PARTS, asked, drawn, theirs_of

SPAN, OPTION = TaskPart("span", (), SpanSettings(length=32)), TaskPart("option", ())
OF_SPANS = ("bert", "albert", "roberta", "xlm-roberta", "xlm", "xlnet", "gpt2")
OF_OPTIONS = ("bert", "albert", "roberta", "xlm-roberta", "xlm", "xlnet")


@pytest.fixture
def exact(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """XLM's softmax there is always in float32, which is all that would differ."""
    if request.getfixturevalue("kind") == "xlm":
        monkeypatch.setattr(torch.Tensor, "float", lambda tensor: tensor)


def inputs_of(batch: Batch, n: int) -> dict[str, Tensor]:
    """Sequence `n` as their classes take it, without padding."""
    first, end = batch.cu_seqlens[n : n + 2].tolist()
    ids = batch.token_ids[first:end]
    inputs = {"input_ids": ids[None], "attention_mask": torch.ones_like(ids)[None]}
    for field, name in (("token_type_ids", "token_type_ids"), ("language_ids", "langs")):
        if (rows := getattr(batch, field)) is not None:
            inputs[name] = rows[first:end][None]
    return inputs


@pytest.mark.usefixtures("exact")
@pytest.mark.parametrize("kind", OF_SPANS)
def test_spans_equal_to_transformers(kind: str) -> None:
    ours = drawn(kind, SPAN)
    theirs = theirs_of(ours, SPAN)
    labels = torch.tensor([[0, 6], [0, 0], [-1, -1], [2, 3]])  # of sequences of 7, 1, 12 and 5 tokens
    batch = replace(asked(kind, PARTS["class"]), labels=labels)
    scores: list[Tensor] = []
    losses: list[Tensor] = []
    for n, (start, end) in enumerate(labels):
        known = {} if start < 0 else {"start_positions": start[None], "end_positions": end[None]}
        out = theirs(**inputs_of(batch, n), **known)
        scores.append(torch.stack([out.start_logits[0], out.end_logits[0]], -1))
        losses += [out.loss] if known else []
    assert_close(ours.scores(batch), torch.cat(scores), "scores")
    tally = ours.tallies(batch)["task"]
    loss = torch.stack(losses).sum()
    assert_close(tally.loss_sum, loss, "loss")
    assert tally.count == ours.counts(batch)["task"] == 3
    hits = [bool((one.argmax(0) == label).all()) for one, label in zip(scores, labels, strict=True)]
    assert int(tally.correct) == sum(hits) and hits[1]  # of one token it is the first
    tally.loss_sum.backward()
    loss.backward()
    assert_same_gradients(ours.weight_names(), ours, theirs)


def options_of(kind: str) -> Batch:
    """Three sequences, then one."""
    groups = torch.tensor([0, 3, 4])
    return replace(asked(kind, PARTS["class"]), groups=groups, labels=torch.tensor([1, 0]))


def their_options(theirs: Any, batch: Batch) -> tuple[list[Tensor], Tensor]:
    """Scores of each example and the summed loss.

    They take a rectangle of options, which would have padding: so each sequence alone, and softmax as they have it.
    """
    assert batch.groups is not None and batch.labels is not None
    found = torch.cat(
        [theirs(**{key: value[None] for key, value in inputs_of(batch, n).items()}).logits[0] for n in range(4)]
    )
    examples = list(found.split(batch.groups.diff().tolist()))
    losses = [torch.nn.functional.cross_entropy(one, label) for one, label in zip(examples, batch.labels, strict=True)]
    return examples, torch.stack(losses).sum()


@pytest.mark.usefixtures("exact")
@pytest.mark.parametrize("kind", OF_OPTIONS)
def test_options_equal_to_transformers(kind: str) -> None:
    ours, batch = drawn(kind, OPTION), options_of(kind)
    theirs = theirs_of(ours, OPTION)
    examples, loss = their_options(theirs, batch)
    assert_close(ours.scores(batch), torch.cat(examples), "scores")
    tally = ours.tallies(batch)["task"]
    assert_close(tally.loss_sum, loss, "loss")
    assert tally.count == ours.counts(batch)["task"] == 2
    assert int(tally.correct) == 1 + (int(examples[0].argmax()) == 1)
    tally.loss_sum.backward()
    loss.backward()
    assert_same_gradients(ours.weight_names(), ours, theirs)


@pytest.mark.usefixtures("exact")
@pytest.mark.parametrize("kind", OF_OPTIONS)
def test_options_of_one_length_equal_to_transformers_in_one_call(kind: str) -> None:
    ours = drawn(kind, OPTION)
    theirs = theirs_of(ours, OPTION)
    whole = asked(kind, PARTS["class"])
    tokens = {name: rows[:24] for name in ("token_ids", "token_type_ids", "language_ids")
              if (rows := getattr(whole, name)) is not None}  # fmt: skip
    places = torch.arange(4).repeat(6)
    batch = replace(
        whole, **tokens, cu_seqlens=torch.arange(0, 25, 4, dtype=torch.int32), max_seqlen=4, position_ids=places,
        groups=torch.tensor([0, 3, 6]), labels=torch.tensor([2, 0]),
    )  # fmt: skip
    names = {"token_ids": "input_ids", "token_type_ids": "token_type_ids", "language_ids": "langs"}
    out = theirs(**{names[name]: rows.view(2, 3, 4) for name, rows in tokens.items()}, labels=batch.labels)
    assert_close(ours.scores(batch), out.logits.flatten(), "scores")
    assert_close(ours.tallies(batch)["task"].loss_sum, out.loss * 2, "loss")


def written(path: Path, kind: str, part: TaskPart) -> tuple[Finetuning, Path]:
    """A small model with a head, and its folder."""
    model = finetuning(made_up.config(kind), part, 0)
    model.encoder.initialise(0)
    model.initialise_head(0.5, 0)
    folder = write_folder(
        path,
        names=model.weight_names(),
        parameters=dict(model.named_parameters()),
        config=made_up.config(kind),
        tokenizer=made_up.tokenizer_for(kind),
        task=part,
    )
    return model.eval(), folder


def test_what_no_class_has_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no class of GPT that answers questions"):
        head_class(published("openai-gpt"), "span")
    for kind in ("openai-gpt", "gpt2"):
        with pytest.raises(BadInput, match="that chooses options alone"):
            head_class(published(kind), "option")
    _, folder = written(tmp_path / "xlnet", "xlnet", SPAN)
    made_up.change_config(folder, architectures=["XLNetForQuestionAnswering"])
    with pytest.raises(BadInput, match="only XLNetForQuestionAnsweringSimple is read"):
        read_task(folder)
    made_up.change_config(folder, architectures=["XLNetForQuestionAnsweringSimple"], doc_stride=0)
    with pytest.raises(BadInput, match="doc_stride is 0, not a whole number from 1 on"):
        load_encoder(folder)
    made_up.change_config(folder, doc_stride=7, id2label={str(i): str(i) for i in range(3)})
    with pytest.raises(BadInput, match="with 3 labels: only one with two is read"):
        read_task(folder)


@pytest.mark.parametrize("kind", OF_SPANS)
def test_what_a_model_of_spans_knows_survives_transformers(tmp_path: Path, kind: str) -> None:
    part = TaskPart("span", (), SpanSettings(length=20, question=9, stride=5, answer=4, threshold=-1.25))
    _, folder = written(tmp_path / "model", kind, part)
    theirs, told = transformers.AutoModelForQuestionAnswering.from_pretrained(folder, output_loading_info=True)
    assert not any(told.values()), told
    assert read_task(folder) == part
    theirs.save_pretrained(tmp_path / "theirs")
    assert read_task(tmp_path / "theirs") == part


def tokens_of(kind: str, one: Any) -> dict[str, Tensor]:
    """An encoded pair as their classes take it."""
    inputs = {"input_ids": torch.from_numpy(one.ids)[None]}
    if kind in ("bert", "albert", "xlnet"):
        inputs["token_type_ids"] = torch.from_numpy(one.type_ids)[None]
    return inputs | ({"langs": torch.zeros_like(inputs["input_ids"])} if kind == "xlm" else {})


@pytest.mark.parametrize("kind", OF_SPANS)
def test_answers_of_a_folder_are_those_of_stock_logits(tmp_path: Path, kind: str) -> None:
    part = TaskPart("span", (), SpanSettings(length=64, threshold=0.0))
    tokenizer = made_up.tokenizer_for(kind)
    _, folder = written(tmp_path / "model", kind, part)
    theirs, told = transformers.AutoModelForQuestionAnswering.from_pretrained(folder, output_loading_info=True)
    assert not any(told.values()), told
    question, context = "who sat ?", "the cat sat on a mat"
    answers = load_encoder(folder).answer(question, context, top=20)
    theirs.save_pretrained(tmp_path / "theirs")  # and one that they wrote
    tokenizer.save_into(tmp_path / "theirs")
    assert load_encoder(tmp_path / "theirs").answer(question, context, top=20) == answers
    export_model(folder, tmp_path / "out")  # keeps its task
    assert load_encoder(tmp_path / "out").answer(question, context, top=20) == answers
    pair = (context, question) if kind == "xlnet" else (question, context)
    one = tokenizer.encode_pair(*pair)
    out = theirs(**tokens_of(kind, one))
    start, end = out.start_logits[0].tolist(), out.end_logits[0].tolist()
    null = len(one.ids) - 1 if kind == "xlnet" else 0
    sides = tokenizer.sides([question, context], special_in_text=False)
    first = 0 if kind == "xlnet" else len(one.ids) - len(sides[1].ids) - (kind != "gpt2")
    rows = range(first, first + len(sides[1].ids))
    assert [one.ids[row] for row in rows] == sides[1].ids
    best = {answer.text: answer for answer in answers}
    total: dict[tuple[int, int], float] = {}
    for i in rows:
        for j in rows[i - first :][:30]:
            begin, stop = int(one.offsets[i, 0]), int(one.offsets[j, 1])
            text = context[begin:stop]
            place = (begin + len(text) - len(text.lstrip()), begin + len(text.rstrip()))
            if text.strip():
                total[place] = max(total.get(place, -1e9), start[i] + end[j])
    shares = torch.tensor([*sorted(total.values(), reverse=True)[:20], start[null] + end[null]]).softmax(0)
    assert sorted((answer.probability for answer in answers), reverse=True) == pytest.approx(
        sorted(shares.tolist(), reverse=True)[:20], abs=1e-5
    )
    begin, stop = max(total, key=lambda place: total[place])
    given = "" if start[null] + end[null] > total[begin, stop] else context[begin:stop]
    assert answers[0].text == given and context[begin:stop] in best


@pytest.mark.parametrize("kind", OF_OPTIONS)
def test_choices_of_a_folder_are_those_of_stock_logits(tmp_path: Path, kind: str) -> None:
    tokenizer = made_up.tokenizer_for(kind)
    _, folder = written(tmp_path / "model", kind, OPTION)
    theirs, told = transformers.AutoModelForMultipleChoice.from_pretrained(folder, output_loading_info=True)
    assert not any(told.values()), told
    first, options = "the cat sat", ["on a mat", "is the capital of france", "."]
    encoder = load_encoder(folder)
    chosen = encoder.choose(first, options)
    theirs.save_pretrained(tmp_path / "theirs")
    tokenizer.save_into(tmp_path / "theirs")
    assert read_task(tmp_path / "theirs") == OPTION
    assert load_encoder(tmp_path / "theirs").choose(first, options) == chosen
    export_model(folder, tmp_path / "out")
    assert load_encoder(tmp_path / "out").choose(first, options) == chosen
    rows = [tokens_of(kind, one) for one in tokenizer.encode_pairs([(first, option) for option in options])]
    logits = torch.cat([theirs(**{name: value[None] for name, value in row.items()}).logits[0] for row in rows])
    assert chosen.shares == pytest.approx(logits.softmax(-1).tolist(), abs=1e-5)
    assert chosen.place == int(logits.argmax())
    two = encoder.choose_many([(first, options), (first, options[:2])])
    assert two[0].shares == pytest.approx(chosen.shares, abs=1e-6) and len(two[1].shares) == 2


def test_what_a_model_was_not_taught_is_refused_with_what_it_was(tmp_path: Path) -> None:
    _, spans = written(tmp_path / "spans", "bert", SPAN)
    _, options = written(tmp_path / "options", "bert", OPTION)
    asked, chooses = load_encoder(spans), load_encoder(options)
    for call, said in (
        (lambda: asked.predict(["a"]), r"answers questions from a context: give it both \(answer\)"),
        (lambda: chooses.predict(["a"]), r"chooses among options: give it a text and its options \(choose\)"),
        (lambda: asked.choose("a", ["b", "c"]), "was not fine-tuned to choose"),
        (lambda: chooses.answer("a", "b"), "was not fine-tuned to answer questions"),
        (lambda: asked.answer("who ?", "a cat", top=21), "top 21: choose 1 to 20"),
        (lambda: asked.answer("who ? " * 20, "a cat"), "1 of 1 questions have more tokens than .* reads of one"),
        (lambda: asked.answer_many(["who ?"]), "a question and its context were expected"),  # type: ignore[list-item]
        (lambda: chooses.choose("a", ["b"]), "choice 0 has 1 options"),
        (lambda: chooses.choose("the cat " * 60, ["a", "b"]), "1 of 1 choices have more tokens than .* reads, 64"),
    ):
        with pytest.raises(BadInput, match=said):
            call()
    assert len(chooses.choose("the cat " * 60, ["a", "b"], truncate=True).shares) == 2
