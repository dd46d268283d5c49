"""Models in, from every form, and out again: the same bits, a certificate, and nothing written for what is not one."""

import argparse
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
from transformers import RobertaConfig, RobertaForMaskedLM

import maskwright as mw
from maskwright.cli import main
from maskwright.errors import BadInput
from maskwright.inference.exporting import export_model
from maskwright.inference.importing import CERTIFICATE, import_model
from maskwright.lab.certificate import compare
from maskwright.tokenizers.byte_bpe import ByteBPE
from tests.checkpoints import made_up
from tests.checkpoints.test_fairseq import ARGS, fairseq_state

NETWORKS: list[tuple[str, tuple[str, ...], dict[str, Any]]] = [
    ("bert", ("mlm", "nsp"), {}),
    ("bert", ("mlm",), {}),
    ("bert", (), {}),
    ("roberta", ("mlm",), {}),
    ("albert", ("mlm", "sop"), {}),
    ("albert", ("mlm",), {"shared": "attention"}),
    ("xlm", ("mlm",), {"n_langs": 2}),
]


def weights(path: Path) -> bytes:
    return (path / "model.safetensors").read_bytes()


def as_pickle(path: Path, *, legacy: bool = False) -> None:
    """Turn a folder of ours into one as people had them before safetensors, with what is tied in it twice."""
    tensors = load_file(path / "model.safetensors")
    if "bert.embeddings.word_embeddings.weight" in tensors and "cls.predictions.bias" in tensors:
        tensors["cls.predictions.decoder.weight"] = tensors["bert.embeddings.word_embeddings.weight"]
    torch.save(tensors, path / "pytorch_model.bin", _use_new_zipfile_serialization=not legacy)
    (path / "model.safetensors").unlink()


@pytest.mark.parametrize(("kind", "heads", "changes"), NETWORKS, ids=str)
@pytest.mark.parametrize("form", ["safetensors", "pickle"])
def test_in_and_out_again_bit_for_bit(
    tmp_path: Path, kind: str, heads: tuple[str, ...], changes: dict[str, Any], form: str
) -> None:
    source = tmp_path / "source"
    made_up.folder(source, heads, 0, kind, **changes)
    wanted = weights(source)
    if form == "pickle":
        as_pickle(source)
    certificate = import_model(source, tmp_path / "in", compare=compare)
    assert weights(tmp_path / "in") == wanted
    assert certificate == json.loads((tmp_path / "in" / CERTIFICATE).read_text())
    assert certificate["heads"] == list(heads) and certificate["reference"]["name"].startswith("transformers")
    assert max(certificate["reference"]["differences"].values()) < 1e-5
    accounted = {t["from"] for t in certificate["tensors"]} | certificate["left_out"].keys()
    assert form == "pickle" or set(load_file(source / "model.safetensors")) == accounted
    assert export_model(tmp_path / "in", tmp_path / "out") == tmp_path / "out"
    assert weights(tmp_path / "out") == wanted
    text = "the cat sat on a mat"
    assert (
        mw.load(tmp_path / "in").encode(text, pooling="cls") == mw.load(tmp_path / "out").encode(text, pooling="cls")
    ).all()


def test_older_spellings_and_other_tasks_heads(tmp_path: Path) -> None:
    """gamma and beta, a classifier on top, a legacy file: as google-research's first ports were saved."""
    source = tmp_path / "source"
    made_up.folder(source)
    wanted = weights(source)
    tensors = load_file(source / "model.safetensors")
    old = {
        name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): tensor
        for name, tensor in tensors.items()
    }
    old |= {"classifier.weight": torch.zeros(2, 16), "bert.embeddings.position_ids": torch.arange(64)}
    save_file(old, source / "model.safetensors", {"format": "pt"})
    as_pickle(source, legacy=True)
    certificate = import_model(source, tmp_path / "in", compare=compare)
    assert weights(tmp_path / "in") == wanted
    assert {"classifier.weight", "bert.embeddings.position_ids"} <= certificate["left_out"].keys()
    taken = {t["from"]: t["to"] for t in certificate["tensors"]}
    assert taken["bert.embeddings.LayerNorm.gamma"] == "bert.embeddings.LayerNorm.weight"


