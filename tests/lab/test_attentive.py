"""The attentive probe: its arithmetic text by text, and what it finds that a mean cannot."""

import numpy as np
import pytest
import torch

from maskwright.inference.encoder import Encoder
from maskwright.lab.attentive import TOGETHER, AttentiveProbe, TokenStates, learn, moments, shares, token_states
from maskwright.models.bert import BertConfig
from maskwright.text.samples import sample
from maskwright.tokenizers.wordpiece import WordPiece
from maskwright.training.pretraining import network


def test_token_states_are_the_token_vectors_of_each_layer():
    texts = [*sample("en")[50].sentences[: TOGETHER + 9], "", "x", "What is [MASK]?"]
    tokenizer = WordPiece.train(texts, 400)
    shape = BertConfig(
        vocab_size=tokenizer.vocab_size,
        hidden_size=12,
        num_attention_heads=2,
        num_hidden_layers=2,
        intermediate_size=24,
    )
    model = network(shape, [])
    model.initialise(0.3, seed=0)
    encoder = Encoder(model, tokenizer)
    found = token_states(encoder, texts)
    assert found.values.shape == (int(found.bounds[-1]), 36)
    for i, text in enumerate(texts[:-1]):
        mine = found.values[found.bounds[i] : found.bounds[i + 1]].float().numpy()
        expected = np.concatenate([encoder.token_vectors([text], layer)[0] for layer in range(3)], axis=1)
        np.testing.assert_allclose(mine, expected, rtol=1 / 128, atol=1e-3)  # bfloat16 has 8 bits
    # what is written like a special token is text, and not one token
    assert int(found.bounds[-1] - found.bounds[-2]) > len(encoder.tokenize(texts[-1]))


def made_up(lengths, width=6, seed=0):
    draw = np.random.default_rng(seed)
    bounds = torch.from_numpy(np.cumsum([0, *lengths]))
    return TokenStates(
        torch.from_numpy(draw.normal(size=(int(bounds[-1]), width)).astype(np.float32)).bfloat16(), bounds
    )


def test_scores_are_those_of_each_text_alone():
    states = made_up([3, 1, 7, 2, 5])
    probe = AttentiveProbe(states, 4, seed=0)
    draw = np.random.default_rng(1)
    with torch.no_grad():
        probe.query.copy_(torch.from_numpy(draw.normal(size=6) * 3))
        probe.weight.copy_(torch.from_numpy(draw.normal(size=(4, 6))))
        probe.bias.copy_(torch.from_numpy(draw.normal(size=4)))
    which = np.array([4, 0, 2, 1])
    found = probe.scores(states, which).detach()
    for row, i in zip(found, which):
        x = states.values[states.bounds[i] : states.bounds[i + 1]].float()
        x = (x - probe.mean) / probe.deviation
        pooled = torch.softmax(x @ probe.query, 0) @ x
        torch.testing.assert_close(row, (probe.weight @ pooled + probe.bias).detach(), atol=1e-5, rtol=1e-4)
    assert probe.predict(states, together=2).tolist() == probe.scores(states, np.arange(5)).argmax(1).tolist()


def test_shares_are_a_softmax_and_stand_great_scores():
    lengths = torch.tensor([2, 1, 4])
    of_token = torch.repeat_interleave(torch.arange(3), lengths)
    scores = torch.tensor([1e4, 1e4 - 1, -5e3, 0.0, 1.0, 2.0, 3.0])
    expected = torch.cat([part.softmax(0) for part in scores.split(lengths.tolist())])
    torch.testing.assert_close(shares(scores, of_token, lengths), expected)


def test_moments_are_numpys():
    values = made_up([200_000], width=3).values
    mean, deviation = moments(values)
    exact = values.float().numpy().astype(np.float64)
    np.testing.assert_allclose(mean, exact.mean(0), atol=1e-6)
    np.testing.assert_allclose(deviation, exact.std(0) + 1e-6, rtol=1e-5)


def one_in_forty(texts, seed, width=8):
    """Texts of forty tokens, of which one carries the class: marked in the first column, told in the second."""
    draw = np.random.default_rng(seed)
    classes = draw.integers(2, size=texts)
    values = draw.normal(size=(texts, 40, width))
    values[:, :, 0] = 0
    told = draw.integers(40, size=texts)
    values[np.arange(texts), told, 0] = 3
    values[np.arange(texts), told, 1] = 2.0 * classes - 1
    flat = torch.from_numpy(values.reshape(-1, width).astype(np.float32)).bfloat16()
    return TokenStates(flat, torch.arange(0, 40 * texts + 1, 40)), classes


def test_it_finds_the_token_that_a_mean_buries():
    states, classes = one_in_forty(1_500, seed=0)
    test, truth = one_in_forty(600, seed=1)
    probe = learn(states, classes, 2, epochs=8, rate=2e-2)
    means = test.values.float().reshape(600, 40, -1).mean(1)[:, 1].numpy()
    assert ((means > 0) == truth).mean() < 0.65  # the best that the mean of the telling column allows
    assert (probe.predict(test) == truth).mean() > 0.95


def test_only_the_texts_named_are_learned_from_and_draws_are_named_by_the_seed():
    states, classes = one_in_forty(200, seed=0)
    which = np.arange(0, 200, 2)
    wrong = classes.copy()
    wrong[1::2] = 1 - wrong[1::2]
    torch.manual_seed(1)
    first = learn(states, classes, 2, which=which, epochs=2)
    before = torch.get_rng_state()
    second = learn(states, wrong, 2, which=which, epochs=2)
    assert torch.equal(first.query, second.query) and torch.equal(first.weight, second.weight)
    assert torch.equal(torch.get_rng_state(), before)  # nobody else's draws are touched
    assert not torch.equal(first.query, learn(states, classes, 2, which=which, epochs=2, seed=1).query)


def test_a_text_without_tokens_cannot_be():
    with pytest.raises(IndexError):
        AttentiveProbe(made_up([2]), 2, 0).scores(made_up([2]), np.array([1]))
