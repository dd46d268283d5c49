"""Every recipe of the family: its paper's numbers, and a run that can be stopped anywhere, bit for bit."""

import os
import signal
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from maskwright.batch import Batch
from maskwright.config import checked, override, plain
from maskwright.corpus.read import Corpus
from maskwright.errors import BadInput
from maskwright.recipes import module_of
from maskwright.training import checkpoint
from maskwright.training.masked_recipe import build, data
from maskwright.training.metrics import read_metrics
from tests.recipes.masked import MASKED, TRANSFORMERS
from tests.training.test_loop import StopAfter, files, lines
from tests.training.works import VOCABULARY, corpus, run_in

SMALL: dict[str, Any] = {
    "model.hidden_size": 16, "model.num_attention_heads": 2, "model.num_hidden_layers": 2,
    "model.max_position_embeddings": 64, "layout.max_length": 24, "second_phase.share": 0.5,
    "second_phase.max_length": 40, "second_phase.batch_sequences": 6, "training.steps": 8,
    "training.batch_sequences": 6, "training.micro_sequences": 4, "training.log_every": 2,
    "training.evaluate_every": 4, "training.save_every": 100, "start.tokens": "random", "start.positions": "random",
}  # fmt: skip


def tiny(name: str, **changes: Any) -> Any:
    """The recipe's own tiny size, on a network, lengths and batches that take a second; two phases where it may."""
    start = plain(module_of(name).recipe("tiny", "drawn", VOCABULARY))
    own = {"model.intermediate_size": 24} if "intermediate_size" in start["model"] else {}
    known = {key: value for key, value in SMALL.items() if key.partition(".")[0] in start}
    return checked(module_of(name).Recipe, override(start, {**known, **own, **changes}), name)


def corpus_for(name: str) -> Corpus:
    """Of one language, or for XLM of two."""
    return corpus(languages=("en", "zh")) if name == "xlm" else corpus()


@pytest.mark.parametrize("name", TRANSFORMERS)
def test_going_on_is_as_if_it_had_never_stopped(tmp_path: Path, name: str) -> None:
    """Stopped in the first phase, and again in the second."""
    made = tiny(name)

    def ran(folder: Path) -> tuple[list[str], dict[str, bytes]]:
        assert run_in(folder, made, module_of(name).build(made, corpus_for(name)))
        return lines(folder), files(folder, 8)

    wanted = ran(tmp_path / "whole")
    for at in (3, 6):
        done = checkpoint.steps(tmp_path / "cut")
        work = StopAfter(module_of(name).build(made, corpus_for(name)), at - max(done, default=0))
        assert not run_in(tmp_path / "cut", made, work)
    assert ran(tmp_path / "cut") == wanted
    assert all(np.isfinite(entry["loss"]) for entry in read_metrics(tmp_path / "whole"))


@pytest.mark.parametrize("name", MASKED)
def test_the_second_phase_is_longer(name: str) -> None:
    made = tiny(name)
    examples = data(made, corpus_for(name))
    lengths = [max(batch.max_seqlen for batch in examples.batches(step)) for step in range(8)]
    assert max(lengths[:4]) <= 24 < max(lengths[4:]) <= 40


def test_a_second_phase_has_a_batch_and_a_micro_batch_of_its_own() -> None:
    made = tiny("bert", **{"second_phase.batch_sequences": 5, "masks.max_predictions": 3})
    examples = data(made, corpus())
    sizes = [[batch.num_sequences for batch in examples.batches(step)] for step in (3, 4)]
    assert sizes == [[4, 2], [2, 2, 1]]
    most = [max(int(torch.bincount(torch.searchsorted(b.cu_seqlens.long(), b.predict_rows, right=True)).max())
                for b in examples.batches(step)) for step in (3, 4)]  # fmt: skip
    assert most[0] <= 3 < most[1] <= 5


def test_heads_follow_from_layout_and_masks() -> None:
    heads = {name: tiny(name).heads for name in TRANSFORMERS}
    assert heads["bert"] == heads["bert_wwm"] == heads["bert_wwm_zh"] == heads["quick"] == ["mlm", "nsp"]
    assert heads["roberta"] == heads["roberta_wwm_zh"] == heads["xlm"] == ["mlm"]
    assert heads["albert"] == ["mlm", "sop"] and heads["spanbert"] == ["mlm", "sbo"]
    assert heads["gpt"] == heads["gpt2"] == ["lm"]
    assert sorted(build(tiny("albert", **{"masks.boundary": True}), corpus()).module.heads) == ["mlm", "sbo", "sop"]