@pytest.mark.parametrize("kind", ["albert", "roberta"])
def test_what_transformers_saves_itself(tmp_path: Path, kind: str) -> None:
    """Stock networks, saved by stock save_pretrained in shards."""
    torch.manual_seed(0)
    tokenizer = made_up.tokenizer_for(kind)
    shape = {
        "vocab_size": tokenizer.vocab_size, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2,
        "intermediate_size": 48, "max_position_embeddings": 70, "pad_token_id": tokenizer.pad_id,
    }  # fmt: skip
    model: Any = {
        "albert": lambda: transformers.AlbertForMaskedLM(transformers.AlbertConfig(**shape, embedding_size=16)),
        "roberta": lambda: transformers.RobertaForMaskedLM(transformers.RobertaConfig(**shape)),
    }[kind]()
    model.save_pretrained(tmp_path / "source", max_shard_size="20KB")
    assert (tmp_path / "source" / "model.safetensors.index.json").is_file()
    tokenizer.save(tmp_path / "tokenizer")
    certificate = import_model(tmp_path / "source", tmp_path / "in", tokenizer=tmp_path / "tokenizer", compare=compare)
    assert max(certificate["reference"]["differences"].values()) < 1e-5


def fairseq_folder(path: Path) -> RobertaForMaskedLM:
    """As roberta.base was published: model.pt, and a dict.txt whose words are numbers in GPT-2's encoder.json."""
    tokenizer = made_up.tokenizer_for("roberta")
    assert isinstance(tokenizer, ByteBPE)
    files = tokenizer.files()
    pieces = [token for token in tokenizer.tokens if token not in tokenizer.vocabulary.special]
    numbers = {piece: 7 + 3 * place for place, piece in enumerate(pieces)}
    path.mkdir()
    (path / "encoder.json").write_text(json.dumps(numbers), encoding="utf-8")
    merges = json.loads(files["tokenizer.json"])["model"]["merges"]
    lines = [" ".join(merge) if isinstance(merge, list) else merge for merge in merges]
    (path / "vocab.bpe").write_text("#version: 0.2\n" + "\n".join(lines) + "\n", encoding="utf-8")
    words = [*(str(numbers[piece]) for piece in reversed(pieces)), "madeupword0000"]
    (path / "dict.txt").write_text("".join(f"{word} 5\n" for word in words), encoding="utf-8")
    return fairseq_checkpoint(path, vocab_size=len(words) + 5)


def fairseq_checkpoint(path: Path, vocab_size: int) -> RobertaForMaskedLM:
    """model.pt of a small network, and the network."""
    torch.manual_seed(0)
    shape = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 32}
    config = RobertaConfig(
        **shape, vocab_size=vocab_size, max_position_embeddings=42, type_vocab_size=1, layer_norm_eps=1e-5
    )
    network = RobertaForMaskedLM(config).eval()
    torch.nn.init.zeros_(network.roberta.embeddings.token_type_embeddings.weight)
    args = argparse.Namespace(**{**ARGS, "max_positions": 40})
    torch.save({"args": args, "model": fairseq_state(network)}, path / "model.pt")
    return network


def test_roberta_as_fairseq_published_it(tmp_path: Path) -> None:
    """Text goes through GPT-2's pieces and the dictionary's order of them to the same numbers."""
    theirs = fairseq_folder(tmp_path / "roberta.base")
    certificate = import_model(tmp_path / "roberta.base", tmp_path / "in", compare=compare)
    assert certificate["left_out"].keys() == {"classification_heads.mnli.dense.weight"}
    encoder = mw.load(tmp_path / "in")
    tokens = encoder.tokenize("the cat sat")
    assert tokens == list(made_up.tokenizer_for("roberta").encode_pair("the cat sat").tokens)
    ids = torch.tensor([[encoder.tokenizer.vocabulary.ids[token] for token in tokens]])
    with torch.no_grad():
        last = theirs.roberta(ids).last_hidden_state[0].numpy()
    assert np.abs(encoder.token_vectors("the cat sat", truncate=True)[0] - last).max() < 1e-5
    (tmp_path / "roberta.base" / "vocab.bpe").unlink()
    with pytest.raises(BadInput, match="put encoder.json and vocab.bpe of GPT-2 beside it"):
        import_model(tmp_path / "roberta.base", tmp_path / "no")
    assert not (tmp_path / "no").exists()


def xlm_roberta_vocabulary(path: Path) -> list[str]:
    """sentencepiece.bpe.model, by SentencePiece's own trainer; its pieces behind the first three."""
    sentencepiece = pytest.importorskip("sentencepiece")
    model = path / "sentencepiece.bpe.model"
    text = [" ".join(made_up.WORDS), "the cat sat on a mat", "Paris is the capital of France."] * 20
    with model.open("wb") as file:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(text), model_writer=file, vocab_size=60, hard_vocab_limit=False, minloglevel=2
        )
    processor = sentencepiece.SentencePieceProcessor(model_file=str(model))
    return [processor.id_to_piece(place) for place in range(3, processor.get_piece_size())]


