"""The other side of vectors: `SentenceTransformer(model).encode(texts)` by torch. A process of its own."""

import logging
from typing import Any

import torch

from maskwright.lab.bench.clock import told
from maskwright.lab.bench.encode_ours import measured, read_texts


def measure(*, model: str, texts: str, precision: str, seconds: float, out: str) -> dict[str, Any]:
    """Texts and their tokens a second, by the median of whole calls; the vectors go to `out`."""
    from sentence_transformers import SentenceTransformer  # pyright: ignore[reportMissingImports] - an extra

    for name in ("sentence_transformers", "transformers"):
        logging.getLogger(name).setLevel(logging.ERROR)
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    stock: Any = SentenceTransformer(model, device="cpu", model_kwargs={"dtype": dtype})
    given = read_texts(texts)
    tokens = sum(len(ids) for ids in stock.tokenizer(given)["input_ids"])
    return measured(lambda: stock.encode(given, show_progress_bar=False), given, tokens, seconds, out)


if __name__ == "__main__":
    told(measure)
