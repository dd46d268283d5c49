"""The recipes: the papers' numbers, batches as a function of the step alone, first weights as one of the seed."""

import dataclasses
from typing import Any

import pytest
import torch
from torch import Tensor

from maskwright.batch import Batch
from maskwright.config import checked, plain, read_toml, write_toml
from maskwright.errors import BadInput
from maskwright.models.bert import SIZES
from maskwright.recipes import bert, module_of, names, quick, resolve
from maskwright.training import masked_recipe
from maskwright.training.masked_recipe import Recipe, build, data
from tests.training.works import corpus, recipe


def test_the_catalogue_is_what_lies_in_the_folder() -> None:
    family = {"bert", "bert_wwm", "bert_wwm_zh", "roberta", "roberta_wwm_zh", "albert", "spanbert", "quick"}
    assert family | {"word2vec", "bag_of_words"} <= set(names())
    for name in names():
        module = module_of(name)
        made = module.recipe(module.DEFAULT_SIZE, "corpus", 600)
        assert made.recipe == name and made.size == module.DEFAULT_SIZE and made.model.vocab_size == 600
        assert module.check and (hasattr(module, "train") or (module.data and module.build and module.finish))


def test_bert_has_the_paper_s_numbers() -> None:
    """Devlin et al., arXiv 1810.04805, section 3 and appendix A.2."""
    made = bert.recipe("base", "corpus", 30522)
    model, training, optimizer, masks = made.model, made.training, made.optimizer, made.masks
    assert (model.num_hidden_layers, model.hidden_size, model.num_attention_heads) == (12, 768, 12)
    assert (model.intermediate_size, model.hidden_act) == (4 * 768, "gelu")
    assert (training.batch_sequences, training.steps) == (256, 1_000_000)
    assert training.warmup_share * training.steps == 10_000
    assert (optimizer.rate, optimizer.beta1, optimizer.beta2, optimizer.weight_decay) == (1e-4, 0.9, 0.999, 0.01)
    assert (model.hidden_dropout_prob, model.attention_probs_dropout_prob) == (0.1, 0.1)
    assert (masks.rate, masks.masked, masks.randomized) == (0.15, 0.8, 0.1)
    assert (made.layout.max_length, made.layout.short_probability) == (128, 0.1)
    large = bert.recipe("large", "corpus", 30522).model
    assert (large.num_hidden_layers, large.hidden_size, large.num_attention_heads) == (24, 1024, 16)


def test_quick_differs_from_bert_in_what_its_first_lines_say() -> None:
    ours, theirs = (plain(module.recipe("tiny", "corpus", 600)) for module in (quick, bert))
    differing = {
        f"{table}.{key}" for table in ("model", "start", "layout", "second_phase", "masks", "optimizer", "training")
        for key in ours[table] if ours[table][key] != theirs[table][key]
    }  # fmt: skip
    assert differing == {
        "model.hidden_dropout_prob", "model.attention_probs_dropout_prob", "start.tokens", "start.positions",
        "second_phase.share", "masks.rate",
        "optimizer.name", "optimizer.rate", "training.steps", "training.batch_sequences",
        "training.warmup_share", "training.schedule", "training.evaluate_every", "training.save_every",
    }  # fmt: skip


@pytest.mark.parametrize("name", ["bert", "quick"])
@pytest.mark.parametrize("size", SIZES)
def test_a_recipe_survives_its_file(name: str, size: str) -> None:
    import tomllib

    made = module_of(name).recipe(size, "corpora/三国", 21128)
    assert checked(Recipe, tomllib.loads(write_toml(plain(made))), "recipe.toml") == made


def same(a: Batch, b: Batch) -> bool:
    for field in dataclasses.fields(Batch):
        one, other = getattr(a, field.name), getattr(b, field.name)
        if isinstance(one, Tensor) != isinstance(other, Tensor):
            return False
        if not (one.equal(other) if isinstance(one, Tensor) else one == other):
            return False
    return True


def all_same(a: list[Batch], b: list[Batch]) -> bool:
    return len(a) == len(b) and all(map(same, a, b))


@pytest.mark.parametrize("masks", [{}, {"dupe_factor": 2}])
def test_the_batches_of_a_step_are_a_function_of_the_seed_and_the_step(masks: dict[str, Any]) -> None:
    made = recipe()
    made = made.with_changes(masks=made.masks.with_changes(**masks))
    in_order = data(made, corpus())
    wanted = [in_order.batches(step) for step in range(60)]  # several epochs of the drawn corpus
    assert 2 * in_order.epoch_sequences(0) < 60 * 6
    backwards = data(made, corpus())
    assert all(all_same(backwards.batches(step), wanted[step]) for step in reversed(range(60)))
    list(backwards.held_out())
    assert all_same(data(made, corpus()).batches(37), wanted[37])
    assert not all_same(wanted[36], wanted[37])
    other = made.with_changes(training=made.training.with_changes(seed=1))
    assert not all_same(data(other, corpus()).batches(37), wanted[37])