@pytest.mark.parametrize("kind", ["segment_pairs", "sentence_pairs", "full_sentences", "doc_sentences"])
def test_every_layout_trains(tmp_path: Path, kind: str) -> None:
    task = "next_sentence" if kind.endswith("pairs") else "none"
    assert run_in(tmp_path, tiny("bert", **{"layout.kind": kind, "layout.task": task}))
    assert ("nsp" in read_metrics(tmp_path)[-1]["losses"]) == (task != "none")


def test_a_rate_that_changes() -> None:
    """From 60 % to 10 % in a straight line, counted in the batches of each step."""
    made = tiny("bert", **{"masks.rate": 0.6, "masks.final_rate": 0.1, "second_phase.share": 0.0})
    examples = data(made, corpus())
    for step in range(8):
        batches = examples.batches(step)
        hidden = sum(batch.predict_ids.shape[0] for batch in batches if batch.predict_ids is not None)
        wanted = 0.6 - 0.5 * step / 7
        assert hidden == pytest.approx(wanted * sum(batch.num_tokens for batch in batches), rel=0.12)


def test_specials_where_fairseq_has_them() -> None:
    """RoBERTa may hide <s> and </s>, and takes no special token as a random one; BERT the other way round."""
    seen: dict[str, tuple[bool, bool]] = {}
    for name in ("bert", "roberta"):
        hidden_special = random_special = False
        examples = data(tiny(name, **{"masks.rate": 0.5, "masks.randomized": 0.2}), corpus())
        for step in range(20):
            for batch in examples.batches(step):
                assert batch.predict_rows is not None and batch.predict_ids is not None
                now, was = batch.token_ids[batch.predict_rows], batch.predict_ids
                hidden_special |= bool(((was == 2) | (was == 3)).any())
                random_special |= bool(((now != was) & (now < 4)).any())
        seen[name] = (hidden_special, random_special)
    assert seen == {"bert": (False, True), "roberta": (True, False)}


def test_xlm_takes_texts_of_each_language_and_translations_in_turn() -> None:
    made = tiny("xlm", **{"second_phase.share": 0.0})
    examples = data(made, corpus_for("xlm"))
    for step in range(6):
        for batch in examples.batches(step):
            assert batch.language_ids is not None and batch.token_type_ids is None
            bounds = batch.cu_seqlens.tolist()
            for first, end in pairwise(bounds):
                languages, places = batch.language_ids[first:end].tolist(), batch.position_ids[first:end].tolist()
                if step % 3 < 2:
                    assert set(languages) == {step % 3} and places == list(range(end - first))
                else:
                    other = languages.index(1 - languages[0])
                    assert set(languages[other:]) == {1 - languages[0]}
                    assert places == [*range(other), *range(end - first - other)]
    alone = tiny("xlm", **{"layout.translation": "alone"})
    assert all(len(set(b.language_ids.tolist())) == 2 for b in data(alone, corpus_for("xlm")).batches(0))
    assert len(list(examples.held_out())) == 3


def test_xlm_wants_two_languages() -> None:
    with pytest.raises(BadInput, match="is of one language"):
        build(tiny("xlm"), corpus())
    with pytest.raises(BadInput, match="a bert does not read"):
        build(tiny("bert", **{"layout.kind": "languages", "layout.task": "none"}), corpus_for("xlm"))
    with pytest.raises(BadInput, match="is of pairs of translations"):
        build(tiny("bert"), corpus_for("xlm"))
    with pytest.raises(BadInput, match="tells no language"):
        build(tiny("xlm", **{"layout.kind": "full_sentences"}), corpus())
    one = tiny("xlm", **{"layout.kind": "full_sentences", "model.n_langs": 1})
    assert build(one, corpus()).module.encoder.config.n_langs == 1


def test_a_gpt_wants_room_and_a_vocabulary() -> None:
    gpt = module_of("gpt")
    with pytest.raises(BadInput, match=r"layout.max_length 65 is more than the model's 64 positions"):
        gpt.build(tiny("gpt", **{"layout.max_length": 65}), corpus())
    with pytest.raises(BadInput, match=r"model.vocab_size 40 is less than the 50 tokens"):
        gpt.build(tiny("gpt", **{"model.vocab_size": 40}), corpus())
    with pytest.raises(BadInput, match=r"a GPT's positions are learned"):
        gpt.build(tiny("gpt", **{"start.positions": "fixed"}), corpus())


