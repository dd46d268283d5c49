"""Every network as a user calls it, beside stock transformers on the same folder."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers

import maskwright as mw
from maskwright.errors import BadInput
from tests.checkpoints import made_up

TEXTS: list[Any] = ["Paris is the capital of France.", "", "the cat sat on a mat " * 3, ("the cat", "sat on the mat")]
NETWORKS: list[tuple[str, tuple[str, ...], dict[str, Any]]] = [
    ("roberta", ("mlm",), {}),
    ("xlm-roberta", ("mlm",), {}),
    ("albert", ("mlm", "sop"), {"num_hidden_layers": 2, "inner_group_num": 2}),
    ("albert", ("mlm",), {"shared": "attention"}),
    ("xlm", ("mlm",), {"languages": ("en", "zh", "fr")}),
    ("xlm", ("mlm",), {"n_langs": 1}),
]


@pytest.mark.parametrize(("kind", "heads", "changes"), NETWORKS, ids=str)
def test_answers_are_those_of_the_stock_model(
    tmp_path: Path, kind: str, heads: tuple[str, ...], changes: dict[str, Any]
) -> None:
    path = tmp_path / "model"
    made_up.folder(path, heads, 0, kind, **changes)
    encoder = mw.load(path)
    tokenizer = transformers.AutoTokenizer.from_pretrained(path)
    cls = transformers.AutoModelForPreTraining if len(heads) > 1 else transformers.AutoModelForMaskedLM
    theirs = cls.from_pretrained(path, **({} if kind == "xlm" else {"attn_implementation": "eager"})).eval()
    mask, languages = tokenizer.mask_token, getattr(encoder.config, "knows_languages", False)
    texts = [*TEXTS, f"the {mask} sat on a {mask}"]
    layers = len(encoder.model.encoder.layers)
    vectors = {layer: encoder.token_vectors(texts, layer) for layer in (0, layers, -2)}
    for i, text in enumerate(texts):
        inputs = dict(tokenizer(*([text] if isinstance(text, str) else text), return_tensors="pt"))
        if languages:
            inputs["langs"] = torch.zeros_like(inputs["input_ids"])
        with torch.no_grad():
            out = theirs(**inputs, output_hidden_states=True, output_attentions=True)
            base = theirs.base_model(**inputs)
        assert encoder.tokenize(text) == tokenizer.convert_ids_to_tokens(inputs["input_ids"][0])
        last = out.hidden_states[-1][0].numpy()
        assert np.abs(encoder.encode([text])[0] - last.mean(0)).max() < 1e-5
        assert np.abs(encoder.encode([text], pooling="cls")[0] - last[0]).max() < 1e-5
        for layer, found in vectors.items():
            assert np.abs(found[i] - out.hidden_states[layer][0].numpy()).max() < 1e-5
        weights = torch.stack([one for one in out.attentions if one is not None])[:, 0].numpy()
        assert np.abs(encoder.attention(text) - weights).max() < 1e-6
        if len(heads) > 1:
            assert np.abs(encoder.encode([text], pooling="pooler")[0] - base.pooler_output[0].numpy()).max() < 1e-5
        else:
            with pytest.raises(BadInput, match="has no pooler: take mean or cls"):
                encoder.encode([text], pooling="pooler")
        logits = (out.prediction_logits if len(heads) > 1 else out.logits)[0]
        places = (inputs["input_ids"][0] == tokenizer.mask_token_id).nonzero()[:, 0]
        if not len(places):
            with pytest.raises(BadInput) as caught:
                encoder.fill(text)
            assert f"no {mask} in" in str(caught.value) and f"write {mask} where" in str(caught.value)
            continue
        for place, guesses in zip(places, encoder.fill(text, top=3), strict=True):
            best = logits[place].softmax(-1).topk(3)
            assert [guess.id for guess in guesses] == best.indices.tolist()
            assert [guess.probability for guess in guesses] == pytest.approx(best.values.tolist(), abs=1e-6)
    with pytest.raises(BadInput, match=f"the limit is {encoder.config.longest}"):
        encoder.encode("cat " * 200)
    assert len(encoder.tokenize("cat " * 200, truncate=True)) == encoder.config.longest


def test_a_text_has_the_language_it_is_said_to_have(tmp_path: Path) -> None:
    path = tmp_path / "model"
    made_up.folder(path, ("mlm",), 0, "xlm", languages=("en", "zh", "fr"))
    encoder = mw.load(path)
    theirs = transformers.XLMModel.from_pretrained(path).eval()
    ids = torch.tensor(encoder.tokenizer.encode_pair("the cat").ids)[None]
    for language, number in (("en", 0), ("zh", 1), ("fr", 2), (2, 2)):
        expected = theirs(ids, langs=torch.full_like(ids, number)).last_hidden_state[0].detach().numpy()
        assert np.abs(encoder.in_language(language).token_vectors("the cat")[0] - expected).max() < 1e-5
    assert np.array_equal(encoder.encode("the cat"), encoder.in_language("en").encode("the cat"))
    for language in ("de", 3, -1):
        with pytest.raises(BadInput, match=r"knows no language .* \(there are en, zh, fr\)"):
            encoder.in_language(language)
    made_up.folder(tmp_path / "bert")
    with pytest.raises(BadInput, match="there are none: it is told no language"):
        mw.load(tmp_path / "bert").in_language(0)


def test_two_texts_are_set_apart_as_roberta_does(tmp_path: Path) -> None:
    made_up.folder(tmp_path / "model", ("mlm",), 0, "roberta")
    tokens = mw.load(tmp_path / "model").tokenize(("the cat", "sat"))
    assert [t for t in tokens if t.startswith("<")] == ["<s>", "</s>", "</s>", "</s>"] and tokens[-1] == "</s>"
