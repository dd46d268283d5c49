"""Model folders: stock transformers loads ours, we load stock ones, and neither loses a bit."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from maskwright.checkpoints.folder import read_folder, write_folder
from maskwright.checkpoints.published import publish
from maskwright.draws import generator
from maskwright.errors import BadInput
from maskwright.training.pretraining import Pretraining
from tests.checkpoints import made_up
from tests.models.networks import network
from tests.parity import draw_batch

NONE: dict[str, Any] = {"missing_keys": set(), "unexpected_keys": set(), "mismatched_keys": set(), "error_msgs": []}
POOLER = {"bert.pooler.dense.weight", "bert.pooler.dense.bias"}
NSP = {"cls.seq_relationship.weight", "cls.seq_relationship.bias"}


def again(path: Path) -> Pretraining:
    """What a reader of the folder gets."""
    found = read_folder(path)
    model = network(found.config, tuple(found.heads), seed=99)
    found.fill(model.weight_names(), model)
    return model


def loaded(cls: Any, path: Path) -> tuple[Any, dict[str, Any]]:
    return cls.from_pretrained(path, output_loading_info=True, attn_implementation="eager")


def test_stock_transformers_finds_everything(tmp_path: Path) -> None:
    model = made_up.folder(tmp_path / "model")
    theirs, report = loaded(transformers.AutoModelForPreTraining, tmp_path / "model")
    assert report == NONE and type(theirs).__name__ == "BertForPreTraining"
    # These classes have no place for some parts of BertForPreTraining; of what they have, nothing is missing.
    masked, report = loaded(transformers.AutoModelForMaskedLM, tmp_path / "model")
    assert report == {**NONE, "unexpected_keys": POOLER | NSP}
    _, report = loaded(transformers.AutoModel, tmp_path / "model")
    assert not report["missing_keys"] and all(name.startswith("cls.") for name in report["unexpected_keys"])

    batch = draw_batch(generator(0, "folder"), [9], model.encoder.config.vocab_size)
    with torch.no_grad():
        last = model.encoder(batch)
        for other in (theirs, masked):
            out = other(batch.token_ids[None], token_type_ids=batch.token_type_ids[None])
            logits = out.prediction_logits if other is theirs else out.logits
            ours = model.heads["mlm"].scores(last, model.encoder.token_table)
            assert (logits[0] - ours).abs().max() < 1e-5


@pytest.mark.parametrize(
    ("heads", "architecture", "cls"),
    [
        (("mlm",), "BertForMaskedLM", transformers.AutoModelForMaskedLM),
        (("nsp",), "BertForNextSentencePrediction", transformers.AutoModelForNextSentencePrediction),
        ((), "BertModel", transformers.AutoModel),
    ],
)
def test_fewer_heads_are_another_class(tmp_path: Path, heads: tuple[str, ...], architecture: str, cls: Any) -> None:
    made_up.folder(tmp_path / "model", heads)
    assert json.loads((tmp_path / "model/config.json").read_text())["architectures"] == [architecture]
    theirs, report = loaded(cls, tmp_path / "model")
    assert report == NONE and type(theirs).__name__ == architecture


def test_the_tokenizer_is_a_stock_one_with_the_same_ids(tmp_path: Path) -> None:
    made_up.folder(tmp_path / "model")
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path / "model")
    ours = made_up.tokenizer()
    for text in ("The capital of France, is Paris?", "中国人 sat", "", "a [MASK] is blue", "zebras Été"):
        assert theirs(text)["input_ids"] == ours.encode_pair(text).ids.tolist()
    assert theirs("the cat", "a mat")["token_type_ids"] == ours.encode_pair("the cat", "a mat").type_ids.tolist()


@pytest.mark.parametrize("heads", [("mlm", "nsp"), ("mlm",), ("nsp",), ()], ids=str)
def test_what_is_written_is_read_back_bit_for_bit(tmp_path: Path, heads: tuple[str, ...]) -> None:
    model = made_up.folder(tmp_path / "model", heads)
    found = read_folder(tmp_path / "model")
    assert found.heads == list(heads) and found.config == model.encoder.config
    assert found.has_pooler == (heads != ("mlm",))
    for (name, ours), (_, theirs) in zip(model.named_parameters(), again(tmp_path / "model").named_parameters()):
        if found.has_pooler or "pooler" not in name:
            assert torch.equal(ours, theirs), name
        else:
            assert not theirs.any()


@pytest.mark.parametrize("act", ["gelu", "gelu_tanh", "gelu_new", "relu"])
def test_the_activation_survives(tmp_path: Path, act: str) -> None:
    made_up.folder(tmp_path / "model", hidden_act=act)
    back = read_folder(tmp_path / "model").config.hidden_act
    assert back == {"gelu_new": "gelu_tanh"}.get(act, act)
    assert transformers.AutoConfig.from_pretrained(tmp_path / "model").hidden_act == back.replace("tanh", "new")


def test_every_weight_has_its_published_names() -> None:
    model = network(made_up.config())
    parameters = dict(model.named_parameters())
    names = model.weight_names()
    assert {name.ours for name in names} == parameters.keys()
    published = publish(names, parameters)
    for name in names:
        assert torch.equal(torch.cat([published.pop(there) for there in name.published]), parameters[name.ours])
    assert not published


def test_a_model_card_tells_the_facts_as_text(tmp_path: Path) -> None:
    made_up.folder(tmp_path / "my [x](y) *model*")
    card = (tmp_path / "my [x](y) *model*/README.md").read_text()
    assert card.startswith("---\nlibrary_name: transformers\npipeline_tag: fill-mask\n")
    assert "| steps | 10 |" in card and "| tokens | 1,234,567 |" in card and "| languages | en, zh |" in card
    assert "# my \\[x\\](y) \\*model\\*" in card and "AutoModelForPreTraining" in card


def test_a_folder_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    model = made_up.folder(tmp_path / "model")
    before = {path.name: path.read_bytes() for path in (tmp_path / "model").iterdir()}
    arguments: dict[str, Any] = {
        "names": model.weight_names(),
        "parameters": dict(model.named_parameters()),
        "config": model.encoder.config,
        "tokenizer": made_up.tokenizer(),
    }
    with pytest.raises(BadInput, match="exists already"):
        write_folder(tmp_path / "model", **arguments)
    with pytest.raises(BadInput, match="the tokenizer has 181 tokens, the network 81: not a pair"):
        write_folder(tmp_path / "other", **{**arguments, "tokenizer": made_up.tokenizer(extra=100)})
    with pytest.raises(KeyError):
        write_folder(tmp_path / "model", **{**arguments, "parameters": {}}, replace=True)
    assert {path.name: path.read_bytes() for path in (tmp_path / "model").iterdir()} == before
    write_folder(tmp_path / "model", **arguments, replace=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model"]


# --- stock folders ---------------------------------------------------------------------------------


def stock(path: Path, cls: Any = transformers.BertForPreTraining, **options: Any) -> Any:
    """A folder that transformers itself wrote, with our tokenizer's files."""
    torch.manual_seed(0)
    theirs = cls(transformers.BertConfig(**made_up.config().model_dump()))
    theirs.save_pretrained(path, **options)
    made_up.tokenizer().save(path)
    return theirs


