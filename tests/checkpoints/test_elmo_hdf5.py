"""allennlp's ELMo: its own expected activations, random weights beside the equations, and files that are not right."""

import json
import os
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from maskwright.checkpoints.elmo_hdf5 import find_elmo, read_options, read_weights
from maskwright.errors import BadInput
from maskwright.models.elmo import Elmo, elmo
from tests.checkpoints.elmo_files import OPTIONS, changed, write
from tests.models import plain_elmo
from tests.models.elmo_batches import of_words

h5py: Any = pytest.importorskip("h5py")
ALLENNLP = os.environ.get("MASKWRIGHT_ALLENNLP")
"""A folder into which the wheel of allennlp 0.9.0 was unpacked."""


def loaded(folder: Path) -> Elmo:
    found = find_elmo(folder)
    assert found is not None
    network = elmo(read_options(found.options, 1))
    tensors, left_out = read_weights(found.weights, network.config)
    network.load_state_dict(tensors)
    assert left_out == {}
    return network


@pytest.mark.skipif(ALLENNLP is None, reason="MASKWRIGHT_ALLENNLP names no unpacked wheel of allennlp 0.9.0")
def test_activations_are_those_that_allennlp_carries() -> None:
    """Thirty sentences in ten batches of three, whose states go on, as `test_elmo_bilm` has them, to 1e-6."""
    folder = Path(str(ALLENNLP)) / "allennlp" / "tests" / "fixtures" / "elmo"
    network = elmo(read_options(folder / "options.json", 1))
    network.load_state_dict(read_weights(folder / "lm_weights.hdf5", network.config)[0])
    sentences = json.loads((folder / "sentences.json").read_text())
    state = None
    for place in range(10):
        batch = of_words([part[place].split() for part in sentences], marks=True, width=50)
        with torch.no_grad():
            layers, state = network.read(batch, state=state)
        for k, (first, end) in enumerate(pairwise(batch.cu_seqlens.tolist())):
            with h5py.File(folder / f"lm_embeddings_{k}.hdf5") as file:
                wanted = np.concatenate(list(file[str(place)][...]), -1)
            np.testing.assert_allclose(layers[2][first + 1 : end - 1], wanted, atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_layers_are_those_of_the_equations(tmp_path: Path, activation: str) -> None:
    options = changed(char_cnn={"activation": activation})
    arrays = plain_elmo.drawn(options, scale=0.7)
    write(tmp_path, options, {name: values.astype(np.float32) for name, values in arrays.items()})
    network = loaded(tmp_path).double()
    sentences = [["a", "truth", "universally", "acknowledged"], ["词", "x" * 40]]
    batch = of_words(sentences, marks=True, width=20)
    exact = {name: values.astype(np.float32).astype(np.float64) for name, values in arrays.items()}
    found = [layer.detach().numpy() for layer in network.hidden_states(batch)]
    assert batch.char_ids is not None
    for first, end in pairwise(batch.cu_seqlens.tolist()):
        words = np.stack(
            [plain_elmo.word_vector(exact, options, row) for row in (batch.char_ids[first:end] - 1).tolist()]
        )
        for ours, theirs in zip(found, plain_elmo.layers(exact, options, words), strict=True):
            np.testing.assert_allclose(ours[first:end], theirs, atol=2e-7)  # 1 is added to the forget gate in float32
    clipped = np.abs(np.concatenate(found[1:])[:, :5])
    assert (np.abs(clipped[: len(found[0])] - 0.6) < 1e-12).any()


def test_forms_of_a_source(tmp_path: Path) -> None:
    assert find_elmo(tmp_path) is None
    weights = write(tmp_path)
    options = tmp_path / "options.json"
    assert find_elmo(tmp_path / "nothing") is None
    assert find_elmo(tmp_path) == find_elmo(weights) == find_elmo(options) == (options, weights)
    (tmp_path / "other_weights.hdf5").write_bytes(b"")
    with pytest.raises(BadInput, match=r"several files of weights, other_weights.hdf5 and weights.hdf5"):
        find_elmo(tmp_path)
    assert find_elmo(weights) == (options, weights)


def refused(folder: Path, words: str) -> None:
    with pytest.raises(BadInput, match=words) as caught:
        read_weights(folder / "weights.hdf5", read_options(folder / "options.json", 1))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ([], "a JSON object was expected"),
        ({}, "lstm is no table"),
        ({"lstm": {}, "char_cnn": {}}, "char_cnn.embedding is no table"),
        (changed(lstm={"use_skip_connections": False}), "use_skip_connections is not true"),
        (changed(char_cnn={"n_characters": 300}), "n_characters is 300: ELMo has 262"),
        (changed(char_cnn={"activation": "sine"}), "filter_activation is 'sine'"),
        (changed(char_cnn={"filters": [[1, 2, 3]]}), "filters"),
        (changed(char_cnn={"filters": [[1, 10**12]]}), "a count up to 65,536"),
        (changed(char_cnn={"max_characters_per_token": None}), "max_characters is None"),
        (changed(lstm={"dim": 10**10}), "cell_size is 10000000000"),
        (changed(lstm={"n_layers": "two"}), "num_hidden_layers is 'two'"),
        (changed(lstm={"cell_clip": -1}), "cell_clip is -1"),
    ],
)
def test_options_that_are_not_elmos_are_one_line(tmp_path: Path, options: Any, words: str) -> None:
    (tmp_path / "options.json").write_text(json.dumps(options))
    with pytest.raises(BadInput, match=words) as caught:
        read_options(tmp_path / "options.json", 1)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_no_hdf5_or_is_cut_short(tmp_path: Path) -> None:
    weights = write(tmp_path)
    whole = weights.read_bytes()
    for bad in (b"", b"\x89HDF\r\n\x1a\n", b"not a file" * 99, whole[:3000]):
        weights.write_bytes(bad)
        refused(tmp_path, "no whole HDF5 file|missing")
    weights.unlink()
    refused(tmp_path, "no whole HDF5 file")


