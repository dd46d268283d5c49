"""BERT beside transformers' BERT, and what must hold of any encoder over flat batches."""

from typing import Any

import numpy as np
import pytest
import torch
import transformers
from torch import Tensor, nn

from maskwright.batch import Batch
from maskwright.draws import generator
from maskwright.models.bert import BertConfig, config_json
from maskwright.training.pretraining import Pretraining
from tests.models.networks import network
from tests.parity import IGNORED, assert_close, assert_same_gradients, draw_batch, flat, lend_weights, padded

CLASSES = {
    ("mlm", "nsp"): transformers.BertForPreTraining,
    ("mlm",): transformers.BertForMaskedLM,
    ("nsp",): transformers.BertForNextSentencePrediction,
    (): transformers.BertModel,
}


def draw_config(rng: np.random.Generator) -> BertConfig:
    heads, width = int(rng.integers(1, 5)), int(rng.choice([3, 4, 8, 16]))
    return BertConfig(
        vocab_size=int(rng.integers(20, 120)),
        hidden_size=heads * width,
        num_hidden_layers=int(rng.integers(1, 4)),
        num_attention_heads=heads,
        intermediate_size=int(rng.integers(1, 70)),
        hidden_act=rng.choice(["gelu", "gelu_new", "relu"]),
        max_position_embeddings=int(rng.integers(40, 60)),
        type_vocab_size=int(rng.integers(1, 4)),
        layer_norm_eps=float(rng.choice([1e-12, 1e-7, 1e-5, 1e-2])),
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )


Answers = dict[str, Tensor]


def run_ours(model: Pretraining, batch: Batch) -> Answers:
    """Hidden states, pooled, logits and losses by name."""
    states = model.encoder.hidden_states(batch)
    answers = {f"hidden state {i}": state for i, state in enumerate(states)}
    answers["pooled"] = model.encoder.pooled(states[-1], batch)
    if "mlm" in model.heads:
        answers["mlm logits"] = model.heads["mlm"].scores(states[-1], model.encoder.token_table)
    if "nsp" in model.heads:
        answers["nsp logits"] = model.heads["nsp"](answers["pooled"])
    for name, tally in model.tallies(batch).items():
        answers[f"{name} loss"] = tally.loss_sum / tally.count
    return answers


def run_theirs(model: Any, heads: tuple[str, ...], batch: Batch) -> Answers:
    """The same of transformers, by its public outputs."""
    inputs = padded(batch)
    labels = inputs.pop("labels")
    out = model(**inputs, output_hidden_states=True)
    answers = {f"hidden state {i}": flat(state, batch) for i, state in enumerate(out.hidden_states)}
    if heads != ("mlm",):
        answers["pooled"] = model.base_model(**inputs).pooler_output
    if "mlm" in heads:
        logits = out.prediction_logits if "nsp" in heads else out.logits
        answers["mlm logits"] = flat(logits, batch)
        answers["mlm loss"] = nn.functional.cross_entropy(logits.flatten(0, 1), labels.flatten(), ignore_index=IGNORED)
    if "nsp" in heads:
        answers["nsp logits"] = out.seq_relationship_logits if "mlm" in heads else out.logits
        answers["nsp loss"] = nn.functional.cross_entropy(answers["nsp logits"], batch.pair_labels)
    if heads == ("mlm", "nsp"):
        total = model(**inputs, labels=labels, next_sentence_label=batch.pair_labels).loss
        assert_close(total, answers["mlm loss"] + answers["nsp loss"], "their own loss")
    return answers


def loss(answers: Answers) -> Tensor:
    """What to differentiate: the losses, or without heads something that depends on every output."""
    losses = [value for name, value in answers.items() if name.endswith("loss")]
    if losses:
        return torch.stack(losses).sum()
    return answers["pooled"].sin().sum() + answers[max(name for name in answers if "state" in name)].cos().sum()


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["float64", "float32"])
@pytest.mark.parametrize("seed", range(24))
def test_equal_to_transformers(seed: int, dtype: torch.dtype) -> None:
    """Hidden states of every layer, pooled output, logits, losses and all gradients, over drawn configurations."""
    rng = generator(seed, "parity")
    config = draw_config(rng)
    heads = list(CLASSES)[0 if seed < 12 else seed % 4]
    ours = network(config, heads, seed).to(dtype)
    theirs = CLASSES[heads](transformers.BertConfig(**config_json(config))).to(dtype).eval()
    part = ours if heads else ours.encoder
    names = part.weight_names()
    if heads == ("mlm",):  # their class for masks alone has no pooler
        names = [name for name in names if "pooler" not in name.ours]
    lend_weights(names, part, theirs)

    lengths = rng.permutation([1, *rng.integers(2, 40, 1 + seed % 6).tolist()]).tolist()
    batch = draw_batch(rng, lengths, config.vocab_size, config.type_vocab_size)
    our_answers, their_answers = run_ours(ours, batch), run_theirs(theirs, heads, batch)
    for what, expected in their_answers.items():
        assert_close(our_answers[what], expected, what)
    assert our_answers.keys() - their_answers.keys() <= {"pooled"}
    loss(our_answers).backward()
    loss(their_answers).backward()
    assert_same_gradients(names, part, theirs)