def test_xlm_roberta_with_the_vocabulary_it_was_published_with(tmp_path: Path) -> None:
    source = tmp_path / "xlm-roberta-base"
    source.mkdir()
    pieces = xlm_roberta_vocabulary(source)
    shape = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 48}
    transformers.XLMRobertaForMaskedLM(
        transformers.XLMRobertaConfig(**shape, vocab_size=len(pieces) + 5, max_position_embeddings=70, pad_token_id=1)
    ).save_pretrained(source)
    certificate = import_model(source, tmp_path / "in", compare=compare)
    assert certificate["network"] == "XLM-RoBERTa" and max(certificate["reference"]["differences"].values()) < 1e-5
    stock = transformers.AutoTokenizer.from_pretrained(tmp_path / "in")
    assert stock.convert_ids_to_tokens(range(len(stock))) == ["<s>", "<pad>", "</s>", "<unk>", *pieces, "<mask>"]


def test_xlm_roberta_as_fairseq_published_it(tmp_path: Path) -> None:
    source = tmp_path / "xlmr.base"
    source.mkdir()
    pieces = xlm_roberta_vocabulary(source)
    (source / "dict.txt").write_text("".join(f"{piece} 5\n" for piece in pieces), encoding="utf-8")
    theirs = fairseq_checkpoint(source, vocab_size=len(pieces) + 5)
    import_model(source, tmp_path / "in", compare=compare)
    encoder = mw.load(tmp_path / "in")
    tokens = encoder.tokenize("the cat sat")
    assert tokens[0] == "<s>" and tokens[-1] == "</s>" and "".join(tokens[1:-1]) == "▁the▁cat▁sat"
    ids = torch.tensor([[["<s>", "<pad>", "</s>", "<unk>", *pieces].index(token) for token in tokens]])
    with torch.no_grad():
        last = theirs.roberta(ids).last_hidden_state[0].numpy()
    assert np.abs(encoder.token_vectors("the cat sat", truncate=True)[0] - last).max() < 1e-5
    lines = (source / "dict.txt").read_text(encoding="utf-8").splitlines(keepends=True)
    (source / "dict.txt").write_text("".join(reversed(lines)), encoding="utf-8")
    with pytest.raises(BadInput, match="pieces that are not the .* of .*dict.txt, in order"):
        import_model(source, tmp_path / "no")


def test_a_google_checkpoint_there_and_back(tmp_path: Path) -> None:
    made_up.folder(tmp_path / "ours")
    export_model(tmp_path / "ours", tmp_path / "google", "tf1")
    assert {path.name for path in (tmp_path / "google").iterdir()} >= {"bert_config.json", "vocab.txt", "checkpoint"}
    for number, source in enumerate([tmp_path / "google", tmp_path / "google" / "bert_model.ckpt"]):
        certificate = import_model(source, tmp_path / f"back{number}", compare=compare)
        assert weights(tmp_path / f"back{number}") == weights(tmp_path / "ours")
        assert certificate["source"].startswith("TensorFlow 1")
    made_up.folder(tmp_path / "albert", ("mlm", "sop"), 0, "albert")
    with pytest.raises(BadInput, match="this is albert with unigram"):
        export_model(tmp_path / "albert", tmp_path / "no", "tf1")
    assert not (tmp_path / "no").exists()


@pytest.mark.parametrize(("pooling", "normalize"), [("mean", False), ("mean", True), ("cls", False)])
def test_sentence_transformers_form(tmp_path: Path, pooling: Any, normalize: bool) -> None:
    """The files as sentence-transformers writes them; and stock transformers with that pooling says what we say."""
    made_up.folder(tmp_path / "ours")
    out = export_model(
        tmp_path / "ours", tmp_path / "st", "sentence-transformers", pooling=pooling, normalize=normalize
    )
    modules = json.loads((out / "modules.json").read_text())
    assert [module["path"] for module in modules] == ["", "1_Pooling", *(["2_Normalize"] if normalize else [])]
    pooled = json.loads((out / "1_Pooling" / "config.json").read_text())
    assert [key for key, value in pooled.items() if key.startswith("pooling_mode") and value] == [
        {"mean": "pooling_mode_mean_tokens", "cls": "pooling_mode_cls_token"}[pooling]
    ]
    stock = transformers.AutoModel.from_pretrained(out).eval()
    assert type(stock).__name__ == "BertModel"
    tokenizer = transformers.AutoTokenizer.from_pretrained(out)
    text = "the cat sat on a mat"
    with torch.no_grad():
        last = stock(**tokenizer(text, return_tensors="pt")).last_hidden_state[0]
    vector = last.mean(0) if pooling == "mean" else last[0]
    vector = vector / vector.norm() if normalize else vector
    assert np.abs(mw.load(out).encode(text, pooling=pooling, normalize=normalize)[0] - vector.numpy()).max() < 1e-5