PAPERS: dict[tuple[str, str], dict[str, Any]] = {
    ("gpt", "base"): {  # Radford et al. 2018, 4.1
        "layout.max_length": 512, "training.batch_sequences": 64, "optimizer.rate": 2.5e-4, "optimizer.name": "adamw",
        "optimizer.weight_decay": 0.01, "training.schedule": "cosine", "model.num_hidden_layers": 12,
        "training.warmup_share": 2_000 / 2_400_000, "model.hidden_size": 768, "model.num_attention_heads": 12,
    },
    ("gpt2", "xl"): {  # Radford et al. 2019, 2.3 and table 2
        "layout.max_length": 1024, "training.batch_sequences": 512, "model.num_hidden_layers": 48,
        "model.hidden_size": 1600, "model.num_attention_heads": 25,
    },
    ("bert", "base"): {  # 1810.04805, 3.1 and A.2
        "training.steps": 1_000_000, "training.batch_sequences": 256, "optimizer.rate": 1e-4,
        "second_phase.share": 0.1, "second_phase.max_length": 512, "layout.max_length": 128,
    },
    ("bert_wwm_zh", "base"): {  # 1906.08101, 3
        "training.steps": 200_000, "training.batch_sequences": 2560, "second_phase.share": 0.5,
        "second_phase.batch_sequences": 384, "optimizer.name": "lamb", "masks.unit": "word", "masks.fate": "token",
    },
    ("roberta", "base"): {  # 1907.11692, table 9
        "training.steps": 500_000, "training.batch_sequences": 8192, "optimizer.rate": 6e-4, "optimizer.beta2": 0.98,
        "optimizer.epsilon": 1e-6, "optimizer.weight_decay": 0.01, "training.clip": None, "layout.max_length": 512,
        "training.warmup_share": 24_000 / 500_000, "layout.kind": "full_sentences", "model.num_hidden_layers": 12,
    },
    ("roberta", "large"): {
        "optimizer.rate": 4e-4, "training.warmup_share": 30_000 / 500_000, "model.hidden_size": 1024,
        "model.num_hidden_layers": 24,
    },
    ("roberta_wwm_zh", "base"): {"training.steps": 1_000_000, "training.batch_sequences": 384, "masks.unit": "word"},
    ("roberta_wwm_zh", "large"): {"training.steps": 2_000_000, "training.batch_sequences": 512},
    ("albert", "base"): {  # 1909.11942, 4.1
        "training.steps": 125_000, "training.batch_sequences": 4096, "optimizer.rate": 1.76e-3,
        "training.warmup_share": 3125 / 125_000, "masks.unit": "ngram", "masks.ngram": 3,
        "layout.task": "sentence_order", "layout.short_probability": 0.1, "model.embedding_size": 128,
    },
    ("albert", "xxlarge"): {"model.hidden_size": 4096, "model.hidden_dropout_prob": 0.0, "model.num_hidden_layers": 12},
    ("xlm", "base"): {  # 1901.07291, 5.1
        "layout.max_length": 256, "training.batch_sequences": 64, "model.hidden_size": 1024,
        "model.num_hidden_layers": 12, "model.num_attention_heads": 8, "model.hidden_dropout_prob": 0.1,
        "layout.translation": "in_turn", "optimizer.beta2": 0.98,
    },
    ("spanbert", "large"): {  # 1907.10529, 3 and 4.2
        "training.steps": 2_400_000, "training.batch_sequences": 256, "optimizer.rate": 1e-4,
        "optimizer.epsilon": 1e-8, "optimizer.weight_decay": 0.1, "masks.span_p": 0.2, "masks.span_words": 10,
        "layout.kind": "doc_sentences", "training.warmup_share": 10_000 / 2_400_000, "model.hidden_size": 1024,
    },
}  # fmt: skip


@pytest.mark.parametrize(("name", "size"), PAPERS)
def test_the_papers_numbers(name: str, size: str) -> None:
    from maskwright.config import dotted

    found = dotted(module_of(name).recipe(size, "corpus", 30000))
    assert {key: found[key] for key in PAPERS[name, size]} == PAPERS[name, size]


@pytest.mark.parametrize("name", MASKED)
def test_what_a_recipe_is_stands_in_its_first_lines(name: str) -> None:
    lines = (module_of(name).__doc__ or "").strip().splitlines()
    cited = any(source in "".join(lines) for source in ("arXiv", "et al. 20"))
    assert 4 <= len(lines) <= 9 and (cited or name == "bert_wwm")


