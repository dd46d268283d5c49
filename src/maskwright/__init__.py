"""maskwright: from raw text to your own pretrained language encoder.

import maskwright as mw

encoder = mw.load("runs/my-bert/model")
"""

from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from pathlib import Path

    from maskwright.inference.loading import Loaded
    from maskwright.tasks.estimator import Classifier, Regressor, Tagger

__version__ = "0.1.0"
__all__ = ["Classifier", "Regressor", "Tagger", "__version__", "load"]


def __getattr__(name: str) -> Any:
    """The estimators, imported when they are asked for: see `maskwright.tasks.estimator`."""
    if name in ("Classifier", "Regressor", "Tagger"):
        from maskwright.tasks import estimator

        return getattr(estimator, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def load(
    folder: "str | Path",
    *,
    adapter: "str | Path | None" = None,
    dtype: Literal["float32", "bfloat16", "int8"] = "float32",
    device: str = "cpu",
) -> "Loaded":
    """The encoder in a model folder: one of ours, or any Hugging Face BERT, RoBERTa, ALBERT, XLM or GPT.

    Or a graph that `maskwright export --to onnx` or `--to openvino` wrote: its file, or its folder.

    ELMo, word2vec and bags of words have the same methods; those that they have no answer to are refused.

    adapter  a folder that `finetune --adapter lora` left: its task on this encoder. Such a folder by itself is loaded
             with the encoder that it names
    dtype    type of numbers it computes with; float32 is exact, bfloat16 about twice as fast where the machine has it,
             int8 faster still on processors with VNNI and less exact (BERT, RoBERTa and XLM)
    device   "cpu", "cuda", "cuda:1"

    Raises BadInput in one line for a folder that is not whole or holds something else.
    """
    from maskwright.inference.loading import load as load_model  # torch is imported here, not with maskwright

    return load_model(folder, adapter=adapter, dtype=dtype, device=device)