def test_the_held_out_pairs_are_the_same_for_every_recipe() -> None:
    """Judged at 15 % and 80/10/10, whatever a recipe trains with, and however it is cut."""
    ours = recipe()
    theirs = recipe(micro_sequences=3, batch_sequences=9, seed=5, steps=3)
    theirs = theirs.with_changes(masks=theirs.masks.with_changes(rate=0.4, masked=0.5, randomized=0.5))
    assert all_same(list(data(ours, corpus()).held_out()), list(data(theirs, corpus()).held_out()))
    few = recipe(held_out_sequences=5)
    assert sum(batch.num_sequences for batch in data(few, corpus()).held_out()) == 5
    assert len(list(data(recipe(held_out_sequences=None), corpus(held_out=200)).held_out())) > 1


def test_held_out_documents_are_never_trained_on() -> None:
    """The drawn splits hold other tokens: every pair's tokens, unmasked, must stand in its own split."""
    made, drawn = recipe(), corpus(train=8, held_out=8)
    for split, batches in (
        (drawn.train, [batch for step in range(20) for batch in data(made, drawn).batches(step)]),
        (drawn.held_out, list(data(made, drawn).held_out())),
    ):
        row = b"".join(bytes(split.sentence(i).astype("uint8")) for i in range(split.num_sentences))
        for batch in batches:
            ids = batch.token_ids.clone()
            assert batch.predict_rows is not None and batch.predict_ids is not None
            ids[batch.predict_rows] = batch.predict_ids
            for sequence in ids.split(batch.cu_seqlens.diff().tolist()):
                segments = bytes(sequence[1:-1].tolist()).split(bytes([drawn.tokenizer.sep_id]))
                assert len(segments) == 2 and all(segment in row for segment in segments)


def test_first_weights_are_a_function_of_the_seed() -> None:
    ours, again, other = (build(recipe(seed=seed), corpus()).module.state_dict() for seed in (0, 0, 1))
    assert all(ours[name].equal(again[name]) for name in ours)
    assert not any(ours[name].equal(other[name]) for name in ours if ours[name].ndim == 2)
    deviation = float(ours["encoder.layers.0.intermediate.weight"].std())
    assert deviation == pytest.approx(0.88 * 0.02, rel=0.15)  # a normal cut at two deviations has 0.88 of its own


def test_fixed_positions_are_not_trained() -> None:
    made = recipe()
    made = made.with_changes(start=made.start.with_changes(positions="fixed", position_scale=0.5))
    module = build(made, corpus()).module
    fixed = [name for name, p in module.named_parameters() if not p.requires_grad]
    assert fixed == ["encoder.embeddings.position.weight"]
    table = module.get_parameter(fixed[0])
    assert float(table[0, 1]) == 0.5 and float(table.abs().max()) <= 0.5


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"layout": {"max_length": 65}}, "65 is more than the model's 64 positions"),
        ({"model": {"vocab_size": 49}}, "49 is less than the 50 tokens"),
    ],
)
def test_what_does_not_go_together_is_said(changes: dict[str, dict[str, Any]], words: str) -> None:
    table = plain(recipe())
    for name, values in changes.items():
        table[name] |= values
    with pytest.raises(BadInput, match=words):
        build(checked(Recipe, table, "here"), corpus())


def test_one_document_is_said_before_weights_are_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(masked_recipe, "start_embeddings", lambda *_: pytest.fail("too late"))
    with pytest.raises(BadInput, match="1 document"):
        build(recipe(), corpus(train=1))


def test_weights_that_a_checkpoint_gives_are_not_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(masked_recipe, "start_embeddings", lambda *_: pytest.fail("made for nothing"))
    work = build(recipe(), corpus(), fresh=False)
    assert sum(p.numel() for p in work.module.parameters()) > 1000


def test_a_network_with_a_larger_vocabulary_than_its_corpus_trains() -> None:
    made = recipe()
    made = made.with_changes(model=made.model.with_changes(vocab_size=64))
    work = build(made, corpus())
    (batch, *_) = work.batches(0)
    assert torch.isfinite(work.tallies(batch, None)["mlm"].loss_sum)
    assert int(batch.token_ids.max()) < 50, "random replacements come from the corpus's vocabulary"


def test_resolving_a_file_takes_its_size_and_its_corpus(tmp_path: Any) -> None:
    from tests.training.small_corpus import make_corpus

    folder = make_corpus(tmp_path, documents=12)
    resolved, opened = resolve("bert", str(folder), "mini", {"training.steps": "7"})
    assert resolved.model.vocab_size == opened.tokenizer.vocab_size and resolved.model.hidden_size == 256
    file = tmp_path / "mine.toml"
    file.write_text(write_toml(plain(resolved)), encoding="utf-8")
    assert resolve(str(file), None)[0] == resolved
    assert resolve(str(file), None, None, {"optimizer.rate": "0.5"})[0].optimizer.rate == 0.5
    with pytest.raises(BadInput, match="size mini"):
        resolve(str(file), None, "tiny")
    table = read_toml(file)
    table["recipe"] = "brt"
    file.write_text(write_toml(table), encoding="utf-8")
    with pytest.raises(BadInput, match=r"'brt'; did you mean bert\?"):
        resolve(str(file), None)
