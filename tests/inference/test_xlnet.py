"""An XLNet as a user calls it, beside stock transformers on the same folder."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers

import maskwright as mw
from maskwright.errors import BadInput
from maskwright.lab.certificate import compare
from tests.checkpoints import made_up

TEXTS: list[Any] = ["Paris is the capital of France.", "", "the cat sat on a mat " * 3, ("the cat", "sat on the mat")]


@pytest.mark.parametrize("changes", [{}, {"untie_r": False, "clamp_len": 3}], ids=str)
def test_answers_are_those_of_the_stock_model(tmp_path: Path, changes: dict[str, Any]) -> None:
    """[CLS] is the last token; segments of it are numbered 2."""
    path = tmp_path / "model"
    made_up.folder(path, ("plm",), 0, "xlnet", **changes)
    encoder = mw.load(path)
    tokenizer = transformers.AutoTokenizer.from_pretrained(path)
    theirs = transformers.XLNetLMHeadModel.from_pretrained(path).eval()
    vectors = {layer: encoder.token_vectors(TEXTS, layer) for layer in (0, 2, -2)}
    means, lasts = encoder.encode(TEXTS), encoder.encode(TEXTS, pooling="cls")
    for i, text in enumerate(TEXTS):
        inputs = dict(tokenizer(*([text] if isinstance(text, str) else text), return_tensors="pt"))
        with torch.no_grad():
            out = theirs(**inputs, output_hidden_states=True, output_attentions=True)
        tokens = encoder.tokenize(text)
        assert tokens == tokenizer.convert_ids_to_tokens(inputs["input_ids"][0]) and tokens[-1] == "<cls>"
        last = out.hidden_states[-1][0].numpy()
        assert np.abs(means[i] - last.mean(0)).max() < 1e-5
        assert np.abs(lasts[i] - last[-1]).max() < 1e-5
        for layer, found in vectors.items():
            assert np.abs(found[i] - out.hidden_states[layer][0].numpy()).max() < 1e-5
        assert np.abs(encoder.attention(text) - torch.cat(out.attentions).numpy()).max() < 1e-6
    with pytest.raises(BadInput, match="has no pooler: take mean or cls"):
        encoder.encode(TEXTS, pooling="pooler")
    long = encoder.encode("cat " * 700)
    assert long.shape == (1, 16) and np.isfinite(long).all()


def test_masks_are_filled_by_predictions_that_see_no_mask(tmp_path: Path) -> None:
    """As transformers' query stream does, given that nothing sees a mask; what stands for it makes no difference."""
    path = tmp_path / "model"
    made_up.folder(path, ("plm",), 0, "xlnet")
    encoder = mw.load(path)
    theirs = transformers.XLNetLMHeadModel.from_pretrained(path).eval()
    text = "the <mask> sat on a <mask>"
    encoded = encoder.tokenizer.encode_pair(text)
    ids = torch.from_numpy(encoded.ids)[None]
    places = (ids[0] == encoder.tokenizer.mask_id).nonzero()[:, 0]
    hidden = torch.zeros(1, ids.shape[1], ids.shape[1])
    hidden[:, :, places] = 1
    mapping = torch.nn.functional.one_hot(places, ids.shape[1]).float()[None]
    types = torch.from_numpy(encoded.type_ids)[None]
    for garbage in (False, True):
        ids = torch.where(ids == encoder.tokenizer.mask_id, 20, ids) if garbage else ids
        with torch.no_grad():
            out = theirs(ids, perm_mask=hidden, target_mapping=mapping, token_type_ids=types)
        for place, guesses in enumerate(encoder.fill(text, top=3)):
            best = out.logits[0, place].softmax(-1).topk(3)
            assert [guess.id for guess in guesses] == best.indices.tolist()
            assert [guess.probability for guess in guesses] == pytest.approx(best.values.tolist(), abs=1e-6)
    beside = encoder.fill_many([text, "a <mask>"])[0]
    assert [[guess.id for guess in found] for found in beside] == [
        [g.id for g in found] for found in encoder.fill(text)
    ]
    with pytest.raises(BadInput, match="no <mask> in"):
        encoder.fill("the cat")


def test_certificate(tmp_path: Path) -> None:
    path = tmp_path / "model"
    model = made_up.folder(path, ("plm",), 0, "xlnet")
    found = compare(path, path, model.encoder.config, "XLNetLMHeadModel")
    assert found is not None and set(found["differences"]) == {"hidden states", "logits of tokens"}
    assert max(found["differences"].values()) < 1e-5