@pytest.mark.parametrize("cls", ["BertForPreTraining", "BertForMaskedLM", "BertForNextSentencePrediction", "BertModel"])
def test_stock_folders_of_every_class_are_read(tmp_path: Path, cls: str) -> None:
    theirs = stock(tmp_path / "stock", getattr(transformers, cls)).eval()
    ours = again(tmp_path / "stock")
    batch = draw_batch(generator(1, "stock"), [11], ours.encoder.config.vocab_size)
    with torch.no_grad():
        expected = theirs.base_model(batch.token_ids[None], token_type_ids=batch.token_type_ids[None])
        assert (ours.encoder(batch) - expected.last_hidden_state[0]).abs().max() < 1e-5


@pytest.mark.parametrize(
    "cls", ["BertForSequenceClassification", "BertForTokenClassification", "BertForQuestionAnswering"]
)
def test_the_encoder_of_a_fine_tuned_model_is_read(tmp_path: Path, cls: str) -> None:
    theirs = stock(tmp_path / "stock", getattr(transformers, cls))
    assert torch.equal(
        again(tmp_path / "stock").encoder.token_table, theirs.base_model.embeddings.word_embeddings.weight
    )


def test_every_spelling_is_the_same_model(tmp_path: Path) -> None:
    """gamma and beta, no prefix, position_ids, and a decoder that repeats the table."""
    made_up.folder(tmp_path / "model")
    expected = dict(again(tmp_path / "model").named_parameters())

    def respell(tensors: dict[str, torch.Tensor]) -> None:
        for name in list(tensors):
            new = name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta")
            tensors[new.removeprefix("bert.")] = tensors.pop(name)
        tensors["embeddings.position_ids"] = torch.arange(64)[None]
        tensors["cls.predictions.decoder.weight"] = tensors["embeddings.word_embeddings.weight"].clone()
        tensors["cls.predictions.decoder.bias"] = tensors["cls.predictions.bias"].clone()

    made_up.change_tensors(tmp_path / "model", respell)
    for name, parameter in again(tmp_path / "model").named_parameters():
        assert torch.equal(parameter, expected[name])

    def half(tensors: dict[str, torch.Tensor]) -> None:
        del tensors["cls.predictions.bias"]  # its other name is enough

    made_up.change_tensors(tmp_path / "model", half)
    assert torch.equal(dict(again(tmp_path / "model").named_parameters())["heads.mlm.bias"], expected["heads.mlm.bias"])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64], ids=str)
