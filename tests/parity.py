"""Our network beside another implementation of it, with the same weights and the same batch."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from maskwright.batch import Batch, flat_batch
from maskwright.checkpoints.published import publish
from maskwright.draws import generator
from maskwright.layers.weight_names import WeightName
from maskwright.models import ModelConfig, published
from maskwright.training.pretraining import Pretraining
from tests.models.networks import network

TOLERANCE = {torch.float64: 1e-10, torch.float32: 1e-5}
IGNORED = -100  # the label that transformers' losses pass over
Answers = dict[str, Tensor]


def lend_weights(names: Sequence[WeightName], ours: nn.Module, theirs: nn.Module) -> None:
    """Copy every weight of ours into theirs; each of theirs must get one (its decoder is tied to the table)."""
    published = publish(names, dict(ours.named_parameters()))
    missing, unexpected = theirs.load_state_dict(published, strict=False)
    assert not unexpected, f"the other network has no {unexpected}"
    assert all(is_tied(name) for name in missing), missing


def is_tied(name: str) -> bool:
    """Whether transformers has this tensor under another name too."""
    return ".decoder." in name or name in ("pred_layer.proj.weight", "lm_head.weight", "lm_loss.weight")


def draw_batch(
    rng: np.random.Generator,
    lengths: Sequence[int],
    vocab_size: int,
    type_vocab_size: int = 2,
    rate: float = 0.3,
    *,
    padding: int = 0,
    languages: int = 0,
    restart: bool = False,
) -> Batch:
    """A batch of random ids, segments (none of 0), languages, predictions and pair labels.

    padding   no token has this id: transformers gives it no gradient
    restart   positions begin again in the middle of each sequence
    """
    ends = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    tokens = int(ends[-1])
    rows = np.flatnonzero(rng.random(tokens) < rate)
    ids = rng.integers(1, vocab_size, tokens)
    types = rng.integers(0, type_vocab_size, tokens) if type_vocab_size else None
    return flat_batch(
        np.where(ids == padding, 0, ids),
        ends,
        types,
        predict_rows=rows,
        predict_ids=rng.integers(1, vocab_size, len(rows)),
        pair_labels=rng.integers(0, 2, len(lengths)),
        language_ids=rng.integers(0, languages, tokens) if languages else None,
        position_ids=np.concatenate([np.arange(n) % (n // 2 + 1) for n in lengths]) if restart else None,
    )


def padded(batch: Batch, padding: int = 0) -> dict[str, Tensor]:
    """The rectangle that transformers takes; its rows of padding carry the id `padding`."""
    labels = torch.full_like(batch.token_ids, IGNORED)
    if batch.predict_rows is not None and batch.predict_ids is not None:
        labels[batch.predict_rows] = batch.predict_ids

    def rectangle(rows: Tensor, filling: int) -> Tensor:
        cut = rows.split(batch.cu_seqlens.diff().tolist())
        return nn.utils.rnn.pad_sequence(list(cut), batch_first=True, padding_value=filling)

    inputs = {
        "input_ids": rectangle(batch.token_ids, padding),
        "attention_mask": rectangle(torch.ones_like(batch.token_ids), 0),
        "labels": rectangle(labels, IGNORED),
    }
    if batch.token_type_ids is not None:
        inputs["token_type_ids"] = rectangle(batch.token_type_ids, 0)
    if batch.language_ids is not None:
        inputs["langs"] = rectangle(batch.language_ids, 0)
    return inputs


def flat(rectangle: Tensor, batch: Batch) -> Tensor:
    """(N, S, ...) -> (T, ...): the rows that are no padding."""
    return torch.cat([row[:length] for row, length in zip(rectangle, batch.cu_seqlens.diff().tolist(), strict=True)])


def distance(ours: Tensor, theirs: Tensor) -> float:
    """The largest difference, relative where values are larger than 1."""
    assert ours.shape == theirs.shape, (ours.shape, theirs.shape)
    ours, theirs = ours.detach(), theirs.detach()
    if ours.numel() == 0:
        return 0.0
    return float((ours - theirs).abs().max() / max(1.0, float(theirs.abs().max())))


def assert_close(ours: Tensor, theirs: Tensor, what: str) -> None:
    """Equal to within what the type of numbers allows: 1e-10 in float64, 1e-5 in float32."""
    assert ours.dtype == theirs.dtype, what
    assert distance(ours, theirs) <= TOLERANCE[ours.dtype], f"{what}: {distance(ours, theirs):.2e}"


def assert_same_gradients(names: Sequence[WeightName], ours: nn.Module, theirs: nn.Module) -> None:
    """Every gradient; a parameter that one side does not use has a gradient of zeros or none.

    Of what we share and they keep as copies, ours must be the sum of theirs.
    """

    def gradients(module: nn.Module) -> Mapping[str, Tensor]:
        return {
            name: p.grad if p.grad is not None else torch.zeros_like(p)
            for name, p in module.named_parameters(remove_duplicate=False)
            if p.requires_grad and not is_tied(name)
        }

    found, expected = gradients(ours), gradients(theirs)
    copies: dict[str, list[WeightName]] = {}
    for name in names:
        copies.setdefault(name.ours, []).append(name)
    assert {there for name in names if name.ours in found for there in name.published} == expected.keys()
    for ours_name, gradient in found.items():
        if ours_name in copies:
            total = sum(
                torch.cat([expected[there].t() if copy.transposed else expected[there] for there in copy.published])
                for copy in copies[ours_name]
            )
            assert isinstance(total, Tensor)
            assert_close(gradient, total, f"gradient of {ours_name}")


def draw_shape(rng: np.random.Generator) -> dict[str, Any]:
    """What all networks' configurations have in common, drawn, without dropout."""
    heads, width = int(rng.integers(1, 5)), int(rng.choice([3, 4, 8, 16]))
    return {
        "vocab_size": int(rng.integers(20, 120)),
        "hidden_size": heads * width,
        "num_hidden_layers": int(rng.integers(1, 4)),
        "num_attention_heads": heads,
        "intermediate_size": int(rng.integers(1, 70)),
        "hidden_act": rng.choice(["gelu", "gelu_new", "relu"]),
        "max_position_embeddings": int(rng.integers(44, 60)),
        "type_vocab_size": int(rng.integers(1, 4)),
        "layer_norm_eps": float(rng.choice([1e-12, 1e-7, 1e-5, 1e-2])),
        "hidden_dropout_prob": 0.0,
        "attention_probs_dropout_prob": 0.0,
    }


