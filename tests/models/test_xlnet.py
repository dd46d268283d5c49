"""XLNet beside transformers' where that is right, and by perturbation where it is not."""

from typing import Any

import pytest
import torch
from torch import Tensor

from maskwright.draws import generator
from tests.models.xlnet_peers import draw_batch, draw_config, pair, their_inputs
from tests.parity import assert_close, assert_same_gradients

DTYPES = pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["float64", "float32"])


@DTYPES
@pytest.mark.parametrize("seed", range(16))
def test_two_streams_over_segments_equal_transformers(seed: int, dtype: torch.dtype) -> None:
    """Hidden states of both streams, logits, memories and all gradients, over three segments with memory."""
    rng = generator(seed, "xlnet")
    length, targets = int(rng.integers(4, 12)), int(rng.integers(1, 4))
    memory = [None, 3, 7, 20][seed % 4]
    config = draw_config(rng, mem_len=memory, reuse_len=[None, 2, 3][seed % 3], bi_data=bool(seed // 2 % 2))
    ours, theirs = pair(config, dtype, seed)
    our_memory: Tensor | None = None
    their_memory: Any = None
    losses: dict[str, Tensor] = {"ours": torch.zeros((), dtype=dtype), "theirs": torch.zeros((), dtype=dtype)}
    for segment in range(3):
        batch = draw_batch(rng, config, 4, length, targets, segments=seed % 5 > 0)
        assert batch.predict_rows is not None and batch.predict_ids is not None
        inputs = {name: t.to(dtype) if t.is_floating_point() else t for name, t in their_inputs(batch).items()}
        out = theirs(**inputs, mems=their_memory, use_mems=memory is not None, output_hidden_states=True)
        streams = ours.encoder.hidden_streams(batch, batch.predict_rows, our_memory)
        for layer, both in enumerate(streams):
            content, predicted = out.hidden_states[2 * layer : 2 * layer + 2]
            assert_close(both.content, content.flatten(0, 1), f"content {layer} of segment {segment}")
            assert_close(both.predicted, predicted.flatten(0, 1), f"predicted {layer} of segment {segment}")
        reading = ours.encoder.read(batch, None, batch.predict_rows, our_memory, remember=True)
        logits = ours.heads["plm"].scores(reading.predicted, ours.encoder.token_table)
        assert_close(logits, out.logits.flatten(0, 1), f"logits of segment {segment}")
        losses["ours"] = losses["ours"] + torch.nn.functional.cross_entropy(logits, batch.predict_ids)
        losses["theirs"] = losses["theirs"] + torch.nn.functional.cross_entropy(
            out.logits.flatten(0, 1), batch.predict_ids
        )
        our_memory, their_memory = reading.memory, out.mems
        if memory is not None:
            assert our_memory is not None and our_memory.shape[2] <= memory
            assert_close(our_memory.transpose(1, 2), torch.stack(list(their_memory)), f"memory {segment}")
    losses["ours"].backward()
    losses["theirs"].backward()
    assert_same_gradients(ours.weight_names(), ours, theirs)