def test_what_does_not_go_together_is_refused() -> None:
    without = corpus()
    without.manifest.words = None
    with pytest.raises(BadInput, match="carries no words, and masks.unit word"):
        build(tiny("bert_wwm"), without)
    with pytest.raises(BadInput, match="no segments to tell them apart"):
        build(tiny("roberta", **{"layout.kind": "segment_pairs", "layout.task": "next_sentence"}), corpus())
    with pytest.raises(BadInput, match="no pairs"):
        tiny("roberta", **{"layout.task": "next_sentence"})
    with pytest.raises(BadInput, match="more than the model's 62 positions"):
        build(tiny("roberta", **{"layout.max_length": 63}), corpus())
    with pytest.raises(BadInput, match="special tokens are no words"):
        tiny("bert_wwm", **{"masks.hide_specials": True})


def test_shared_layers_take_the_memory_of_one() -> None:
    """ALBERT's gradient and optimizer state are as long as its parameters are many, however deep it is."""
    from maskwright.training.optimizers import Optimizer

    sizes = []
    for layers in (2, 12):
        work = build(tiny("albert", **{"model.num_hidden_layers": layers}), corpus())
        optimizer = Optimizer(work.module, tiny("albert").optimizer, torch.float32)
        sizes.append((optimizer.flat.master.numel(), optimizer.flat.gradient.numel()))
    assert sizes[0] == sizes[1]


def test_sequences_grow_through_a_warm_up() -> None:
    """Stages of doubled length, with the tokens of a step kept; what is held out is that of the full length."""
    made = tiny(
        "roberta",
        **{"length_warmup.share": 0.5, "length_warmup.first": 6, "second_phase.share": 0.0, "training.steps": 16},
    )
    examples = data(made, corpus())
    batches = [examples.batches(step) for step in range(16)]
    longest = [max(batch.max_seqlen for batch in of_step) for of_step in batches]
    assert max(longest[:4]) <= 6 < max(longest[4:8]) <= 12 < max(longest[8:]) <= 24
    sequences = [sum(batch.num_sequences for batch in of_step) for of_step in batches]
    assert sequences == [24] * 4 + [12] * 4 + [6] * 8
    plainly = data(tiny("roberta"), corpus())
    ours, theirs = ([batch.token_ids.tolist() for batch in one.held_out()] for one in (examples, plainly))
    assert ours == theirs


def test_a_warm_up_leaves_steps_for_the_rest() -> None:
    with pytest.raises(BadInput, match=r"length_warmup.share 0.6 and second_phase.share 0.5 leave no step"):
        build(tiny("bert", **{"length_warmup.share": 0.6}), corpus())


@pytest.mark.parametrize("name", ["bert", "gpt"])
def test_packed_rows_go_on_bit_for_bit(tmp_path: Path, name: str) -> None:
    made = tiny(name, **{"training.batch_tokens": 300, "training.micro_tokens": 100})

    def ran(folder: Path) -> tuple[list[str], dict[str, bytes]]:
        assert run_in(folder, made, module_of(name).build(made, corpus_for(name)))
        return lines(folder), files(folder, 8)

    wanted = ran(tmp_path / "whole")
    work = module_of(name).build(made, corpus_for(name))
    make = work.batches

    def ended(step: int) -> Sequence[Batch]:
        if step == 4:
            os.kill(os.getpid(), signal.SIGTERM)  # while step 3 is computed
        return make(step)

    work.batches = ended
    assert not run_in(tmp_path / "cut", made, work)
    assert max(checkpoint.steps(tmp_path / "cut")) in (3, 4, 5)  # batches are made ahead, by a thread of its own pace
    assert ran(tmp_path / "cut") == wanted


def test_what_cannot_be_packed_is_said() -> None:
    with pytest.raises(BadInput, match=r"micro_tokens 100 .*batch_tokens 250 .*let this be a multiple"):
        tiny("bert", **{"training.batch_tokens": 250, "training.micro_tokens": 100})
    with pytest.raises(BadInput, match="micro_tokens 20 holds no sequence of 24 tokens"):
        data(tiny("bert", **{"training.batch_tokens": 40, "training.micro_tokens": 20}), corpus())
    for name in ("xlnet", "elmo"):
        with pytest.raises(BadInput, match="here these keep their places"):
            start = override(plain(module_of(name).recipe("tiny", "drawn", 50)), {"training.batch_tokens": 400})
            module_of(name).check(checked(module_of(name).Recipe, start, name), corpus())