CELL = "RNN_1/RNN/MultiRNNCell/Cell0/LSTMCell"


def test_what_is_missing_or_of_another_shape_is_named(tmp_path: Path) -> None:
    arrays = plain_elmo.drawn(OPTIONS)
    write(tmp_path, arrays={name: part for name, part in arrays.items() if not name.startswith("CNN_high_1")})
    refused(tmp_path, "weights.hdf5: CNN_high_1 is missing")
    write(tmp_path, arrays={**arrays, f"{CELL}/B": arrays[f"{CELL}/B"][1:]})
    refused(tmp_path, rf"{CELL}/B has the shape 35, options.json asks for 36")
    write(tmp_path, changed(lstm={"dim": 8}), arrays)
    refused(tmp_path, r"W_0 has the shape 10 x 36, options.json asks for 10 x 32: the two files do not belong together")
    write(tmp_path, arrays={**arrays, "CNN_proj/b_proj": np.full(5, np.nan)})
    refused(tmp_path, "CNN_proj/b_proj holds infinity or NaN")
    write(
        tmp_path, arrays={**{n: p for n, p in arrays.items() if not n.startswith("CNN_proj")}, "CNN_proj": np.zeros(2)}
    )
    refused(tmp_path, "CNN_proj/W_proj is missing")
    write(tmp_path, arrays={**{n: p for n, p in arrays.items() if n != "char_embed"}, "char_embed/x": np.zeros(2)})
    refused(tmp_path, "char_embed is no dataset")


def crafted(folder: Path, name: str, make: Any) -> None:
    """The file with what `make` puts at a name instead of what is there."""
    with h5py.File(write(folder), "r+") as file:
        values = file[name][...] if isinstance(file[name], h5py.Dataset) else None
        del file[name]
        make(file, name, values)


def test_nothing_is_followed_to_elsewhere(tmp_path: Path) -> None:
    """Links of both kinds, to datasets and to groups; values in another file; a view of one."""
    other = write(tmp_path / "other")
    (tmp_path / "raw").write_bytes(bytes(4 * 36))
    here = tmp_path / "here"

    def soft(file: Any, name: str, values: Any) -> None:
        file["kept"] = np.zeros(36, "float32")
        file[name] = h5py.SoftLink("/kept")

    def external(file: Any, name: str, values: Any) -> None:
        file[name] = h5py.ExternalLink(str(other), name)

    def raw(file: Any, name: str, values: Any) -> None:
        file.create_dataset(name, (36,), "float32", external=[(str(tmp_path / "raw"), 0, 4 * 36)])

    def view(file: Any, name: str, values: Any) -> None:
        layout = h5py.VirtualLayout((36,), "float32")
        layout[:] = h5py.VirtualSource(str(other), name, (36,))
        file.create_virtual_dataset(name, layout)

    for make, words in ((soft, "is a link"), (external, "is a link"), (raw, "in another file"), (view, "in another")):
        crafted(here, f"{CELL}/B", make)
        refused(here, f"{CELL}/B {words}|{CELL}/B lies {words}")
    for make in (soft, external):
        crafted(here, "RNN_1", make)
        refused(here, "RNN_1 is a link, and links are never followed")


def test_nothing_larger_than_the_file_is_made_of_it(tmp_path: Path) -> None:
    """A dataset without values, one that is compressed, and one of no numbers."""

    def empty(file: Any, name: str, values: Any) -> None:
        file.create_dataset(name, (36,), "float32")

    def packed(file: Any, name: str, values: Any) -> None:
        file.create_dataset(name, data=values, compression="gzip")

    def text(file: Any, name: str, values: Any) -> None:
        file.create_dataset(name, data=["x"] * 36)

    for make, words in ((empty, "has 0 bytes in the file, not 144"), (packed, "is compressed"), (text, "is of type")):
        crafted(tmp_path, f"{CELL}/B", make)
        refused(tmp_path, words)


def test_what_has_no_place_is_told(tmp_path: Path) -> None:
    weights = write(tmp_path, arrays={**plain_elmo.drawn(OPTIONS), "softmax/W": np.zeros((3, 5))})
    _, left_out = read_weights(weights, read_options(tmp_path / "options.json", 1))
    assert left_out == {"softmax/W": "no part of the network"}
