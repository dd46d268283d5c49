"""A finished ELMo: vectors, scores, what it refuses; its folder, allennlp's files, and folders that are not right."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file

import maskwright as mw
from maskwright.checkpoints.elmo_folder import write_elmo
from maskwright.cli import main
from maskwright.errors import BadInput
from maskwright.inference.elmo import ElmoEncoder
from maskwright.tokenizers.tokenizer import Tokenizer
from maskwright.tokenizers.wordpiece import WordPiece
from maskwright.tokenizers.words import Words
from maskwright.training.both_ways_lm import BothWaysLM, both_ways_lm
from tests.checkpoints.elmo_files import OPTIONS, changed, write
from tests.models import plain_elmo
from tests.models.elmo_batches import config, of_words

WORDS = Words(["<unk>", "it", "is", "a", "truth", "man", "."])


def folder_of(path: Path, tokenizer: Tokenizer = WORDS) -> BothWaysLM:
    model = both_ways_lm(config(vocab_size=tokenizer.vocab_size + 1))
    model.initialise(0)
    torch.manual_seed(1)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    parameters = dict(model.named_parameters())
    write_elmo(path, config=model.encoder.config, parameters=parameters, tokenizer=tokenizer, facts={"steps": 3})
    return model


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("elmo") / "model"
    folder_of(path)
    return path


@pytest.fixture(scope="module")
def encoder(folder: Path) -> ElmoEncoder:
    loaded = mw.load(folder)
    assert isinstance(loaded, ElmoEncoder)
    return loaded


def test_words_are_read_by_their_characters_and_shown_as_they_are(encoder: ElmoEncoder) -> None:
    assert encoder.tokenize("It is a Zyzzyva.") == ["<S>", "it", "is", "a", "zyzzyva", ".", "</S>"]
    assert encoder.tokenize(("a man", "is")) == ["<S>", "a", "man", "</S>", "<S>", "is", "</S>"]
    assert encoder.tokenize("") == ["<S>", "</S>"]
    zyzzyva, other = (encoder.token_vectors(f"a {word}", layer=0)[0][2] for word in ("zyzzyva", "xylophone"))
    assert np.abs(zyzzyva - other).max() > 1e-3


def test_vectors_are_the_networks(encoder: ElmoEncoder) -> None:
    """Of texts of several lengths at once, in the order of the texts; alone they are the same to the last bits."""
    texts = ["it is a truth .", "", "a man", ("a man", "it is"), "truth"]
    states = encoder.model.encoder.hidden_states(of_words(["it is a truth .".split()], marks=True))
    for layer in (0, 1, 2, -1, -3):
        vectors = encoder.token_vectors(texts, layer=layer)
        assert [len(rows) for rows in vectors] == [7, 2, 4, 8, 3]
        np.testing.assert_allclose(vectors[0], states[layer], atol=1e-6)
        np.testing.assert_allclose(vectors[3][:4], vectors[2], atol=1e-6)
    mixed = torch.stack(states).mean(0)
    np.testing.assert_allclose(encoder.token_vectors(texts, layer=None)[0], mixed, atol=1e-6)
    means = encoder.encode(texts)
    np.testing.assert_allclose(means[0], mixed[1:-1].mean(0), atol=1e-6)
    assert means.dtype == np.float32 and means.shape == (5, 10) and not means[1].any()
    np.testing.assert_allclose(encoder.encode("a man", layer=2)[0], encoder.token_vectors("a man")[0][1:-1].mean(0))
    np.testing.assert_allclose(np.linalg.norm(encoder.encode(["a man"], normalize=True)), 1, rtol=1e-6)
    assert encoder.encode([]).shape == (0, 10) and encoder.token_vectors([]) == []


def test_the_same_call_gives_the_same_bits(encoder: ElmoEncoder) -> None:
    first = encoder.encode(["a man", "it is"])
    encoder.encode(["something else altogether"])
    assert np.array_equal(encoder.encode(["a man", "it is"]), first)


def test_scores_are_the_full_softmax_of_both_directions(encoder: ElmoEncoder) -> None:
    scores, other = encoder.score(["it is zyzzyva .", "it"])
    assert encoder.score("it")[0].total == pytest.approx(other.total, rel=1e-5)
    assert scores.tokens == ["<S>", "it", "is", "zyzzyva", ".", "</S>"]
    ids = [8, 1, 2, 0, 6, 9]
    softmax, last = encoder.model.softmax, encoder.token_vectors("it is zyzzyva .")[0]
    assert softmax is not None
    likely = [
        torch.log_softmax(F.linear(torch.from_numpy(side), softmax.table, softmax.bias), -1).numpy()
        for side in np.split(last, 2, -1)
    ]
    for at in range(6):
        if at:
            np.testing.assert_allclose(scores.forward[at], likely[0][at - 1, ids[at]], atol=1e-5)
        if at < 5:
            np.testing.assert_allclose(scores.backward[at], likely[1][at + 1, ids[at]], atol=1e-5)
    assert np.isnan(scores.forward[0]) and np.isnan(scores.backward[-1])
    assert scores.total == pytest.approx(float(np.nansum(scores.forward) + np.nansum(scores.backward)) / 2, rel=1e-6)


def test_candidates_are_ranked_by_the_whole_text(encoder: ElmoEncoder) -> None:
    ranked = encoder.rank("it is a [MASK] .", ["truth", "man", "zyzzyva"])
    totals = {word: encoder.score(f"it is a {word} .")[0].total for word, _ in ranked}
    powers = {word: float(np.exp(total)) for word, total in totals.items()}
    assert [word for word, _ in ranked] == sorted(totals, key=lambda word: -totals[word])
    for word, share in ranked:
        assert share == pytest.approx(powers[word] / sum(powers.values()), rel=1e-5)


def test_what_it_has_no_answer_to_is_said_in_a_line(encoder: ElmoEncoder) -> None:
    asked: list[tuple[Any, str]] = [
        (lambda: encoder.fill("a <unk> man"), "an ELMo: each of its models sees one side"),
        (lambda: encoder.rank("no blank", ["a"]), "has 0 blanks"),
        (lambda: encoder.generate("a man"), "let a GPT write on"),
        (lambda: encoder.score([("a", "b")]), "is a pair"),  # type: ignore[list-item]
        (lambda: encoder.attention("a man"), "no attention"),
        (lambda: encoder.in_language("en"), "told none"),
        (lambda: encoder.encode(["a"], pooling="cls"), "take mean"),
        (lambda: encoder.token_vectors("a", layer=3), r"choose 0 \(words\) to 2"),
        (lambda: encoder.encode([3]), "text 0 is 3"),  # type: ignore[list-item]
    ]
    for ask, words in asked:
        with pytest.raises(BadInput, match=words) as caught:
            ask()
        assert "\n" not in str(caught.value)


def test_bfloat16_and_half_a_surrogate(folder: Path, encoder: ElmoEncoder) -> None:
    narrow = mw.load(folder, dtype="bfloat16").encode(["a man"])
    np.testing.assert_allclose(narrow, encoder.encode(["a man"]), atol=0.05)
    assert len(encoder.token_vectors("a \ud800 man")[0]) == 4


def test_any_kind_of_tokenizer_will_do(tmp_path: Path) -> None:
    """Pieces of words are words here; special tokens of the kind stand nowhere."""
    pieces = WordPiece(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "zyz", "##zyva", "a"])
    folder_of(tmp_path / "model", pieces)
    encoder = mw.load(tmp_path / "model")
    assert encoder.tokenize("a Zyzzyva 词") == ["<S>", "a", "zyz", "##zyva", "词", "</S>"]
    assert isinstance(encoder, ElmoEncoder) and np.isfinite(encoder.score("a 词")[0].forward[1:]).all()


def broken(folder: Path, to: Path, what: str) -> str:
    """A copy of the folder with something wrong, and the words that name it."""
    shutil.copytree(folder, to)
    settings = json.loads((to / "config.json").read_text())
    tensors = load_file(to / "model.safetensors")
    name = "encoder.forward_layers.0.recurrent"
    match what:
        case "missing":
            del tensors[name]
        case "surplus":
            tensors["encoder.more"] = torch.zeros(2)
        case "shape":
            tensors[name] = tensors[name][:-1].clone()
        case "integers":
            tensors[name] = tensors[name].long()
        case "nan":
            tensors[name] = tensors[name] * torch.nan
        case "key":
            settings["auto_map"] = {"AutoModel": "evil.Evil"}
        case "claim":
            settings["cell_size"] = 65_536
        case "vocabulary":
            settings["vocab_size"] = 3
        case _:
            settings["filters"] = "all"
    (to / "config.json").write_text(json.dumps(settings))
    save_file(tensors, to / "model.safetensors")
    return {
        "missing": f"the tensor {name} is missing", "surplus": "encoder.more has no place", "nan": "infinity or NaN",
        "shape": f"{name} has the shape 27 x 5, config.json asks for 28 x 5", "integers": f"{name} is I64",
        "key": "unknown key auto_map", "claim": "config.json asks for", "filters": "filters",
        "vocabulary": "the tokenizer has 7 tokens, the network 3",
    }[what]  # fmt: skip


WRONG = ["missing", "surplus", "shape", "integers", "nan", "key", "claim", "vocabulary", "filters"]


@pytest.mark.parametrize("what", WRONG)
def test_folders_that_are_not_right_are_one_line(tmp_path: Path, folder: Path, what: str) -> None:
    words = broken(folder, tmp_path / "model", what)
    with pytest.raises(BadInput, match=words) as caught:
        mw.load(tmp_path / "model")
    assert "\n" not in str(caught.value)


def test_a_folder_without_weights(tmp_path: Path, folder: Path) -> None:
    shutil.copytree(folder, tmp_path / "model")
    (tmp_path / "model" / "model.safetensors").unlink()
    with pytest.raises(BadInput, match=r"model.safetensors is missing"):
        mw.load(tmp_path / "model")


def test_the_card_and_the_settings(folder: Path) -> None:
    card = (folder / "README.md").read_text()
    assert "An ELMo" in card and "1802.05365" in card and "| steps | 3 |" in card
    assert json.loads((folder / "config.json").read_text())["model_type"] == "elmo"


def test_allennlps_files_become_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Through the command line; its vectors are those of the equations, its tokenizer keeps capitals."""
    pytest.importorskip("h5py")
    arrays = {name: part.astype("float32").astype("float64") for name, part in plain_elmo.drawn(OPTIONS).items()}
    write(tmp_path / "there", arrays=arrays)
    assert main(["import", str(tmp_path / "there"), "--out", str(tmp_path / "model"), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["network"] == "ELMo" and told["parameters"] == sum(part.size for part in arrays.values())
    assert told["left_out"] == {} and len(told["files"]) == 2
    encoder = mw.load(tmp_path / "model")
    assert isinstance(encoder, ElmoEncoder)
    assert encoder.tokenize("The Zyzzyva's") == ["<S>", "The", "Zyzzyva", "'", "s", "</S>"]
    batch = of_words([["The", "Zyzzyva", "'", "s"]], marks=True, width=20)
    assert batch.char_ids is not None
    words = np.stack([plain_elmo.word_vector(arrays, OPTIONS, row) for row in (batch.char_ids - 1).tolist()])
    for layer, wanted in enumerate(plain_elmo.layers(arrays, OPTIONS, words)):
        np.testing.assert_allclose(encoder.token_vectors("The Zyzzyva's", layer=layer)[0], wanted, atol=1e-6)
    with pytest.raises(BadInput, match="has no softmax"):
        encoder.score("The")
    assert main(["import", str(tmp_path / "there"), "--out", str(tmp_path / "model")]) == 2
    assert "exists already" in capsys.readouterr().err
    assert main(["params", str(tmp_path / "model"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["everything"] == told["parameters"]


def test_files_that_are_refused_leave_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("h5py")
    write(tmp_path / "there", changed(lstm={"dim": 8}))
    assert main(["import", str(tmp_path / "there"), "--out", str(tmp_path / "model")]) == 2
    err = capsys.readouterr().err
    assert "do not belong together" in err and err.count("\n") <= 2 and not (tmp_path / "model").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["there"]
