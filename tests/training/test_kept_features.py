"""What a frozen encoder makes of examples: kept, it is what would be computed, in every batch."""

from typing import Any

import numpy as np
import pytest
import torch

from maskwright.checkpoints.task_part import Asks, TaskPart
from maskwright.layers.features import FeaturesConfig
from maskwright.models import network_of
from maskwright.objectives.sequence_scores import SequenceScores
from maskwright.tasks.examples import Labelled, Tagged
from maskwright.tasks.inputs import transformer_inputs
from maskwright.tasks.shapes import shape
from maskwright.training.finetuning import Finetuning, finetuning
from maskwright.training.kept_features import KeptFeatures
from tests.checkpoints import made_up
from tests.models.networks import draw_weights

TEXTS = ["the cat sat on a mat", "a cat", "paris is the capital of france .", "the river", "cat cat cat on a long mat"]


def split(asks: Asks, kind: str = "bert") -> Any:
    inputs = transformer_inputs(made_up.config(kind), made_up.tokenizer_for(kind))
    if asks == "tags":
        tagged = [Tagged(tuple(text.split()), ("O",) * len(text.split()), text) for text in TEXTS]
        return shape("tagging").encoded(
            tagged, inputs, TaskPart("tags", ("O", "B-X")), length=8
        )  # long ones in windows
    labelled = [Labelled(text, None, "yes" if "cat" in text else "no", text) for text in TEXTS]
    return shape("classification").encoded(labelled, inputs, TaskPart("class", ("no", "yes")), length=16)


def network(asks: Asks, *, frozen: bool = True, kind: str = "bert", **features: Any) -> Finetuning:
    part = TaskPart(asks, ("O", "B-X") if asks == "tags" else ("no", "yes"))
    model = finetuning(made_up.config(kind), part, 0, features=FeaturesConfig(frozen=frozen, **features))
    frozen_ones = [parameter for parameter in model.parameters() if not parameter.requires_grad]
    draw_weights(model.requires_grad_(), 0)
    for parameter in frozen_ones:
        parameter.requires_grad_(False)
    return model


@pytest.mark.parametrize(
    ("asks", "features"),
    [
        ("class", {}),
        ("class", {"layers": "mix"}),
        ("class", {"layers": "mix", "top": "bilstm"}),
        ("tags", {}),
        ("tags", {"layers": "mix"}),
        ("tags", {"top": "bilstm_crf"}),
    ],
)
@pytest.mark.parametrize("kind", ["bert", "gpt2"])
def test_scores_are_those_that_would_be_computed(asks: Asks, features: dict[str, Any], kind: str) -> None:
    data, model = split(asks, kind), network(asks, kind=kind, **features)
    wanted = [model.scores(data.sequences.batch(np.array(which))) for which in ([0], [3, 1], [4, 2, 0])]
    kept = KeptFeatures(model, data.sequences)
    kept.ready()
    with torch.no_grad():
        for parameter in model.encoder.layers.parameters():
            parameter.fill_(float("nan"))  # nobody asks it again
    for which, scores in zip(([0], [3, 1], [4, 2, 0]), wanted):
        batch = data.sequences.batch(np.array(which))
        assert batch.features is not None
        assert torch.allclose(model.scores(batch), scores, atol=2e-5)
    kept.ready()  # and it is not computed again


def test_nothing_is_kept_of_what_changes_or_is_too_much() -> None:
    for model, most in ((network("class", frozen=False), 2**30), (network("class"), 1)):
        data = split("class")
        KeptFeatures(model, data.sequences, most).ready()
        assert data.sequences.batch(np.array([0])).features is None
    assert isinstance(model.head, SequenceScores)
    data = split("class")
    KeptFeatures(model, data.sequences, most=len(TEXTS) * 16 * 4).ready()  # one row of 16 float32 for each text
    assert data.sequences.batch(np.array([0])).features is not None


def test_a_text_without_a_token_keeps_others_from_being_kept() -> None:
    """GPT's tokenizer adds no special tokens: the head reads the row of a neighbour there."""
    inputs = transformer_inputs(made_up.config("gpt2"), made_up.tokenizer_for("gpt2"))
    examples = [Labelled(text, None, "yes", text) for text in ("a cat", "", "the mat")]
    data = shape("classification").encoded(examples, inputs, TaskPart("class", ("no", "yes")), length=16)
    assert (np.diff(data.sequences.cu_seqlens) == 0).any()
    KeptFeatures(network("class", kind="gpt2"), data.sequences).ready()
    assert data.sequences.batch(np.array([0, 1])).features is None


@pytest.mark.parametrize("features", [{}, {"layers": "mix", "top": "bilstm"}])
@pytest.mark.parametrize("frozen", [False, True])
def test_only_what_learns_is_trained(features: dict[str, Any], frozen: bool) -> None:
    """A pooler that the head reads through learns with it; one that nobody reads through stays."""
    model = network("class", frozen=frozen, **features)
    model.encoder.load_state_dict(network_of(made_up.config()).initialise(0).state_dict())
    batch = split("class").sequences.batch(np.arange(5))
    model.tallies(batch)["task"].loss_sum.backward()
    trained = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    assert trained == {name for name, parameter in model.named_parameters() if parameter.grad is not None}
    assert ("encoder.pooler.weight" in trained) == (not features)
    assert ("encoder.layers.0.output.weight" in trained) == (not frozen)
