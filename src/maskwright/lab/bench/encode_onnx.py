"""sentence-transformers' way by onnxruntime, without optimum, which does not go with transformers 5.

The graph is that of stock `AutoModel` by PyTorch's exporter; int8 is onnxruntime's dynamic quantizer with weights by
channel, as `export_dynamic_quantized_onnx_model(model, "avx512_vnni")` asks for; texts are sorted by length and go in
batches of 32, padded to their longest, as `SentenceTransformer.encode` has it.
"""

import logging
import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from maskwright.lab.bench.clock import told
from maskwright.lab.bench.encode_ours import measured, read_texts

BATCH = 32
NAMES = ("input_ids", "attention_mask", "token_type_ids")


def measure(
    *,
    model: str,
    texts: str,
    seconds: float,
    precision: str = "float32",
    graph: str = "",
    out: str = "",
    make: str = "",
) -> dict[str, Any]:
    """Texts and their tokens a second, by the median of whole calls; the vectors go to `out`.

    graph   the file that `make` made before; beside it lies the one in int8
    make    where graphs are left instead
    """
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    from transformers import AutoTokenizer

    tokenizer: Any = AutoTokenizer.from_pretrained(model)
    names = [name for name in NAMES if name in tokenizer.model_input_names]
    if make:
        return _make(model, names, Path(make))
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = int(os.environ.get("OMP_NUM_THREADS", "0"))
    path = _int8(Path(graph)) if precision == "int8" else Path(graph)
    session: Any = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    given = read_texts(texts)
    order = np.argsort([-len(text) for text in given], kind="stable")

    def encode() -> Any:
        vectors: dict[int, Any] = {}
        for start in range(0, len(given), BATCH):
            which = order[start : start + BATCH].tolist()
            inputs = tokenizer([given[i] for i in which], padding=True, truncation=True, return_tensors="np")
            (last,) = session.run(["last_hidden_state"], {name: inputs[name].astype(np.int64) for name in names})
            mask = inputs["attention_mask"][..., None].astype(np.float32)
            vectors.update(zip(which, (last * mask).sum(1) / mask.sum(1), strict=True))
        return np.stack([vectors[i] for i in range(len(given))])

    tokens = sum(len(ids) for ids in tokenizer(given)["input_ids"])
    return measured(encode, given, tokens, seconds, out)


def _make(model: str, names: list[str], out: Path) -> dict[str, Any]:
    import torch
    from onnxruntime.quantization import QuantType, quantize_dynamic
    from transformers import AutoModel

    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")
    network: Any = AutoModel.from_pretrained(model, attn_implementation="eager", dtype=torch.float32).eval()

    class Last(torch.nn.Module):
        """The last layer alone."""

        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, *inputs: torch.Tensor) -> Any:
            return self.network(**dict(zip(names, inputs, strict=True))).last_hidden_state

    example = tuple(torch.ones(2, 5, dtype=torch.int64) for _ in names)
    with torch.no_grad():
        torch.onnx.export(
            Last(),
            example,
            str(out),
            input_names=names,
            output_names=["last_hidden_state"],
            dynamic_shapes=((*[{0: "texts", 1: "tokens"} for _ in names],),),
            dynamo=True,
            external_data=False,
            verbose=False,
        )
    quantize_dynamic(out, _int8(out), weight_type=QuantType.QInt8, per_channel=True)
    return {"bytes": out.stat().st_size}


def _int8(graph: Path) -> Path:
    return graph.with_suffix(".int8.onnx")


if __name__ == "__main__":
    told(measure)