def test_other_types_of_numbers_become_float32(tmp_path: Path, dtype: torch.dtype) -> None:
    model = made_up.folder(tmp_path / "model")
    made_up.change_tensors(tmp_path / "model", lambda t: t.update({k: v.to(dtype) for k, v in t.items()}))
    for (name, ours), (_, theirs) in zip(model.named_parameters(), again(tmp_path / "model").named_parameters()):
        assert theirs.dtype == torch.float32 and torch.equal(theirs, ours.to(dtype).float()), name


def test_shards_are_read(tmp_path: Path) -> None:
    theirs = stock(tmp_path / "stock", max_shard_size="10KB")
    assert len(list((tmp_path / "stock").glob("*.safetensors"))) > 2
    assert torch.equal(again(tmp_path / "stock").encoder.token_table, theirs.bert.embeddings.word_embeddings.weight)


def test_files_reached_by_links_are_read(tmp_path: Path) -> None:
    """As the cache of a model hub lays them out."""
    made_up.folder(tmp_path / "blobs")
    (tmp_path / "snapshot").mkdir()
    for path in (tmp_path / "blobs").iterdir():
        (tmp_path / "snapshot" / path.name).symlink_to(path)
    assert read_folder(tmp_path / "snapshot").heads == ["mlm", "nsp"]


def test_reading_takes_little_more_memory_than_the_model(tmp_path: Path) -> None:
    """At most twice the file and 64 MB, for float32 and for half the bytes of it."""
    made_up.folder(tmp_path / "model", hidden_size=1024, num_attention_heads=16, intermediate_size=4096)
    script = """
import sys, resource, torch
from pathlib import Path
from maskwright.inference.encoder_loading import load
def peak():
    return int(next(l for l in open("/proc/self/status") if l.startswith("VmHWM")).split()[1]) * 1024
load(sys.argv[2])
before = peak()
load(sys.argv[1])
print(peak() - before)
"""
    made_up.folder(tmp_path / "tiny")
    for dtype in (torch.float32, torch.float16):
        made_up.change_tensors(tmp_path / "model", lambda t: t.update({k: v.to(dtype) for k, v in t.items()}))  # noqa: B023
        size = (tmp_path / "model/model.safetensors").stat().st_size
        assert size > 40e6
        done = subprocess.run(
            [sys.executable, "-c", script, str(tmp_path / "model"), str(tmp_path / "tiny")],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        assert int(done.stdout) <= 2 * size + 64 * 2**20