def run_ours(model: Pretraining, batch: Batch, *, pooler: bool = True) -> Answers:
    """Hidden states, pooled, logits and losses by name."""
    states = model.encoder.hidden_states(batch)
    answers = {f"hidden state {i}": state for i, state in enumerate(states)}
    if pooler:
        answers["pooled"] = model.encoder.pooled(states[-1], batch)
    for name, head in model.heads.items():
        tokens = name in ("mlm", "lm")
        answers[f"{name} logits"] = (
            head.scores(states[-1], model.encoder.token_table) if tokens else head(answers["pooled"])
        )
    for name, tally in model.tallies(batch).items():
        answers[f"{name} loss"] = tally.loss_sum / tally.count
    return answers


def run_theirs(model: Any, heads: tuple[str, ...], batch: Batch, padding: int, *, pooler: bool) -> Answers:
    """The same of transformers, by its public outputs."""
    inputs = padded(batch, padding)
    labels = inputs.pop("labels")
    if batch.language_ids is not None:  # of these only XLM takes positions as they are
        rows = batch.position_ids.split(batch.cu_seqlens.diff().tolist())
        inputs["position_ids"] = nn.utils.rnn.pad_sequence(list(rows), batch_first=True)
    out = model(**inputs, output_hidden_states=True)
    answers = {f"hidden state {i}": flat(state, batch) for i, state in enumerate(out.hidden_states)}
    if pooler:
        answers["pooled"] = model.base_model(**inputs).pooler_output
    if "mlm" in heads:
        logits = out.prediction_logits if len(heads) > 1 else out.logits
        answers["mlm logits"] = flat(logits, batch)
        answers["mlm loss"] = nn.functional.cross_entropy(logits.flatten(0, 1), labels.flatten(), ignore_index=IGNORED)
    if "lm" in heads:
        answers["lm logits"] = flat(out.logits, batch)
        labels = torch.where(inputs["attention_mask"] == 1, inputs["input_ids"], IGNORED)
        answers["lm loss"] = model(**inputs, labels=labels).loss  # they move the labels by one themselves
    if pair := next((name for name in heads if name in ("nsp", "sop")), None):
        name = {"nsp": "seq_relationship_logits", "sop": "sop_logits"}[pair] if len(heads) > 1 else "logits"
        answers[f"{pair} logits"] = getattr(out, name)
        answers[f"{pair} loss"] = nn.functional.cross_entropy(answers[f"{pair} logits"], batch.pair_labels)
    if "mlm" in heads:
        extra = {"next_sentence_label": batch.pair_labels} if "nsp" in heads else {}
        extra |= {"sentence_order_label": batch.pair_labels} if "sop" in heads else {}
        total = model(**inputs, labels=labels, **extra).loss
        assert_close(total, sum(answers[f"{name} loss"] for name in heads), "their own loss")  # type: ignore[arg-type]
    return answers


def loss(answers: Answers) -> Tensor:
    """What to differentiate: the losses, or without heads something that depends on every output."""
    losses = [value for name, value in answers.items() if name.endswith("loss")]
    if losses:
        return torch.stack(losses).sum()
    last = answers[max(name for name in answers if "state" in name)].cos().sum()
    return last + answers["pooled"].sin().sum() if "pooled" in answers else last


def assert_equal_to_transformers(
    config: ModelConfig, heads: tuple[str, ...], theirs: Any, seed: int, dtype: torch.dtype, **batch_options: Any
) -> None:
    """Hidden states of every layer, pooled output, logits, losses and all gradients; `theirs` is made of `config`."""
    rng = generator(seed, "parity")
    theirs = theirs.to(dtype).eval()
    ours = network(config, heads, seed).to(dtype)
    part = ours if heads else ours.encoder
    names = part.weight_names()
    pooler = any("pooler" in name for name, _ in theirs.named_parameters())
    names = [name for name in names if pooler or "pooler" not in name.ours]  # their class for masks alone has none
    assert published(config.model_type).classes[heads] == type(theirs).__name__
    lend_weights(names, part, theirs)

    lengths = rng.permutation([1, *rng.integers(2, 40, 1 + seed % 6).tolist()]).tolist()
    padding = getattr(config, "pad_token_id", 0)
    segments = getattr(config, "type_vocab_size", 0)
    batch = draw_batch(rng, lengths, config.vocab_size, segments, padding=padding, **batch_options)
    if "lm" in heads:
        rows = torch.tensor([row for row in range(batch.num_tokens) if row + 1 not in batch.cu_seqlens.tolist()])
        batch = replace(batch, predict_rows=rows, predict_ids=batch.token_ids[rows + 1])
    our_answers = run_ours(ours, batch, pooler=pooler)
    their_answers = run_theirs(theirs, heads, batch, padding, pooler=pooler)
    assert our_answers.keys() == their_answers.keys()
    for what, expected in their_answers.items():
        assert_close(our_answers[what], expected, what)
    loss(our_answers).backward()
    loss(their_answers).backward()
    assert_same_gradients(names, part, theirs)
