"""Folders of every network: stock transformers loads ours, we load stock ones, and neither loses a bit."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from safetensors.torch import load_file
from torch import nn

from maskwright.batch import flat_batch
from maskwright.checkpoints.config_file import read_config
from maskwright.checkpoints.folder import ModelFolder, read_folder, write_folder
from maskwright.draws import generator
from maskwright.errors import BadInput
from maskwright.layers.weight_names import weight_and_bias
from maskwright.models import module_of, published
from maskwright.tokenizers.loading import load_tokenizer
from maskwright.training.pretraining import Pretraining
from tests.checkpoints import made_up
from tests.models.networks import network
from tests.parity import draw_batch, padded

NONE: dict[str, Any] = {"missing_keys": set(), "unexpected_keys": set(), "mismatched_keys": set(), "error_msgs": []}
NETWORKS: list[tuple[str, tuple[str, ...], dict[str, Any]]] = [
    ("roberta", ("mlm",), {}),
    ("roberta", (), {"type_vocab_size": 2}),
    ("xlm-roberta", ("mlm",), {}),
    ("xlm-roberta", (), {}),
    ("albert", ("mlm", "sop"), {"num_hidden_layers": 4, "num_hidden_groups": 2, "inner_group_num": 2}),
    ("albert", ("mlm", "sop"), {"shared": "attention"}),
    ("albert", ("mlm",), {"shared": "feed_forward", "inner_group_num": 2}),
    ("albert", (), {"shared": "none", "hidden_act": "relu"}),
    ("xlm", ("mlm",), {"languages": ("en", "zh", "中文")}),
    ("xlm", ("mlm",), {"n_langs": 1, "hidden_act": "relu"}),
    ("xlm", (), {"sinusoidal_embeddings": True, "use_lang_emb": False}),
    ("openai-gpt", ("lm",), {}),
    ("gpt2", ("lm",), {"n_inner": 20}),
    ("xlnet", ("plm",), {"mem_len": 5, "reuse_len": 3, "clamp_len": 4}),
    ("xlnet", ("plm",), {"untie_r": False, "ff_activation": "gelu_tanh", "first_target": "google"}),
    ("xlnet", (), {"ff_activation": "relu"}),
]
every = pytest.mark.parametrize(("kind", "heads", "changes"), NETWORKS, ids=str)


def read(path: Path) -> tuple[ModelFolder, Pretraining]:
    """What a reader of the folder gets."""
    found = read_folder(path)
    model = network(found.config, tuple(found.heads), seed=99)
    found.fill(model.weight_names(), model)
    return found, model


def assert_same_outputs(model: Pretraining, theirs: Any) -> None:
    config = model.encoder.config
    languages = config.n_langs if getattr(config, "knows_languages", False) else 0
    segments = getattr(config, "type_vocab_size", 0)
    padding = getattr(config, "pad_token_id", 0)
    batch = draw_batch(
        generator(0, "folder"), [9, 5], config.vocab_size, segments, padding=padding, languages=languages
    )
    inputs = padded(batch, padding)
    del inputs["labels"]
    with torch.no_grad():
        last = model.encoder(batch)
        out = theirs.eval()(**inputs, output_hidden_states=True)
        assert (last[:9] - out.hidden_states[-1][0, :9]).abs().max() < 1e-5
        for name in {"mlm", "lm", "plm"}.intersection(model.heads):
            logits = out.prediction_logits if "prediction_logits" in out else out.logits
            ours = model.heads[name].scores(last, model.encoder.token_table)
            assert (ours[9:] - logits[1, :5]).abs().max() < 1e-5


@every
def test_stock_transformers_finds_everything_and_computes_the_same(
    tmp_path: Path, kind: str, heads: tuple[str, ...], changes: dict[str, Any]
) -> None:
    model = made_up.folder(tmp_path / "model", heads, 0, kind, **changes)
    (architecture,) = json.loads((tmp_path / "model/config.json").read_text())["architectures"]
    auto = transformers.AutoModelForCausalLM if heads in (("lm",), ("plm",)) else transformers.AutoModelForMaskedLM
    for cls in (transformers.AutoModel if not heads else auto, None):
        if cls is not None and len(heads) > 1:
            continue  # that class has no place for the second head
        theirs, report = (cls or getattr(transformers, architecture)).from_pretrained(
            tmp_path / "model",
            output_loading_info=True,
            attn_implementation="eager" if kind not in ("xlm", "xlnet") else None,
        )
        assert report == NONE and type(theirs).__name__ == architecture == published(kind).classes[heads]
        assert_same_outputs(model, theirs)
    card = (tmp_path / "model/README.md").read_text()
    assert published(kind).name in card and published(kind).paper in card and f"- {kind}\n" in card


@every
def test_what_is_written_is_read_back_bit_for_bit(
    tmp_path: Path, kind: str, heads: tuple[str, ...], changes: dict[str, Any]
) -> None:
    model = made_up.folder(tmp_path / "model", heads, 0, kind, **changes)
    found, again = read(tmp_path / "model")
    assert found.config == model.encoder.config and found.heads == list(heads)
    theirs = dict(again.named_parameters())
    assert theirs.keys() == dict(model.named_parameters()).keys()
    for name, ours in model.named_parameters():
        if found.has_pooler or "pooler" not in name:
            assert torch.equal(ours, theirs[name]), name
    write_folder(
        tmp_path / "again",
        names=(again if heads else again.encoder).weight_names(),
        parameters=dict((again if heads else again.encoder).named_parameters()),
        config=found.config,
        tokenizer=made_up.tokenizer_for(kind),
    )
    for file in ("config.json", "model.safetensors"):
        assert (tmp_path / "model" / file).read_bytes() == (tmp_path / "again" / file).read_bytes()


@pytest.mark.parametrize("prefix", [True, False], ids=["prefix", "bare"])
@pytest.mark.parametrize(
    "cls",
    [
        *("RobertaForMaskedLM", "RobertaModel", "RobertaForSequenceClassification", "RobertaForTokenClassification"),
        *("XLMRobertaForMaskedLM", "AlbertForPreTraining", "AlbertForMaskedLM", "AlbertModel"),
        *("AlbertForQuestionAnswering", "XLMWithLMHeadModel", "XLMModel", "XLMForSequenceClassification"),
        *("XLNetLMHeadModel", "XLNetModel", "XLNetForSequenceClassification", "XLNetForQuestionAnswering"),
    ],
)
def test_stock_folders_of_every_class_are_read(tmp_path: Path, cls: str, prefix: bool) -> None:
    kind = next(
        k for k in ("xlm-roberta", "roberta", "albert", "xlnet", "xlm") if cls.lower().startswith(k.replace("-", ""))
    )
    shape = transformers.AutoConfig.for_model(**module_of(kind).config_json(made_up.config(kind)))
    torch.manual_seed(0)
    theirs = getattr(transformers, cls)(shape)
    for parameter in theirs.parameters():
        nn.init.normal_(parameter, std=0.3)
    theirs.save_pretrained(tmp_path / "stock")
    beginning = published(kind).prefix
    if not prefix:
        made_up.change_tensors(
            tmp_path / "stock", lambda t: [t.update({n.removeprefix(beginning): t.pop(n)}) for n in list(t)]
        )
    found, ours = read(tmp_path / "stock")
    assert found.config.model_type == kind
    assert_same_outputs(ours, theirs if found.heads or cls.endswith("Model") else theirs.base_model)


def test_old_spellings_and_copies_of_tied_weights(tmp_path: Path) -> None:
    for kind, decoder, bias in (
        ("roberta", "lm_head.decoder.weight", "lm_head.bias"),
        ("albert", "predictions.decoder.weight", "predictions.bias"),
        ("xlm", "pred_layer.proj.weight", None),
        ("xlnet", "lm_loss.weight", None),
    ):
        path = tmp_path / kind
        expected = dict(made_up.folder(path, ("plm" if kind == "xlnet" else "mlm",), 0, kind).named_parameters())
        table = published(kind).tied[decoder]

        def respell(tensors: dict[str, torch.Tensor]) -> None:
            tensors[decoder] = tensors[table].clone()  # noqa: B023
            if bias:  # noqa: B023
                tensors[bias.replace("bias", "decoder.bias")] = tensors[bias].clone()  # noqa: B023
            for name in list(tensors):
                if "ayer_norm" in name or "LayerNorm" in name:
                    new = (
                        name.replace(".weight", ".gamma") if name.endswith("weight") else name.replace(".bias", ".beta")
                    )
                    tensors[new] = tensors.pop(name)

        made_up.change_tensors(path, respell)
        for name, parameter in read(path)[1].named_parameters():
            assert "pooler" in name or torch.equal(parameter, expected[name]), name
        made_up.change_tensors(path, lambda t: t.update({decoder: t[decoder] + 1}))  # noqa: B023
        with pytest.raises(BadInput, match=f"a decoder of its own is not {published(kind).name}'s"):
            read(path)


@pytest.mark.parametrize(
    ("is_there", "said", "words"),
    [
        ("roberta", "bert", 'the tensors of a RoBERTa, and config.json says model_type "bert"'),
        ("albert", "bert", 'the tensors of an ALBERT, and config.json says model_type "bert"'),
        ("bert", "albert", 'the tensors of a BERT, and config.json says model_type "albert"'),
        ("bert", "xlm-roberta", 'the tensors of a BERT, and config.json says model_type "xlm-roberta"'),
        ("xlm", "roberta", 'the tensors of an XLM, and config.json says model_type "roberta"'),
    ],
)
@pytest.mark.parametrize("prefix", [True, False], ids=["prefix", "bare"])
def test_another_network_is_called_by_its_name(
    tmp_path: Path, is_there: str, said: str, words: str, prefix: bool
) -> None:
    made_up.folder(tmp_path / "model", ("mlm",), 0, is_there)
    made_up.change_config(tmp_path / "model", model_type=said, hidden_act="gelu", layer_norm_eps=1e-5)
    if not prefix:
        beginning = published(is_there).prefix
        made_up.change_tensors(
            tmp_path / "model", lambda t: [t.update({n.removeprefix(beginning): t.pop(n)}) for n in list(t)]
        )
    with pytest.raises(BadInput) as caught:
        read_folder(tmp_path / "model")
    assert words in str(caught.value) and "\n" not in str(caught.value)


def test_what_should_be_shared_and_is_not_is_refused(tmp_path: Path) -> None:
    made_up.folder(tmp_path / "model", ("mlm",), 0, "albert", shared="attention")
    name = "albert.encoder.albert_layer_groups.1.albert_layers.0.attention.key.weight"
    made_up.change_tensors(tmp_path / "model", lambda t: t.update({name: t[name] + 1e-3}))
    with pytest.raises(BadInput, match=f"{name} differs from the layers it should share"):
        read(tmp_path / "model")
    made_up.change_config(tmp_path / "model", maskwright_shared=None)  # for transformers they are layers of their own
    assert read(tmp_path / "model")[0].config.num_hidden_groups == 2
    made_up.change_config(tmp_path / "model", maskwright_shared="half")
    with pytest.raises(BadInput, match='maskwright_shared is "half": there are all, attention'):
        read(tmp_path / "model")


@pytest.mark.parametrize(
    ("kind", "changes", "words"),
    [
        ("xlm", {"causal": True}, "causal is true: only false is XLM's"),
        ("xlm", {"asm": True}, "asm is true"),
        ("xlm", {"emb_dim": 1.5}, "emb_dim is 1.5: a whole number up to 65,536"),
        ("xlm", {"gelu_activation": "yes"}, 'gelu_activation is "yes"'),
        ("xlm", {"sinusoidal_embeddings": 1}, "sinusoidal_embeddings is 1: true or false"),
        ("xlm", {"lang2id": {"en": 0, "zh": 2}}, "languages are numbered from 0 on"),
        ("xlm", {"lang2id": ["en"]}, "lang2id is"),
        ("xlm", {"lang2id": {"en": 0}}, "languages are 1 names, n_langs is 3"),
        ("albert", {"embedding_size": 0}, "embedding_size"),
        ("albert", {"num_hidden_groups": 3}, "num_hidden_groups 3 is more than num_hidden_layers 2"),
        ("albert", {"inner_group_num": 17}, "inner_group_num is 17: a whole number up to 16"),
        ("albert", {"tie_word_embeddings": False}, "only a decoder that is the token table is read"),
        ("roberta", {"position_embedding_type": "relative_key"}, 'only "absolute" is RoBERTa\'s'),
        ("roberta", {"pad_token_id": 63}, "leaves no position for a token"),
        ("roberta", {"is_decoder": True}, "is_decoder is true: only false is RoBERTa's"),
        ("xlnet", {"attn_type": "uni"}, 'attn_type is "uni": there are bi'),
        ("xlnet", {"clamp_len": -2}, "clamp_len is -2: a whole number up to"),
        ("xlnet", {"untie_r": "yes"}, 'untie_r is "yes": true or false'),
        ("xlnet", {"mem_len": 2**40}, "mem_len is 1099511627776: a whole number up to 1,048,576"),
        ("xlnet", {"d_model": 15}, "d_model 15 is not even"),
        ("xlnet", {"ff_activation": "swish"}, 'ff_activation is "swish": there are gelu'),
        ("roberta", {"auto_map": {"AutoModel": "evil.py--Evil"}}, "code of its own"),
    ],
    ids=str,
)
def test_a_config_of_something_else(tmp_path: Path, kind: str, changes: dict[str, Any], words: str) -> None:
    made_up.folder(tmp_path / "model", ("plm" if kind == "xlnet" else "mlm",), 0, kind)
    made_up.change_config(tmp_path / "model", **changes)
    with pytest.raises(BadInput) as caught:
        read_folder(tmp_path / "model")
    assert words in str(caught.value) and "config.json" in str(caught.value) and "\n" not in str(caught.value)


def test_what_a_config_leaves_out_is_what_transformers_takes(tmp_path: Path) -> None:
    for kind in ("bert", "roberta", "xlm-roberta", "albert", "xlm", "xlnet"):
        (tmp_path / kind).mkdir()
        (tmp_path / kind / "config.json").write_text(json.dumps({"model_type": kind}))
        ours = module_of(kind).config_json(read_config(tmp_path / kind / "config.json").network)
        theirs = transformers.AutoConfig.for_model(kind).to_dict()
        # an encoder's answers depend on no memory; published files say null, and ours is none
        passed_over = ("embed_init_std", "position_embedding_type", "untie_r", "mem_len")
        for key, value in ours.items():
            if key not in passed_over:
                assert theirs[key] == value, (kind, key)


class Extra(nn.Linear):
    """A head whose names nobody else knows."""

    weight_names = weight_and_bias("", "span_boundary").copy()


@pytest.mark.parametrize("kind", ["bert", "roberta", "albert"])
def test_a_head_that_no_class_has_is_left_out(tmp_path: Path, kind: str) -> None:
    shape = made_up.config(kind)
    model = Pretraining(network(shape, ()).encoder, {**network(shape, ("mlm",)).heads, "sbo": Extra(2, 2)})
    arguments: dict[str, Any] = {"config": shape, "tokenizer": made_up.tokenizer_for(kind)}
    write_folder(tmp_path / "model", names=model.weight_names(), parameters=dict(model.named_parameters()), **arguments)
    assert not any("span" in name for name in load_file(tmp_path / "model/model.safetensors"))
    assert read(tmp_path / "model")[0].heads == ["mlm"]
    _, report = transformers.AutoModelForMaskedLM.from_pretrained(tmp_path / "model", output_loading_info=True)
    assert report == NONE


@pytest.mark.parametrize(
    ("kind", "heads", "kept"),
    [
        ("bert", ("mlm", "sop"), ["mlm", "sop"]),
        ("bert", ("sop",), ["sop"]),
        ("albert", ("mlm", "nsp"), ["mlm", "nsp"]),
        ("albert", ("sop",), []),  # no class of ALBERT has this head alone
        ("roberta", ("mlm", "nsp"), ["mlm"]),
        ("roberta", ("nsp",), []),
    ],
)
def test_what_a_head_for_pairs_judges_is_kept(
    tmp_path: Path, kind: str, heads: tuple[str, ...], kept: list[str]
) -> None:
    made_up.folder(tmp_path / "model", heads, 0, kind)
    assert read(tmp_path / "model")[0].heads == kept
    (architecture,) = json.loads((tmp_path / "model/config.json").read_text())["architectures"]
    cls = getattr(transformers, architecture)
    assert cls.from_pretrained(tmp_path / "model", output_loading_info=True)[1] == NONE


def test_a_tokenizer_that_pads_otherwise_is_refused(tmp_path: Path) -> None:
    """RoBERTa counts positions from the id of padding."""
    with pytest.raises(BadInput, match="the tokenizer pads with 1, and the network's pad_token_id is 0"):
        made_up.folder(tmp_path / "model", ("mlm",), 0, "roberta", pad_token_id=0)


def test_the_stock_tokenizer_gives_what_the_stock_model_takes(tmp_path: Path) -> None:
    """Segments to those that read them: XLM's class would add vectors of tokens for them."""
    for kind, changes in (
        ("bert", {}),
        ("bert", {"type_vocab_size": 1}),
        ("roberta", {}),
        ("albert", {}),
        ("xlm", {"n_langs": 1}),
    ):
        path = tmp_path / f"{kind}{len(changes)}"
        model = made_up.folder(path, ("mlm",), 0, kind, **changes)
        config, ours = model.encoder.config, made_up.tokenizer_for(kind)
        tokenizer = transformers.AutoTokenizer.from_pretrained(path)
        theirs = transformers.AutoModelForMaskedLM.from_pretrained(path).eval()
        segments = getattr(config, "type_vocab_size", 1) > 1
        for text in (("the cat sat",), ("the cat", "sat on a mat")):
            inputs, encoded = tokenizer(*text, return_tensors="pt"), ours.encode_pair(*text)
            assert ("token_type_ids" in inputs) == segments
            assert inputs["input_ids"][0].tolist() == encoded.ids.tolist()
            ends, types = np.array([0, len(encoded.ids)]), encoded.type_ids if segments else None
            with torch.no_grad():
                last = model.encoder(flat_batch(encoded.ids, ends, types))
                ours_logits = model.heads["mlm"].scores(last, model.encoder.token_table)
                assert (ours_logits - theirs(**inputs).logits[0]).abs().max() < 1e-5
        assert load_tokenizer(path).tokens == ours.tokens
