"""LoRA: gradients beside W + s B A written out, and logits beside peft's own."""

import copy
from pathlib import Path
from typing import Any, cast

import pytest
import torch
import transformers
from torch import Tensor

from maskwright.checkpoints.adapter_folder import fingerprint
from maskwright.checkpoints.task_part import TaskPart, head_class
from maskwright.errors import BadInput
from maskwright.inference.encoder_loading import load
from maskwright.inference.exporting import export_model
from maskwright.layers.dropout import DropoutStream
from maskwright.layers.low_rank import STACKED, LoraConfig, Target
from maskwright.models import published
from maskwright.tasks import adapters
from maskwright.training.adapted import Adapted
from maskwright.training.finetuning import finetuning
from maskwright.training.optimizers import Optimizer, OptimizerConfig
from tests.checkpoints import made_up
from tests.models.networks import draw_weights
from tests.training.test_finetuning import PARTS, asked, drawn

ALL: tuple[Target, ...] = ("query", "key", "value", "attention_output", "intermediate", "output")
TEXTS = ["the cat sat on a mat", "paris is the capital of france"]


def adapted(kind: str, config: LoraConfig, part: TaskPart = PARTS["class"]) -> Adapted:
    """In float64, A and B drawn too."""
    made = Adapted(drawn(kind, part), config)
    draw_weights(made.adapter, 1)
    return made


@pytest.mark.parametrize("targets", [("query", "value"), ("key", "attention_output"), ALL])
@pytest.mark.parametrize("kind", ["bert", "albert", "gpt2"])
def test_scores_and_gradients_are_those_of_the_sum_written_out(kind: str, targets: tuple[Target, ...]) -> None:
    made = adapted(kind, LoraConfig(rank=3, alpha=5, targets=targets))
    batch = asked(kind, PARTS["class"])
    plain = copy.deepcopy(made.inner)
    a, b = made.adapter.a, made.adapter.b
    asked_of: dict[str, list[tuple[slice, str]]] = {}
    for change in made.adapter.changes:
        weight = plain.encoder.get_parameter(change.ours)
        rows = len(weight) // change.parts
        where = slice(change.place * rows, (change.place + 1) * rows)
        with torch.no_grad():
            weight[where] += 5 / 3 * b[change.key] @ a[change.key]
        asked_of.setdefault(change.ours, []).append((where, change.key))
    if made.pooler is not None and plain.encoder.pooler is not None:
        plain.encoder.pooler.load_state_dict(made.pooler.state_dict())
    for parameter in plain.parameters():
        parameter.requires_grad_()
    assert torch.allclose(made.scores(batch), plain.scores(batch), atol=1e-12)
    mine, other = (model.tallies(batch, DropoutStream(0, "x"))["task"].loss_sum for model in (made, plain))
    mine.backward()
    other.backward()
    for name, parts in asked_of.items():
        whole = plain.encoder.get_parameter(name).grad
        assert whole is not None
        for where, key in parts:  # dL/dB = s dL/dW Aᵀ, dL/dA = s Bᵀ dL/dW
            assert torch.allclose(_grad(b[key]), 5 / 3 * whole[where] @ a[key].t(), atol=1e-11)
            assert torch.allclose(_grad(a[key]), 5 / 3 * b[key].t() @ whole[where], atol=1e-11)
    for (name, ours), theirs in zip(made.inner.head.named_parameters(), plain.head.parameters(), strict=True):
        assert torch.allclose(_grad(ours), _grad(theirs), atol=1e-11), name
    assert all(p.grad is None for p in made.inner.encoder.parameters())


def _grad(parameter: Tensor) -> Tensor:
    assert parameter.grad is not None
    return parameter.grad


def test_which_maps_are_changed() -> None:
    changes = adapted("bert", LoraConfig(targets=("value", "output"))).adapter.changes
    assert [change.published for change in changes[:2]] == [
        "encoder.layer.0.attention.self.value", "encoder.layer.0.output.dense",
    ]  # fmt: skip
    assert [change.place for change in changes[:2]] == [STACKED.index("value"), 0]
    assert len(adapted("gpt2", LoraConfig()).adapter.changes) == len(drawn("gpt2", PARTS["class"]).encoder.layers)
    with pytest.raises(BadInput, match="XLNet has none of the maps query, value"):
        adapted("xlnet", LoraConfig())


