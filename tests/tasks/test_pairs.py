"""Pairs of texts: batches, places, measures beside brute force and sentence-transformers' evaluator."""

from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from torch import Tensor

from maskwright.batch import Batch
from maskwright.checkpoints.task_part import TaskPart
from maskwright.draws import generator
from maskwright.errors import BadInput
from maskwright.models import ModelConfig
from maskwright.objectives.text_vectors import SimilarityConfig
from maskwright.tasks.bi_encoders import settled
from maskwright.tasks.examples import Near
from maskwright.tasks.inputs import TransformerInputs
from maskwright.tasks.metrics import ranks
from maskwright.tasks.pairs import PairData
from tests.checkpoints import made_up
from tests.models.networks import small

NEAR, NEARNESS = TaskPart("near", ("cosine",)), TaskPart("nearness", ("cosine",))
LETTERS = "bcdefghij"


class ByTokens:
    """Texts are vectors of their tokens and places, so that what is near can be told without a network."""

    device = torch.device("cpu")

    def __init__(self) -> None:
        self.table = torch.from_numpy(generator(0, "table").normal(size=(200, 8)))

    def vector(self, ids: Tensor) -> Tensor:
        made = (self.table[ids] * (1 + 0.1 * torch.arange(len(ids)))[:, None]).mean(0)
        return made / made.norm()

    def scores(self, batch: Batch) -> Tensor:
        return torch.stack([self.vector(ids) for ids in batch.token_ids.split(batch.cu_seqlens.diff().tolist())])


def drawn(count: int, scored: bool = False) -> list[Near]:
    rng = generator(0, "texts")

    def text() -> str:
        return " ".join(LETTERS[i] for i in rng.integers(0, len(LETTERS), 2))

    return [Near(text(), text() + " b", float(rng.normal()) if scored else None, f"line {i}") for i in range(count)]


def data(examples: list[Near], part: TaskPart = NEAR, length: int = 16) -> PairData:
    return PairData(examples, TransformerInputs(made_up.tokenizer(), segments=2), part, length=length)


def test_a_batch_has_both_texts_of_each_pair_one_behind_the_other() -> None:
    made = data([Near("the cat", "a cat sat", None, "1"), Near("paris", "the cat", None, "2")])
    batch = made.sequences.batch(np.array([1, 0]))
    tokens = [made_up.tokenizer().encode_pairs([text])[0].ids for text in ("paris", "the cat", "the cat", "a cat sat")]
    assert batch.token_ids.tolist() == np.concatenate(tokens).tolist()
    assert batch.cu_seqlens.diff().tolist() == [len(ids) for ids in tokens]
    assert batch.groups is not None and batch.groups.tolist() == [0, 2, 4]
    assert batch.labels is not None and batch.labels.tolist() == [[2, 0], [0, 1]]
    assert made.sequences.lengths.tolist() == [5, 4] and len(made.sequences) == 2


def test_long_texts_are_cut_and_their_pairs_counted() -> None:
    made = data([Near("a cat sat on", "cat", None, "1"), Near("a cat", "paris", None, "2")], length=4)
    assert made.cut == 1 and made.sequences.lengths.tolist() == [4, 4]


