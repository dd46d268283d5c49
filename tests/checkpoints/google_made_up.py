"""Small checkpoints of Google's, and the names of their variables beside those of transformers.

The names are those of the variables that google-research/bert and google-research/albert make.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.checkpoints.bundle_bytes import BFLOAT16, FLOAT, Tensor, write

transformers = pytest.importorskip("transformers")

SIZES = {
    "vocab_size": 31,
    "hidden_size": 12,
    "num_hidden_layers": 2,
    "num_attention_heads": 3,
    "intermediate_size": 20,
    "max_position_embeddings": 9,
    "type_vocab_size": 2,
}
ALBERT_SIZES = {**SIZES, "embedding_size": 6, "num_hidden_groups": 2, "inner_group_num": 2}

EMBEDDINGS = {
    "bert/embeddings/word_embeddings": "{}.embeddings.word_embeddings.weight",
    "bert/embeddings/position_embeddings": "{}.embeddings.position_embeddings.weight",
    "bert/embeddings/token_type_embeddings": "{}.embeddings.token_type_embeddings.weight",
    "bert/embeddings/LayerNorm/gamma": "{}.embeddings.LayerNorm.weight",
    "bert/embeddings/LayerNorm/beta": "{}.embeddings.LayerNorm.bias",
}
BERT_LAYER = {
    "attention/self/query/kernel": "attention.self.query.weight",
    "attention/self/query/bias": "attention.self.query.bias",
    "attention/self/key/kernel": "attention.self.key.weight",
    "attention/self/key/bias": "attention.self.key.bias",
    "attention/self/value/kernel": "attention.self.value.weight",
    "attention/self/value/bias": "attention.self.value.bias",
    "attention/output/dense/kernel": "attention.output.dense.weight",
    "attention/output/dense/bias": "attention.output.dense.bias",
    "attention/output/LayerNorm/gamma": "attention.output.LayerNorm.weight",
    "attention/output/LayerNorm/beta": "attention.output.LayerNorm.bias",
    "intermediate/dense/kernel": "intermediate.dense.weight",
    "intermediate/dense/bias": "intermediate.dense.bias",
    "output/dense/kernel": "output.dense.weight",
    "output/dense/bias": "output.dense.bias",
    "output/LayerNorm/gamma": "output.LayerNorm.weight",
    "output/LayerNorm/beta": "output.LayerNorm.bias",
}
BERT_HEADS = {
    "bert/pooler/dense/kernel": "bert.pooler.dense.weight",
    "bert/pooler/dense/bias": "bert.pooler.dense.bias",
    "cls/predictions/output_bias": "cls.predictions.bias",
    "cls/predictions/transform/dense/kernel": "cls.predictions.transform.dense.weight",
    "cls/predictions/transform/dense/bias": "cls.predictions.transform.dense.bias",
    "cls/predictions/transform/LayerNorm/gamma": "cls.predictions.transform.LayerNorm.weight",
    "cls/predictions/transform/LayerNorm/beta": "cls.predictions.transform.LayerNorm.bias",
    "cls/seq_relationship/output_weights": "cls.seq_relationship.weight",
    "cls/seq_relationship/output_bias": "cls.seq_relationship.bias",
}
ALBERT_LAYER = {
    "attention_1/self/query/kernel": "attention.query.weight",
    "attention_1/self/query/bias": "attention.query.bias",
    "attention_1/self/key/kernel": "attention.key.weight",
    "attention_1/self/key/bias": "attention.key.bias",
    "attention_1/self/value/kernel": "attention.value.weight",
    "attention_1/self/value/bias": "attention.value.bias",
    "attention_1/output/dense/kernel": "attention.dense.weight",
    "attention_1/output/dense/bias": "attention.dense.bias",
    "LayerNorm/gamma": "attention.LayerNorm.weight",
    "LayerNorm/beta": "attention.LayerNorm.bias",
    "ffn_1/intermediate/dense/kernel": "ffn.weight",
    "ffn_1/intermediate/dense/bias": "ffn.bias",
    "ffn_1/intermediate/output/dense/kernel": "ffn_output.weight",
    "ffn_1/intermediate/output/dense/bias": "ffn_output.bias",
    "LayerNorm_1/gamma": "full_layer_layer_norm.weight",
    "LayerNorm_1/beta": "full_layer_layer_norm.bias",
}
ALBERT_OTHERS = {
    "bert/encoder/embedding_hidden_mapping_in/kernel": "albert.encoder.embedding_hidden_mapping_in.weight",
    "bert/encoder/embedding_hidden_mapping_in/bias": "albert.encoder.embedding_hidden_mapping_in.bias",
    "bert/pooler/dense/kernel": "albert.pooler.weight",
    "bert/pooler/dense/bias": "albert.pooler.bias",
    "cls/predictions/output_bias": "predictions.bias",
    "cls/predictions/transform/dense/kernel": "predictions.dense.weight",
    "cls/predictions/transform/dense/bias": "predictions.dense.bias",
    "cls/predictions/transform/LayerNorm/gamma": "predictions.LayerNorm.weight",
    "cls/predictions/transform/LayerNorm/beta": "predictions.LayerNorm.bias",
    "cls/seq_relationship/output_weights": "sop_classifier.classifier.weight",
    "cls/seq_relationship/output_bias": "sop_classifier.classifier.bias",
}


def table(kind: str) -> dict[str, str]:
    """Google's name -> the one in transformers, of the sizes above."""
    names = {google: there.format(kind) for google, there in EMBEDDINGS.items()}
    if kind == "bert":
        for i in range(2):
            layer = {f"bert/encoder/layer_{i}/{g}": f"bert.encoder.layer.{i}.{t}" for g, t in BERT_LAYER.items()}
            names |= layer
        return names | BERT_HEADS
    for i, j in ((0, 0), (0, 1), (1, 0), (1, 1)):
        here = f"bert/encoder/transformer/group_{i}/inner_group_{j}"
        there = f"albert.encoder.albert_layer_groups.{i}.albert_layers.{j}"
        names |= {f"{here}/{g}": f"{there}.{t}" for g, t in ALBERT_LAYER.items()}
    return names | ALBERT_OTHERS


def network(kind: str) -> Any:
    torch.manual_seed(4)
    if kind == "bert":
        model = transformers.BertForPreTraining(transformers.BertConfig(**SIZES))
    else:
        model = transformers.AlbertForPreTraining(transformers.AlbertConfig(**ALBERT_SIZES))
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter)
    return model


def variables(kind: str, weights: dict[str, torch.Tensor], dtype: int = FLOAT) -> list[Tensor]:
    found: list[Tensor] = []
    for google, there in table(kind).items():
        values = weights[there].T.contiguous() if google.endswith("kernel") else weights[there]
        raw = values.bfloat16().view(torch.uint16) if dtype == BFLOAT16 else values
        found.append(Tensor(google, dtype, tuple(values.shape), raw.numpy().tobytes()))
    return found


Change = Callable[[list[Tensor]], list[Tensor]]


def published(folder: Path, kind: str, change: Change = list, **settings: Any) -> dict[str, torch.Tensor]:
    """Write what Google would publish of a random network; returns its weights in transformers."""
    weights = {name: tensor.detach() for name, tensor in network(kind).state_dict().items()}
    write(folder / "bert_model.ckpt", change(variables(kind, weights)))
    sizes = {**(SIZES if kind == "bert" else ALBERT_SIZES), "hidden_act": "gelu", **settings}
    (folder / f"{kind}_config.json").write_text(json.dumps({k: v for k, v in sizes.items() if v is not None}))
    return weights
