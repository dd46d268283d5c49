"""What a model writes, and how likely it finds a text: beside transformers' own generation."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers

import maskwright as mw
from maskwright.cli import main
from maskwright.errors import BadInput
from maskwright.inference import generation
from maskwright.inference.encoder import Encoder
from maskwright.inference.generation import Sampling
from tests.checkpoints import made_up

PROMPT = "the cat sat on a"


@pytest.fixture(scope="module", params=["gpt2", "openai-gpt"])
def gpt(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("gpt") / "model"
    made_up.folder(folder, ("lm",), 3, request.param, max_position_embeddings=30)
    return folder


def beginning(encoder: Encoder, text: str = PROMPT) -> list[int]:
    """What ends a document, and the text."""
    tokenizer = encoder.tokenizer
    assert tokenizer.sep_id is not None
    return [tokenizer.sep_id, *tokenizer.encode_sentences([text]).token_ids.tolist()]


def test_the_likeliest_tokens_are_those_of_transformers(gpt: Path) -> None:
    encoder, theirs = mw.load(gpt), transformers.AutoModelForCausalLM.from_pretrained(gpt).eval()
    ids = torch.tensor([beginning(encoder)])
    ends = encoder.tokenizer.sep_id
    given = {"attention_mask": torch.ones_like(ids), "eos_token_id": ends, "pad_token_id": 0}
    wanted = theirs.generate(ids, max_new_tokens=15, do_sample=False, **given)[0, ids.shape[1] :].tolist()
    (found,) = encoder.generate(PROMPT, max_tokens=15, temperature=0)
    names = [encoder.tokenizer.id_to_token(i) for i in wanted]
    assert found.tokens == (names[:-1] if found.ended else names)
    assert found.text.startswith(PROMPT)


def test_what_was_written_is_as_likely_as_scoring_says_and_as_transformers_says(gpt: Path) -> None:
    encoder, theirs = mw.load(gpt), transformers.AutoModelForCausalLM.from_pretrained(gpt).eval()
    (scored,) = encoder.score(PROMPT)
    ids = torch.tensor([beginning(encoder)])
    with torch.no_grad():
        loss = float(theirs(input_ids=ids, labels=ids).loss)
    assert scored.total == pytest.approx(-loss * (ids.shape[1] - 1), rel=1e-5)
    assert len(scored.tokens) == ids.shape[1] - 1
    written = encoder.generate(PROMPT, max_tokens=8, samples=3, seed=5)
    for one in written:
        more = [encoder.tokenizer.vocabulary.ids[token] for token in one.tokens]
        row = torch.tensor([[*ids[0].tolist(), *more]])
        with torch.no_grad():
            shares = torch.log_softmax(theirs(input_ids=row).logits.double(), -1)[0, ids.shape[1] - 1 : -1]
        wanted = shares.gather(1, torch.tensor(more)[:, None])[:, 0]
        assert np.abs(np.array(one.log_probability) - wanted.numpy()).max(initial=0) < 1e-4


def test_texts_are_scored_together_as_alone(gpt: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = mw.load(gpt)
    texts = [PROMPT, "", "paris", "the river is long and blue", "", "a"]
    alone = [encoder.score(text)[0] for text in texts]
    for tokens in (1024, 9, 1):
        monkeypatch.setattr(generation, "SCORED_TOKENS", tokens)
        together = encoder.score(texts)
        assert [one.tokens for one in together] == [one.tokens for one in alone]
        for one, other in zip(together, alone, strict=True):
            assert one.log_probability == pytest.approx(other.log_probability, abs=1e-5)
    assert [len(one.tokens) == 0 for one in alone] == [text == "" for text in texts] and encoder.score([]) == []


def test_the_same_seed_writes_the_same_and_samples_differ(gpt: Path) -> None:
    encoder = mw.load(gpt)
    first = encoder.generate(PROMPT, samples=4, max_tokens=10, seed=1)
    assert first == encoder.generate(PROMPT, samples=4, max_tokens=10, seed=1)
    assert len({one.text for one in first}) > 1 and first != encoder.generate(PROMPT, samples=4, max_tokens=10, seed=2)


@pytest.mark.parametrize(("temperature", "top_p"), [(1.0, 1.0), (0.7, 0.9), (1.5, 0.4), (1.0, 0.01)])
def test_tokens_are_drawn_as_often_as_transformers_shares_say(temperature: float, top_p: float) -> None:
    scores = torch.randn(1, 30, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 2
    warped = transformers.TemperatureLogitsWarper(temperature)(None, scores)
    wanted = torch.softmax(transformers.TopPLogitsWarper(top_p)(None, warped), -1)[0]
    n = 20_000
    chances = (torch.arange(n, dtype=torch.float64) + 0.5) / n  # evenly spread: shares without noise
    drawn = Sampling(temperature, top_p).choose(scores.expand(n, -1), chances)
    assert (torch.bincount(drawn, minlength=30) / n - wanted).abs().max() < 2 / n


def test_positions_are_a_limit(gpt: Path) -> None:
    encoder = mw.load(gpt)
    length = len(beginning(encoder))
    for one in encoder.generate(PROMPT, max_tokens=500, samples=3):
        assert len(one.tokens) == 30 - length or one.ended
    with pytest.raises(BadInput, match="leaves no room among the model's 30 positions"):
        encoder.generate(PROMPT * 5)
    with pytest.raises(BadInput, match="the model 30 positions: shorten it"):
        encoder.score(PROMPT * 8)


@pytest.mark.parametrize("kind", ["bert", "roberta", "xlm"])
def test_a_masked_model_guesses_one_mask_after_another(tmp_path: Path, kind: str) -> None:
    made_up.folder(tmp_path / "model", ("mlm",), 0, kind)
    encoder = mw.load(tmp_path / "model")
    mask = encoder.tokenizer.id_to_token(encoder.tokenizer.mask_id or 0)
    text = PROMPT
    written = encoder.generate(PROMPT, max_tokens=4, temperature=0)[0]
    for token in written.tokens:
        (guesses,) = encoder.fill(f"{text} {mask}" if kind == "bert" else text + mask, top=1)
        if kind != "bert":  # their tokens say by themselves whether a space is before them
            assert guesses[0].token == token
            text = encoder.tokenizer.decode(
                [*encoder.tokenizer.encode_sentences([text]).token_ids.tolist(), guesses[0].id]
            )
        else:
            assert guesses[0].token == token
            text = text + token.removeprefix("##") if token.startswith("##") else f"{text} {token}"
    with pytest.raises(BadInput, match="does not read from left to right"):
        encoder.score(PROMPT)


def test_candidates_are_weighed_by_the_whole_text(gpt: Path, capsys: pytest.CaptureFixture[str]) -> None:
    encoder = mw.load(gpt)
    words = ["cat", "river", "long"]
    totals = np.array([one.total for one in encoder.score([f"the {word} sat" for word in words])])
    shares = np.exp(totals) / np.exp(totals).sum()
    ranked = encoder.rank("the [MASK] sat", words)
    assert [word for word, _ in ranked] == [words[i] for i in np.argsort(-shares)]
    assert dict(ranked) == pytest.approx(dict(zip(words, shares, strict=True)), rel=1e-9)
    assert main(["fill", str(gpt), "the [MASK] sat", "--candidates", "cat, river,long", "--top", "2", "--json"]) == 0
    (told,) = json.loads(capsys.readouterr().out)
    assert [(one["token"], one["probability"]) for one in told["masks"][0]] == [
        (w, pytest.approx(s)) for w, s in ranked[:2]
    ]
    with pytest.raises(BadInput, match="reads from left to right, so it fills no blank"):
        encoder.fill("the [MASK] sat")
    with pytest.raises(BadInput, match="has 2 blanks: write"):
        encoder.rank("[MASK] [MASK]", words)


def test_generate_as_one_calls_it(gpt: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["generate", str(gpt), PROMPT, "--max-tokens", "5", "--samples", "2"]) == 0
    shown = capsys.readouterr().out
    assert shown.count(PROMPT) == 2 and "nats each" in shown
    assert main(["generate", str(gpt), PROMPT, "--max-tokens", "5", "--top-p", "1", "--json"]) == 0
    (told,) = json.loads(capsys.readouterr().out)
    assert told["tokens"] == mw.load(gpt).generate(PROMPT, max_tokens=5)[0].tokens
    for option, value in [("--top-p", "0"), ("--temperature", "-1"), ("--max-tokens", "0"), ("--samples", "0")]:
        assert main(["generate", str(gpt), PROMPT, option, value]) == 2
        assert capsys.readouterr().err.count("\n") == 1
