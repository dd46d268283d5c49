"""ELMo's network: who sees whom, by perturbation; state that goes on; its layers; its published sizes."""

from dataclasses import replace

import pytest
import torch

from maskwright.batch import Batch
from maskwright.config import checked
from maskwright.errors import BadInput
from maskwright.layers.dropout import DropoutStream
from maskwright.models.elmo import DEFAULT_VOCABULARY, SIZES, ElmoConfig, State, elmo, weight_names, zero_state
from tests.models.elmo_batches import config, of_words, small

TEXT = "it is a truth universally acknowledged".split()


def test_a_forward_state_sees_what_is_before_it_and_a_backward_state_what_is_behind() -> None:
    """For every pair of places: exchanging the word at j moves the forward half at i where j <= i, and no other."""
    network = small()
    before = network.hidden_states(of_words([TEXT]))
    for j in range(len(TEXT)):
        other = [*TEXT]
        other[j] = "single"
        after = network.hidden_states(of_words([other]))
        for layer, (old, new) in enumerate(zip(before, after)):
            forward, backward = ((old != new).view(-1, 2, 5).any(-1)).unbind(1)
            places = torch.arange(len(TEXT))
            assert torch.equal(forward, places >= j if layer else places == j)
            assert torch.equal(backward, places <= j if layer else places == j)


def test_sequences_of_a_batch_do_not_see_each_other() -> None:
    network = small()
    sentences = [TEXT[:3], [], TEXT, TEXT[2:4]]
    together = network.hidden_states(of_words(sentences))[2].split([3, 0, 6, 2])
    for sentence, rows in zip(sentences, together):
        torch.testing.assert_close(network.hidden_states(of_words([sentence]))[2], rows, atol=1e-12, rtol=1e-12)


def test_layers_are_as_published() -> None:
    """A word's vector twice; then forward beside backward."""
    network = small()
    layers = network.hidden_states(of_words([TEXT]))
    assert [layer.shape for layer in layers] == [(6, 10)] * 3
    assert torch.equal(layers[0][:, :5], layers[0][:, 5:])
    batch = of_words([TEXT])
    assert torch.equal(network(batch), layers[2])
    assert torch.equal(network(batch, None, torch.tensor([1, 4])), layers[2][[1, 4]])


@pytest.mark.parametrize("cuts", [(6,), (2, 2, 2), (1, 3, 2), (0, 6)])
def test_state_that_goes_on_is_one_long_sequence(cuts: tuple[int, ...]) -> None:
    """Forward from left to right; backward from right to left."""
    network = small()
    texts = [TEXT, TEXT[::-1]]
    whole, end = network.read(of_words(texts))
    state, last = None, 0
    for size in cuts:
        layers, state = network.read(of_words([text[last : last + size] for text in texts]), state=state)
        for layer, found in zip(whole[1:], layers[1:]):
            torch.testing.assert_close(
                layer.view(2, 6, 10)[:, last : last + size, :5], found.view(2, size, 10)[..., :5]
            )
        last += size
    assert state is not None
    torch.testing.assert_close(state.hidden[:, 0], end.hidden[:, 0])
    torch.testing.assert_close(state.cell[:, 0], end.cell[:, 0])
    state, last = None, 6
    for size in cuts:
        layers, state = network.read(of_words([text[last - size : last] for text in texts]), state=state)
        for layer, found in zip(whole[1:], layers[1:]):
            torch.testing.assert_close(
                layer.view(2, 6, 10)[:, last - size : last, 5:], found.view(2, size, 10)[..., 5:]
            )
        last -= size
    torch.testing.assert_close(state.hidden[:, 1], end.hidden[:, 1])
    torch.testing.assert_close(state.cell[:, 1], end.cell[:, 1])