def test_a_model_that_computes_something_else_is_refused(tmp_path: Path) -> None:
    """The reference is asked for what a config.json does not say: here it is made to differ."""
    made_up.folder(tmp_path / "source")

    def other(*given: Any) -> dict[str, Any] | None:
        found = compare(*given)
        assert found is not None
        return {**found, "differences": {**found["differences"], "hidden states": 3e-3}}

    with pytest.raises(BadInput, match="hidden states differ by 0.003"):
        import_model(tmp_path / "source", tmp_path / "in", compare=other)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["source"]


def test_the_comparison_notices(tmp_path: Path) -> None:
    made_up.folder(tmp_path / "a", seed=0)
    made_up.folder(tmp_path / "b", seed=0)
    made_up.change_tensors(tmp_path / "b", lambda t: t["bert.encoder.layer.1.output.dense.bias"][:1].add_(1e-2))
    shape = mw.load(tmp_path / "a").config
    same, other = (compare(tmp_path / "a", tmp_path / name, shape, "BertForPreTraining") for name in ("a", "b"))
    assert same is not None and other is not None
    assert max(same["differences"].values()) < 1e-5 < 1e-4 < other["differences"]["hidden states"]


def spoil(path: Path, how: str) -> None:
    match how:
        case "a tensor is missing":
            made_up.change_tensors(path, lambda t: t.pop("bert.encoder.layer.0.output.dense.bias"))
        case "a tensor is left over":
            made_up.change_tensors(
                path, lambda t: t.update({"bert.encoder.layer.7.output.dense.bias": torch.zeros(16)})
            )
        case "another network's":
            made_up.change_config(path, model_type="roberta")
        case "values are not finite":
            made_up.change_tensors(path, lambda t: t["cls.predictions.bias"].fill_(float("nan")))
        case "no tokenizer":
            for file in path.glob("*oken*"):
                file.unlink()
            (path / "vocab.txt").unlink()
        case "nothing known":
            (path / "config.json").unlink()
        case "code of its own":
            made_up.change_config(path, auto_map={"AutoModel": "evil.Model"})
        case _:
            raise AssertionError(how)


@pytest.mark.parametrize(
    ("how", "named"),
    [
        ("a tensor is missing", "encoder.layer.0.output.dense.bias"),
        ("a tensor is left over", "layer.7.output.dense.bias"),
        ("another network's", "these are the tensors of a BERT"),
        ("values are not finite", "cls.predictions.bias"),
        ("no tokenizer", "has no tokenizer"),
        ("nothing known", "no model that is known here"),
        ("code of its own", "auto_map"),
    ],
)
def test_what_is_no_model_is_said_in_one_line_and_leaves_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], how: str, named: str
) -> None:
    made_up.folder(tmp_path / "source")
    spoil(tmp_path / "source", how)
    assert main(["import", str(tmp_path / "source"), "--out", str(tmp_path / "in")]) == 2
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("maskwright: error")]
    assert len(errors) == 1 and named in errors[0]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["source"]


def test_what_is_there_stays(tmp_path: Path) -> None:
    made_up.folder(tmp_path / "source")
    (tmp_path / "in").mkdir()
    for do in (import_model, export_model):
        with pytest.raises(BadInput, match="exists already"):
            do(tmp_path / "source", tmp_path / "in")
    assert not list((tmp_path / "in").iterdir())


def test_command_lines(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made_up.folder(tmp_path / "source")
    shutil.copytree(tmp_path / "source", tmp_path / "pickle")
    as_pickle(tmp_path / "pickle")
    assert main(["import", str(tmp_path / "pickle"), "--out", str(tmp_path / "a" / "in")]) == 0
    out = capsys.readouterr().out
    assert "Hugging Face folder, pickle" in out and "hidden states differ by at most" in out and "1 left out" in out
    assert main(["export", str(tmp_path / "a" / "in"), "--out", str(tmp_path / "b"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["form"] == "hf"
    assert weights(tmp_path / "b") == weights(tmp_path / "source")
