"""What sentence-transformers is told of a folder, in the words of its versions."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import maskwright as mw
from maskwright.checkpoints.sentence_vectors import SentenceVectors, read_sentence_vectors, write_sentence_vectors
from maskwright.errors import BadInput
from tests.checkpoints import made_up

TEXTS = ["the cat sat on a mat", "paris"]


def told(folder: Path, pooling: object, kinds: tuple[str, ...] = ("Transformer", "Pooling")) -> Path:
    paths = {"Transformer": "", "Pooling": "1_Pooling"}
    modules = [{"path": paths.get(kind, f"{i}_{kind}"), "type": f"a.b.{kind}"} for i, kind in enumerate(kinds)]
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "1_Pooling").mkdir(exist_ok=True)
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(pooling))
    return folder


@pytest.mark.parametrize(
    ("pooling", "kinds", "expected"),
    [
        ({"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}, (), SentenceVectors("cls", False)),
        ({"pooling_mode": "mean"}, ("Normalize",), SentenceVectors("mean", True)),
        ({"pooling_mode": ["max", "mean"]}, (), SentenceVectors("max+mean", False)),
        ({"pooling_mode_max_tokens": True}, (), SentenceVectors("max_tokens", False)),
        ({"pooling_mode": "mean"}, ("Dense",), SentenceVectors("Dense", False)),
        ({}, (), SentenceVectors("mean", False)),
    ],
)
def test_what_folders_say(tmp_path: Path, pooling: Any, kinds: tuple[str, ...], expected: SentenceVectors) -> None:
    assert read_sentence_vectors(tmp_path) is None
    assert read_sentence_vectors(told(tmp_path, pooling, ("Transformer", "Pooling", *kinds))) == expected


@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_encode_makes_what_the_folder_says_and_sentence_transformers_too(
    tmp_path: Path, pooling: str, normalize: bool
) -> None:
    sentence_transformers: Any = pytest.importorskip("sentence_transformers")
    folder = tmp_path / "model"
    made_up.folder(folder, ())
    said = SentenceVectors(pooling, normalize)
    write_sentence_vectors(folder, said, hidden=made_up.config().hidden_size, length=32)
    assert read_sentence_vectors(folder) == said
    theirs = sentence_transformers.SentenceTransformer(str(folder), device="cpu")
    ours = mw.load(folder)
    assert theirs.max_seq_length == 32
    assert np.abs(ours.encode(TEXTS) - theirs.encode(TEXTS)).max() < 1e-5
    theirs.save(str(tmp_path / "theirs"))
    made_up.tokenizer().save_into(tmp_path / "theirs")
    assert read_sentence_vectors(tmp_path / "theirs") == said
    assert np.abs(mw.load(tmp_path / "theirs").encode(TEXTS) - theirs.encode(TEXTS)).max() < 1e-5
    plain = ours.encode(TEXTS, "mean")  # what is named counts
    assert np.abs((plain**2).sum(1) - 1).max() > 1e-3


def test_what_we_cannot_pool_is_refused_when_it_is_asked_for(tmp_path: Path) -> None:
    made_up.folder(tmp_path / "model", ())
    encoder = mw.load(told(tmp_path / "model", {"pooling_mode": "max"}))
    with pytest.raises(BadInput, match="pooling 'max': there are mean, cls, pooler"):
        encoder.encode(TEXTS)
    assert encoder.encode(TEXTS, pooling="mean").shape[0] == 2


@pytest.mark.parametrize("modules", ["{", "[1]", '[{"path": ""}]', "3"])
def test_a_spoiled_list_is_refused(tmp_path: Path, modules: str) -> None:
    (tmp_path / "modules.json").write_text(modules)
    with pytest.raises(BadInput, match=r"modules\.json is no list of modules with a type each"):
        read_sentence_vectors(tmp_path)


def test_nothing_outside_the_folder_is_looked_at(tmp_path: Path) -> None:
    (tmp_path / "modules.json").write_text(json.dumps([{"type": "a.Pooling", "path": "../secret"}]))
    with pytest.raises(BadInput, match="not inside the folder"):
        read_sentence_vectors(tmp_path)
