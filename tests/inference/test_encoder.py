"""What a user calls on a finished model, beside stock transformers on the same folder."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers

import maskwright as mw
from maskwright.errors import BadInput
from maskwright.inference.encoder import TOKEN_BUDGET, Candidate, Encoder
from maskwright.tokenizers.words import Words
from tests.checkpoints import made_up

TEXTS = [
    "Paris is the capital of France.",
    "",
    "the cat sat on a mat " * 3,
    "中国人",
    "?",
    "A long and blue river, and a long and blue river; and so on, unknown ☃ included.",
    ("the cat", "sat on the mat"),
    "x " * 50,
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("inference") / "model"
    made_up.folder(path)
    return path


@pytest.fixture(scope="module")
def encoder(folder: Path) -> Encoder:
    return mw.load(folder)


@pytest.fixture(scope="module")
def stock(folder: Path) -> tuple[Any, Any]:
    kind = transformers.AutoModelForPreTraining
    return kind.from_pretrained(folder, attn_implementation="eager").eval(), transformers.AutoTokenizer.from_pretrained(
        folder
    )


def stock_outputs(stock: tuple[Any, Any], text: str | tuple[str, str]) -> tuple[Any, list[str], torch.Tensor]:
    """Everything transformers says of one text: outputs, tokens, logits."""
    model, tokenizer = stock
    inputs = tokenizer(*([text] if isinstance(text, str) else text), return_tensors="pt")
    with torch.no_grad():
        out = model.bert(**inputs, output_hidden_states=True, output_attentions=True)
        logits = model(**inputs).prediction_logits[0]
    return out, tokenizer.convert_ids_to_tokens(inputs["input_ids"][0]), logits


def test_tokens_are_those_of_the_stock_tokenizer(encoder: Encoder, stock: tuple[Any, Any]) -> None:
    for text in TEXTS:
        assert encoder.tokenize(text) == stock_outputs(stock, text)[1]
    assert encoder.tokenize("") == ["[CLS]", "[SEP]"]


def test_vectors_are_those_of_the_stock_model(encoder: Encoder, stock: tuple[Any, Any]) -> None:
    found = {pooling: encoder.encode(TEXTS, pooling=pooling) for pooling in ("mean", "cls", "pooler")}
    layers = {layer: encoder.token_vectors(TEXTS, layer) for layer in (0, 1, 2, -1, -3)}
    for i, text in enumerate(TEXTS):
        out = stock_outputs(stock, text)[0]
        assert np.abs(found["mean"][i] - out.last_hidden_state[0].mean(0).numpy()).max() < 1e-5
        assert np.abs(found["cls"][i] - out.last_hidden_state[0, 0].numpy()).max() < 1e-5
        assert np.abs(found["pooler"][i] - out.pooler_output[0].numpy()).max() < 1e-5
        for layer, vectors in layers.items():
            expected = out.hidden_states[layer][0].numpy()
            assert vectors[i].shape == expected.shape and np.abs(vectors[i] - expected).max() < 1e-5
        weights = encoder.attention(text)
        assert weights.dtype == np.float32
        assert np.abs(weights - torch.stack(out.attentions)[:, 0].numpy()).max() < 1e-6
    for vectors in found.values():
        assert vectors.dtype == np.float32 and vectors.shape == (len(TEXTS), encoder.config.hidden_size)


def test_guesses_are_those_of_the_stock_model(encoder: Encoder, stock: tuple[Any, Any]) -> None:
    texts = ["Paris is the [MASK] of France.", "[MASK] cat [MASK][MASK]", "a [MASK]"]
    for text in texts:
        _, tokens, logits = stock_outputs(stock, text)
        shares = logits.softmax(-1)
        masks = [i for i, token in enumerate(tokens) if token == "[MASK]"]
        guesses = encoder.fill(text, top=7)
        assert len(guesses) == len(masks) == text.count("[MASK]")
        for place, candidates in zip(masks, guesses):
            best = shares[place].topk(7)
            assert [c.id for c in candidates] == best.indices.tolist()
            assert [c.probability for c in candidates] == pytest.approx(best.values.tolist(), abs=1e-6)
            assert [c.token for c in candidates] == stock[1].convert_ids_to_tokens(best.indices)
    everything = encoder.fill(texts[0], top=encoder.config.vocab_size)[0]
    assert sum(c.probability for c in everything) == pytest.approx(1, abs=1e-5)
    for together, alone in zip(encoder.fill_many(texts, top=2), [encoder.fill(text, top=2) for text in texts]):
        assert [[c.id for c in mask] for mask in together] == [[c.id for c in mask] for mask in alone]
    assert encoder.fill_many([]) == [] and isinstance(everything[0], Candidate)
    assert len(encoder.fill(("a [MASK]", "the [MASK] cat"))) == 2


def test_normalised_vectors_have_length_one(encoder: Encoder) -> None:
    plain, unit = encoder.encode(TEXTS), encoder.encode(TEXTS, normalize=True)
    assert np.linalg.norm(unit, axis=1) == pytest.approx(np.ones(len(TEXTS)), abs=1e-6)
    assert np.abs(unit - plain / np.linalg.norm(plain, axis=1, keepdims=True)).max() < 1e-6


def test_order_and_company_change_nothing(encoder: Encoder) -> None:
    """More texts than one batch holds, in any order; each as if it were alone."""
    texts = [" ".join(["cat", "river", "blue", "x"][i % 4] for i in range(n % 60)) for n in range(300)]
    assert sum(len(encoder.tokenize(text)) for text in texts) > 2 * TOKEN_BUDGET
    together = encoder.encode(texts)
    order = np.random.default_rng(0).permutation(len(texts))
    assert np.abs(encoder.encode([texts[i] for i in order]) - together[order]).max() < 1e-5
    for i in range(0, len(texts), 17):
        assert np.abs(encoder.encode([texts[i]])[0] - together[i]).max() < 1e-5
        assert np.abs(encoder.token_vectors([texts[i]])[0].mean(0) - together[i]).max() < 1e-5


def test_nothing_and_almost_nothing(encoder: Encoder) -> None:
    assert encoder.encode([]).shape == (0, encoder.config.hidden_size)
    assert encoder.token_vectors([]) == []
    assert encoder.encode([""]).shape == (1, encoder.config.hidden_size)
    assert [v.shape for v in encoder.token_vectors(["", "a"])] == [(2, 16), (3, 16)]
    assert encoder.attention("").shape == (2, 2, 2, 2)
    assert encoder.tokenize(("", "")) == ["[CLS]", "[SEP]", "[SEP]"]  # the stock tokenizer forgets an empty second text
    assert np.array_equal(encoder.encode("one text"), encoder.encode(["one text"]))


def test_the_same_call_gives_the_same_bits_and_touches_nothing_global(folder: Path) -> None:
    torch.manual_seed(5)
    before = (
        torch.get_rng_state().tolist(),
        torch.get_num_threads(),
        torch.get_default_dtype(),
        torch.is_grad_enabled(),
        torch.are_deterministic_algorithms_enabled(),
        torch.get_default_device(),
        np.random.get_state()[1].tolist(),  # noqa: NPY002
    )
    first, second = mw.load(folder), mw.load(folder)
    assert np.array_equal(first.encode(TEXTS), second.encode(TEXTS))
    assert np.array_equal(first.encode(TEXTS), first.encode(TEXTS))
    first.fill("a [MASK]")
    first.attention("a b c")
    assert before == (
        torch.get_rng_state().tolist(),
        torch.get_num_threads(),
        torch.get_default_dtype(),
        torch.is_grad_enabled(),
        torch.are_deterministic_algorithms_enabled(),
        torch.get_default_device(),
        np.random.get_state()[1].tolist(),  # noqa: NPY002
    )
    assert not first.model.training


def test_half_precision_is_near(folder: Path, encoder: Encoder) -> None:
    half = mw.load(folder, dtype="bfloat16")
    ours, expected = half.encode(TEXTS, normalize=True), encoder.encode(TEXTS, normalize=True)
    assert ours.dtype == np.float32 and (ours * expected).sum(1).min() > 0.999
    assert half.attention("the cat").dtype == np.float32
    assert half.token_vectors(["a"])[0].dtype == np.float32
    assert 0 < half.fill("a [MASK]")[0][0].probability <= 1


def test_long_texts_are_refused_or_cut(encoder: Encoder) -> None:
    long = "cat " * 100
    for call in (encoder.encode, encoder.token_vectors, encoder.fill_many):
        with pytest.raises(BadInput, match=r"text 1 has 102 tokens with \[CLS\] and \[SEP\], the limit is 64"):
            call(["a [MASK]", long])  # type: ignore[operator]
    for one in (encoder.tokenize, encoder.attention, encoder.fill):
        with pytest.raises(BadInput, match="102 tokens .* the limit is 64"):
            one(long)
    assert len(encoder.tokenize(long, truncate=True)) == 64
    assert np.array_equal(encoder.encode([long], truncate=True), encoder.encode(["cat " * 62]))
    with pytest.raises(BadInput, match=r"no \[MASK\] in the part that is kept"):
        encoder.fill(long + "[MASK]", truncate=True)
    assert len(encoder.encode(["cat " * 62])) == 1, "62 tokens and two are the 64 it can take"


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda e: e.fill("no mask here"), r"no \[MASK\] in 'no mask here': write \[MASK\]"),
        (lambda e: e.fill(""), r"no \[MASK\] in ''"),
        (lambda e: e.fill("a [MASK]", top=0), "top 0: choose 1 to 81"),
        (lambda e: e.fill("a [MASK]", top=82), "top 82: choose 1 to 81"),
        (lambda e: e.encode(["a"], pooling="max"), "pooling 'max': there are mean, cls, pooler"),
        (lambda e: e.token_vectors(["a"], layer=3), r"layer 3: choose 0 \(embeddings\) to 2"),
        (lambda e: e.token_vectors(["a"], layer=-4), "layer -4: choose"),
        (lambda e: e.encode(["a", 5]), "text 1 is 5: a text or a pair of texts was expected"),
        (lambda e: e.encode([("a", "b", "c")]), r"text 0 is \('a', 'b', 'c'\)"),
        (lambda e: e.encode([None]), "text 0 is None"),
    ],
)
def test_what_cannot_be_answered_is_one_line(encoder: Encoder, call: Any, words: str) -> None:
    with pytest.raises(BadInput, match=words) as caught:
        call(encoder)
    assert "\n" not in str(caught.value)


def test_models_without_a_part_say_so(tmp_path: Path) -> None:
    made_up.folder(tmp_path / "masked", ("mlm",))
    masked = mw.load(tmp_path / "masked")
    assert masked.fill("a [MASK]") and masked.encode(["a"]).shape == (1, 16)
    with pytest.raises(BadInput, match="masked has no pooler: take mean or cls"):
        masked.encode(["a"], pooling="pooler")
    made_up.folder(tmp_path / "bare", ())
    bare = mw.load(tmp_path / "bare")
    assert bare.encode(["a"], pooling="pooler").shape == (1, 16)
    with pytest.raises(BadInput, match="bare has no head for masked tokens"):
        bare.fill("a [MASK]")


def test_a_network_of_one_segment_takes_no_pairs(tmp_path: Path) -> None:
    made_up.folder(tmp_path / "one", type_vocab_size=1)
    encoder = mw.load(tmp_path / "one")
    assert encoder.encode(["a"]).shape == (1, 16)
    with pytest.raises(BadInput, match="a pair has 2 segments, .*one knows 1"):
        encoder.encode([("a", "b")])


def test_a_vocabulary_larger_or_smaller_than_the_table(tmp_path: Path) -> None:
    made_up.folder(tmp_path / "model")
    made_up.tokenizer(extra=3).save(tmp_path / "model")
    with pytest.raises(BadInput, match="the tokenizer has 84 tokens, the network 81: they do not belong together"):
        mw.load(tmp_path / "model")
    fewer = made_up.WordPiece(made_up.tokenizer().tokens[:-3])
    fewer.save(tmp_path / "model")
    tokens = {c.token for c in mw.load(tmp_path / "model").fill("a [MASK]", top=81)[0]}
    assert {"[unused row 78]", "[unused row 80]", "the"} <= tokens


def test_wrong_options_of_load(folder: Path) -> None:
    with pytest.raises(BadInput, match="dtype 'int4': there are float32, bfloat16"):
        mw.load(folder, dtype="int4")  # type: ignore[arg-type]
    with pytest.raises(BadInput, match="device 'nowhere' is not here"):
        mw.load(folder, device="nowhere")
    with pytest.raises(BadInput, match="is no model folder"):
        mw.load(folder / "nowhere")


def test_importing_maskwright_imports_nothing_heavy() -> None:
    code = "import sys, maskwright as mw; assert callable(mw.load); print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=dict(os.environ)
    )
    loaded = set(done.stdout.split())
    assert not loaded & {"torch", "numpy", "pydantic", "tokenizers", "safetensors", "pyarrow"}


def test_nothing_in_a_folder_is_run_and_nothing_outside_is_opened(folder: Path) -> None:
    """What the interpreter itself reports: no pickle, no process, no connection, no code, no stranger's file."""
    script = """
import sys
import maskwright as mw
mw.load(sys.argv[1]).encode(["warm"])  # everything imported
seen = []
def hook(event, arguments):
    if event in ("pickle.find_class", "exec", "compile", "subprocess.Popen", "os.system", "socket.connect", "import"):
        seen.append((event, str(arguments)[:200]))
    ours = (sys.argv[1], "/proc", "/sys")
    if event == "open" and isinstance(arguments[0], str) and not arguments[0].startswith(ours):
        seen.append((event, arguments[0]))
sys.addaudithook(hook)
encoder = mw.load(sys.argv[1])
encoder.encode(["a text", ("a", "pair")])
encoder.fill("a [MASK]")
print(seen)
"""
    done = subprocess.run([sys.executable, "-c", script, str(folder)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("claims", "words"),
    [
        ({"vocab_size": 10_000_000, "hidden_size": 65_536}, "word_embeddings.weight has the shape"),
        ({"num_hidden_layers": 1_024, "hidden_size": 65_536}, "is missing and"),
    ],
)
def test_what_a_config_claims_is_not_allocated(tmp_path: Path, claims: dict[str, int], words: str) -> None:
    """Terabytes, by the config; the tensors that are there have kilobytes."""
    made_up.folder(tmp_path / "model")
    made_up.change_config(tmp_path / "model", **claims)
    with pytest.raises(BadInput, match=words):
        mw.load(tmp_path / "model")


def test_a_tokenizer_of_another_kind_encodes_and_says_when_it_has_no_mask(encoder: Encoder) -> None:
    words = Encoder(encoder.model, Words(["<unk>", "the", "cat"]), where="it")
    assert words.tokenize("the cat") == ["the", "cat"] and words.encode(["the cat"]).shape[0] == 1
    for pooling in ("mean", "cls"):  # nothing stands around a text, so that one may have no token at all
        assert np.isfinite(words.encode(["", "cat"], pooling)).all() and not words.encode([""], pooling).any()
    with pytest.raises(BadInput, match="it has a tokenizer of words without"):
        words.fill("the [MASK]")
