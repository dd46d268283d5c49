"""maskwright: from raw text to your own pretrained language encoder.

import maskwright as mw

encoder = mw.load("runs/my-bert/model")
"""

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from pathlib import Path

    from maskwright.inference.loading import Loaded

__version__ = "0.1.0"
__all__ = ["__version__", "load"]


def load(folder: "str | Path", *, dtype: Literal["float32", "bfloat16"] = "float32", device: str = "cpu") -> "Loaded":
    """The encoder in a model folder: one of ours, or any Hugging Face BERT, RoBERTa, ALBERT, XLM or GPT.

    ELMo, word2vec and bags of words have the same methods; those that they have no answer to are refused.

    dtype    type of numbers it computes with; float32 is exact, bfloat16 about twice as fast where the machine has it
    device   "cpu", "cuda", "cuda:1"

    Raises BadInput in one line for a folder that is not whole or holds something else.
    """
    from maskwright.inference.loading import load as load_model  # torch is imported here, not with maskwright

    return load_model(folder, dtype=dtype, device=device)