def test_every_pair_is_looked_at_once() -> None:
    made = data(drawn(70))
    batches = list(made.batches())
    sizes = [batch.num_sequences // 2 for batch in batches]
    assert sizes == [32, 32, 6] and sum(batch.num_tokens for batch in batches) == made.sequences.cu_seqlens[-1]


def test_places_and_measures_are_those_of_brute_force_and_sentence_transformers() -> None:
    evaluation: Any = pytest.importorskip("sentence_transformers.sentence_transformer.evaluation")
    examples, network = drawn(300), ByTokens()
    made = data(examples)
    answers = made.answers(network)
    seconds = sorted({one.second for one in examples})
    assert len(seconds) < 300 and len({one.first for one in examples}) < 100  # several right ones for a question

    def vectors(texts: list[str]) -> Tensor:
        encoded = made_up.tokenizer().encode_pairs(texts)
        return torch.stack([network.vector(torch.from_numpy(one.ids)) for one in encoded])

    cosines = dict(
        zip(
            questions := sorted({one.first for one in examples}), vectors(questions) @ vectors(seconds).t(), strict=True
        )
    )
    for one, answer in zip(examples, answers, strict=True):
        row = cosines[one.first]
        right = row[seconds.index(one.second)]
        assert answer.cosine == pytest.approx(float(right), abs=1e-6)
        assert answer.place == int((row >= right - 1e-9).sum())
    relevant = {first: {one.second for one in examples if one.first == first} for first in questions}
    ids = {text: text for text in questions}
    theirs = evaluation.InformationRetrievalEvaluator(ids, {text: text for text in seconds}, relevant)
    expected = theirs.compute_metrics(
        [
            [{"corpus_id": one, "score": score} for one, score in zip(seconds, cosines[first].tolist(), strict=True)]
            for first in questions
        ]
    )
    found = made.measures(answers)
    assert found["ndcg@10"] == pytest.approx(expected["ndcg@k"][10])
    assert found["mrr@10"] == pytest.approx(expected["mrr@k"][10])
    assert [found["recall@1"], found["recall@10"]] == pytest.approx([expected["recall@k"][k] for k in (1, 10)])
    assert 0.01 < found["recall@1"] < found["recall@10"] < 1


def test_an_encoder_for_which_all_texts_are_the_same_finds_nothing() -> None:
    class Same(ByTokens):
        def scores(self, batch: Batch) -> Tensor:
            return torch.ones(batch.num_sequences, 1)

    made = data(drawn(40))
    answers = made.answers(Same())
    assert made.measures(answers)["recall@10"] == 0 and made.different(answers) == 1


def test_scored_pairs_are_judged_by_correlation() -> None:
    examples = drawn(50, scored=True)
    made = data(examples, NEARNESS)
    answers = made.answers(ByTokens())
    expected: Any = spearmanr([one.score for one in examples], [one.cosine for one in answers])
    assert list(made.measures(answers)) == ["spearman", "pearson"]
    assert made.measures(answers)["spearman"] == pytest.approx(float(expected.statistic))
    labels = made.sequences.batch(np.arange(3)).labels
    assert labels is not None and labels.tolist() == pytest.approx([one.score for one in examples[:3]])


def test_nothing_to_find_is_refused() -> None:
    with pytest.raises(BadInput, match="nothing was looked for"):
        ranks.scores([])


@pytest.mark.parametrize(
    ("changes", "part", "kind", "message"),
    [
        ({"loss": "infonce"}, NEARNESS, "bert", "is of pairs without scores: leave --label off"),
        ({"loss": "cosent"}, NEAR, "bert", "cosent is of pairs with scores: name their column with --label"),
        ({"loss": "cosine"}, NEARNESS, "bert", "line 1 has the score 5, and a cosine is -1 to 1"),
        ({"symmetric": True}, NEARNESS, "bert", "symmetric goes with infonce, and the loss is cosent"),
        ({"pooling": "cls"}, NEAR, "gpt2", "nothing in front that stands for a text; take mean"),
        ({}, TaskPart("class", ("a", "b")), "bert", "a table similarity, and its task asks for class"),
    ],
)
def test_what_does_not_go_together_is_refused(changes: dict[str, Any], part: TaskPart, kind: str, message: str) -> None:
    config: ModelConfig = small(kind)
    with pytest.raises(BadInput, match=message):
        settled(SimilarityConfig(**changes), part, config, [Near("a", "b", 5.0, "line 1")])


def test_the_loss_follows_from_the_pairs() -> None:
    found = [settled(None, part, small("bert"), []) for part in (NEAR, NEARNESS, TaskPart("number", ("n",)))]
    assert [one and one.loss for one in found] == ["infonce", "cosent", None]
