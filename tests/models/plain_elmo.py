"""ELMo as its equations say, in numpy, from TensorFlow's arrays as bilm-tf keeps them: the oracle of ours.

allenai/bilm-tf `bilm/model.py`: gates in the order i, z, f, o, one added to the forget gate, clips before and after the
projection, the input of every layer but the first added to its output.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Arrays = dict[str, npt.NDArray[np.float64]]


def drawn(options: dict[str, Any], seed: int = 0, scale: float = 0.3) -> Arrays:
    """Random weights under the names of bilm-tf's HDF5 files."""
    generator = np.random.default_rng(seed)
    lstm, cnn = options["lstm"], options["char_cnn"]
    size, cell, total = lstm["projection_dim"], lstm["dim"], sum(count for _, count in cnn["filters"])
    shapes: dict[str, tuple[int, ...]] = {"char_embed": (261, cnn["embedding"]["dim"])}
    for i, (width, count) in enumerate(cnn["filters"]):
        shapes |= {f"CNN/W_cnn_{i}": (1, width, cnn["embedding"]["dim"], count), f"CNN/b_cnn_{i}": (count,)}
    for i in range(cnn["n_highway"]):
        shapes |= {f"CNN_high_{i}/W_{part}": (total, total) for part in ("carry", "transform")}
        shapes |= {f"CNN_high_{i}/b_{part}": (total,) for part in ("carry", "transform")}
    shapes |= {"CNN_proj/W_proj": (total, size), "CNN_proj/b_proj": (size,)}
    for way in range(2):
        for i in range(lstm["n_layers"]):
            there = f"RNN_{way}/RNN/MultiRNNCell/Cell{i}/LSTMCell"
            shapes |= {f"{there}/W_0": (2 * size, 4 * cell), f"{there}/B": (4 * cell,), f"{there}/W_P_0": (cell, size)}
    return {name: generator.normal(0, scale, shape) for name, shape in shapes.items()}


def sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def word_vector(arrays: Arrays, options: dict[str, Any], characters: Sequence[int]) -> Any:
    """characters as bilm-tf's vocabulary has them, not raised by one."""
    cnn = options["char_cnn"]
    seen = arrays["char_embed"][list(characters)]
    parts: list[Any] = []
    for i, (width, _) in enumerate(cnn["filters"]):
        filters = arrays[f"CNN/W_cnn_{i}"][0]
        windows = np.stack([seen[at : at + width] for at in range(len(seen) - width + 1)])
        values = (np.einsum("twe,wen->tn", windows, filters) + arrays[f"CNN/b_cnn_{i}"]).max(0)
        parts.append(np.maximum(values, 0) if cnn["activation"] == "relu" else np.tanh(values))
    x = np.concatenate(parts)
    for i in range(cnn["n_highway"]):
        carry = sigmoid(x @ arrays[f"CNN_high_{i}/W_carry"] + arrays[f"CNN_high_{i}/b_carry"])
        transformed = np.maximum(x @ arrays[f"CNN_high_{i}/W_transform"] + arrays[f"CNN_high_{i}/b_transform"], 0)
        x = carry * transformed + (1 - carry) * x
    return x @ arrays["CNN_proj/W_proj"] + arrays["CNN_proj/b_proj"]


def layers(arrays: Arrays, options: dict[str, Any], words: Any) -> list[Any]:
    """The vectors (S, P) of a sentence's words, marks included -> L + 1 layers (S, 2 P), from zero states."""
    lstm = options["lstm"]
    found = [[words], [words]]
    for way in range(2):
        for i in range(lstm["n_layers"]):
            there = f"RNN_{way}/RNN/MultiRNNCell/Cell{i}/LSTMCell"
            h, c = np.zeros(lstm["projection_dim"]), np.zeros(lstm["dim"])
            inputs = found[way][-1]
            outputs = np.zeros_like(words)
            for at in range(len(words)) if way == 0 else reversed(range(len(words))):
                gates = np.concatenate([inputs[at], h]) @ arrays[f"{there}/W_0"] + arrays[f"{there}/B"]
                i_gate, z, f, o = np.split(gates, 4)
                c = sigmoid(f + 1) * c + sigmoid(i_gate) * np.tanh(z)
                c = np.clip(c, -lstm["cell_clip"], lstm["cell_clip"])
                h = np.clip((sigmoid(o) * np.tanh(c)) @ arrays[f"{there}/W_P_0"], -lstm["proj_clip"], lstm["proj_clip"])
                outputs[at] = h + (inputs[at] if i else 0)
            found[way].append(outputs)
    return [np.concatenate(both, -1) for both in zip(*found, strict=True)]