def test_lanes_are_read_each_in_its_own_direction_from_its_own_state() -> None:
    """The first half by the forward model; the others, which run backward as they stand, by the backward model."""
    network = small()
    state = State(*(torch.randn_like(part) for part in zero_state(network.config, 2, torch.zeros(1).double())))
    texts = [TEXT[:4], TEXT[2:], TEXT[3::-1], TEXT[:1:-1]]
    last, after = network.read_lanes(of_words(texts), None, state)
    in_order, wanted = network.read(of_words([texts[0], texts[1]]), state=state)
    torch.testing.assert_close(last[:8], in_order[-1][:, :5])
    as_text, behind = network.read(of_words([texts[2][::-1], texts[3][::-1]]), state=state)
    torch.testing.assert_close(last[8:].view(2, 4, 5).flip(1).reshape(8, 5), as_text[-1][:, 5:])
    for new, forward, backward in zip(after, wanted, behind):
        torch.testing.assert_close(new[:, 0], forward[:, 0])
        torch.testing.assert_close(new[:, 1], backward[:, 1])


def test_dropout_is_named_by_its_stream_and_needs_one() -> None:
    network, batch = small(), of_words([TEXT])
    dropped = [network(batch, DropoutStream(0, "dropout", step)) for step in (1, 1, 2)]
    assert torch.equal(dropped[0], dropped[1]) and not torch.equal(dropped[0], dropped[2])
    assert torch.equal(network(batch), network(batch)) and (dropped[0] == 0).any()


@pytest.mark.parametrize(("size", "millions"), [("small", 13.6), ("medium", 28.0), ("original", 93.6)])
def test_sizes_are_the_published_ones(size: str, millions: float) -> None:
    with torch.device("meta"):
        made = elmo(ElmoConfig(**SIZES[size]))
    assert round(sum(part.numel() for part in made.parameters()) / 1e6, 1) == millions
    assert made.config.hidden_size == {"small": 256, "medium": 512, "original": 1024}[size]
    assert ElmoConfig().vocab_size == DEFAULT_VOCABULARY and ElmoConfig() == ElmoConfig(**SIZES["original"])


def test_weights_begin_as_in_bilm_and_the_same_in_every_process() -> None:
    made = elmo(config(cell_size=300, projection_size=40)).initialise(3)
    again = elmo(config(cell_size=300, projection_size=40, num_hidden_layers=3)).initialise(3)
    other = dict(again.named_parameters())
    for name, part in made.named_parameters():
        assert torch.equal(part, other[name])
    bias = made.forward_layers[1].input.bias.view(4, -1)
    assert bias.unique(dim=1).view(-1).tolist() == [0, 1, 0, 0]
    limit = (6 / (2 * 40 + 4 * 300)) ** 0.5
    weight = made.backward_layers[0].recurrent
    assert 0.99 * limit < weight.abs().max().item() <= limit
    assert made.characters.highways[0].transform_and_gate.bias.view(2, -1)[1].unique().tolist() == [-2]
    assert made.characters.table.abs().max().item() <= 1
    assert {name.ours for name in weight_names(made.config)} == dict(made.named_parameters()).keys()


def without_characters(batch: Batch) -> Batch:
    return replace(batch, char_ids=None)


def test_what_it_cannot_do_is_said_in_a_line() -> None:
    network, batch = small(), of_words([TEXT])
    with pytest.raises(BadInput, match="reads characters"):
        network(without_characters(batch))
    with pytest.raises(BadInput, match="does not read language_ids"):
        network(replace(batch, language_ids=batch.token_ids))
    with pytest.raises(BadInput, match="no attention"):
        network.attention_weights(batch)
    with pytest.raises(BadInput, match="no pooler"):
        network.pooled(network(batch), batch)
    with pytest.raises(BadInput, match="no positions"):
        elmo(config(), torch.nn.Identity())


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"filters": ((0, 4),)}, "a width of at least 1"),
        ({"filters": ()}, "a width of at least 1"),
        ({"filters": ((60, 4),)}, "wider than the 50"),
        ({"cell_size": 10**9}, "cell_size is 1000000000: must be less than or equal to 65536"),
        ({"cell_clip": float("nan")}, "cell_clip is nan"),
        ({"widht": 3}, "unknown key widht"),
    ],
)
def test_a_shape_that_is_none_is_refused(changes: dict[str, object], words: str) -> None:
    with pytest.raises(BadInput, match=words):
        checked(ElmoConfig, changes, "config.json")