def test_only_what_is_new_is_trained_and_saved() -> None:
    made = adapted("bert", LoraConfig())
    made.initialise(0.02, 0)
    before = {name: p.clone() for name, p in made.inner.encoder.named_parameters()}
    batch = asked("bert", PARTS["class"])
    assert torch.equal(made.scores(batch), made.inner.scores(batch))  # B is zero at first
    optimizer = Optimizer(made, OptimizerConfig(rate=1e-2), torch.float64)
    for _ in range(3):
        made.tallies(batch)["task"].loss_sum.backward()
        optimizer.flat.collect(first=True)
        optimizer.step(1.0)
    assert all(torch.equal(p, before[name]) for name, p in made.inner.encoder.named_parameters())
    assert not torch.equal(made.scores(batch), made.inner.scores(batch))
    saved = optimizer.flat.state()
    assert not [name for name in saved if name.startswith("inner.encoder.")]
    assert {name.partition(".")[0] for name in saved} == {"inner", "pooler", "adapter"}
    again = copy.deepcopy(made)
    draw_weights(again.adapter, 5)
    Optimizer(again, OptimizerConfig(), torch.float64).flat.load(saved)
    assert torch.equal(again.scores(batch), made.scores(batch))


def trained(folder: Path, kind: str, asks: Any, seed: int = 1) -> tuple[Path, Path]:
    """A base and an adapter's folder on it, as a run leaves them."""
    base, part = folder / "base", PARTS[asks]
    if not base.exists():
        made_up.folder(base, (), model_type=kind)
    found = load(base)
    network = finetuning(cast("Any", found.config), part, 0)
    network.encoder = found.model.encoder
    made = adapters.adapted(network, LoraConfig(rank=2, targets=("query", "output")), 0.5, seed, pooler=True)
    draw_weights(made.adapter, seed)
    out = folder / f"adapter{seed}"
    adapters.write(out, made, part, str(base))
    return base, out


@pytest.mark.parametrize("asks", ["class", "number"])
@pytest.mark.parametrize("kind", ["bert", "roberta", "gpt2"])
def test_peft_loads_the_folder_with_equal_logits_and_merged_it_is_plain(tmp_path: Path, kind: str, asks: Any) -> None:
    peft = pytest.importorskip("peft")
    base, folder = trained(tmp_path, kind, asks)
    part, encoder = PARTS[asks], load(folder)
    answers = encoder.predict(TEXTS)
    export_model(folder, tmp_path / "merged")
    ours_merged = load(tmp_path / "merged").predict(TEXTS)
    kind_there = getattr(transformers, head_class(published(kind), asks))
    settings = {"num_labels": len(part.labels), "problem_type": part.settings()["problem_type"]}
    merged, told = kind_there.from_pretrained(tmp_path / "merged", output_loading_info=True)
    assert not any(told.values()), told
    theirs = peft.PeftModel.from_pretrained(kind_there.from_pretrained(base, **settings), folder).eval()
    for text in TEXTS:
        ids = encoder.tokenizer.encode_pairs([text])[0].ids
        inputs = {"input_ids": torch.from_numpy(ids)[None]}
        with torch.no_grad():
            a, b = merged(**inputs).logits[0], theirs(**inputs).logits[0]
        assert torch.allclose(a, b, atol=1e-5) and a.abs().max() > 1e-2
        for mine in (answers[TEXTS.index(text)], ours_merged[TEXTS.index(text)]):
            if asks == "number":
                assert mine.label == pytest.approx(b.item(), abs=1e-5)
            else:
                shares = dict(zip(part.labels, b.softmax(-1).tolist(), strict=True))
                assert mine.shares == pytest.approx(shares, abs=1e-5)


def test_two_tasks_share_one_encoder(tmp_path: Path) -> None:
    base, first = trained(tmp_path, "bert", "class")
    _, second = trained(tmp_path, "bert", "number", seed=2)
    encoder = load(base)
    before, mark = encoder.encode(TEXTS), fingerprint(encoder.model.encoder)
    classes, numbers = encoder.adapted(first), encoder.adapted(second)
    assert classes.model.encoder is numbers.model.encoder is encoder.model.encoder
    assert classes.predict(TEXTS) == load(first).predict(TEXTS) == load(base, adapter=first).predict(TEXTS)
    assert numbers.predict(TEXTS) == load(second).predict(TEXTS)
    assert fingerprint(encoder.model.encoder) == mark and (encoder.encode(TEXTS) == before).all()
    assert encoder.task is None


def test_another_encoder_is_refused(tmp_path: Path) -> None:
    _, folder = trained(tmp_path, "bert", "class")
    made_up.folder(tmp_path / "other", (), seed=3)
    with pytest.raises(BadInput, match="and this is another encoder"):
        load(tmp_path / "other", adapter=folder)
    with pytest.raises(BadInput, match="is no adapter"):
        load(tmp_path / "base", adapter=tmp_path / "other")
    (tmp_path / "base").rename(tmp_path / "moved")
    with pytest.raises(BadInput, match=r"which is not there: load\(encoder, adapter=\.\.\.\)"):
        load(folder)
    assert load(tmp_path / "moved", adapter=folder).task is not None
    with pytest.raises(BadInput, match="export it as hf, which merges it"):
        (tmp_path / "moved").rename(tmp_path / "base")
        export_model(folder, tmp_path / "no", "tf1")
