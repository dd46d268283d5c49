"""The names of Google's BERT and ALBERT checkpoints beside those of Hugging Face, with each tensor's shape.

google-research/bert `modeling.py`, `run_pretraining.py`; google-research/albert, the same files. A `kernel` is
(in, out) there and (out, in) here: it is transposed on its way. Shapes are letters:

    V tokens   P positions   G segments   E width of the embeddings   H width of the layers   F of the feed-forward
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

KERNEL = "/kernel"


class GoogleName(NamedTuple):
    """One tensor.

    google      its name in Google's checkpoint
    published   its name in `BertForPreTraining` or `AlbertForPreTraining` of transformers
    shape       as published: letters of the sizes, "2" for two classes
    """

    google: str
    published: str
    shape: str

    @property
    def transposed(self) -> bool:
        """Whether Google stores the other axis first."""
        return self.google.endswith(KERNEL)


def bert_names(num_hidden_layers: int) -> list[GoogleName]:
    """Every tensor of a BERT with both its heads, in the order of the network; E is H."""
    names = [*_embeddings("bert", "H")]
    for i in range(num_hidden_layers):
        here, there = f"bert/encoder/layer_{i}", f"bert.encoder.layer.{i}"
        for part in ("query", "key", "value"):
            names += _linear(f"{here}/attention/self/{part}", f"{there}.attention.self.{part}", "HH")
        names += _linear(f"{here}/attention/output/dense", f"{there}.attention.output.dense", "HH")
        names += _norm(f"{here}/attention/output/LayerNorm", f"{there}.attention.output.LayerNorm", "H")
        names += _linear(f"{here}/intermediate/dense", f"{there}.intermediate.dense", "FH")
        names += _linear(f"{here}/output/dense", f"{there}.output.dense", "HF")
        names += _norm(f"{here}/output/LayerNorm", f"{there}.output.LayerNorm", "H")
    return [
        *names,
        *_linear("bert/pooler/dense", "bert.pooler.dense", "HH"),
        GoogleName("cls/predictions/output_bias", "cls.predictions.bias", "V"),
        *_linear("cls/predictions/transform/dense", "cls.predictions.transform.dense", "HH"),
        *_norm("cls/predictions/transform/LayerNorm", "cls.predictions.transform.LayerNorm", "H"),
        *_classes("cls.seq_relationship"),
    ]


def albert_names(num_hidden_groups: int, inner_group_num: int) -> list[GoogleName]:
    """Every tensor of an ALBERT with both its heads, in the order of the network; layers of a group share theirs."""
    names = [
        *_embeddings("albert", "E"),
        *_linear("bert/encoder/embedding_hidden_mapping_in", "albert.encoder.embedding_hidden_mapping_in", "HE"),
    ]
    for i in range(num_hidden_groups):
        for j in range(inner_group_num):
            here = f"bert/encoder/transformer/group_{i}/inner_group_{j}"
            there = f"albert.encoder.albert_layer_groups.{i}.albert_layers.{j}"
            for part in ("query", "key", "value"):
                names += _linear(f"{here}/attention_1/self/{part}", f"{there}.attention.{part}", "HH")
            names += _linear(f"{here}/attention_1/output/dense", f"{there}.attention.dense", "HH")
            names += _norm(f"{here}/LayerNorm", f"{there}.attention.LayerNorm", "H")
            names += _linear(f"{here}/ffn_1/intermediate/dense", f"{there}.ffn", "FH")
            names += _linear(f"{here}/ffn_1/intermediate/output/dense", f"{there}.ffn_output", "HF")
            names += _norm(f"{here}/LayerNorm_1", f"{there}.full_layer_layer_norm", "H")
    return [
        *names,
        *_linear("bert/pooler/dense", "albert.pooler", "HH"),
        GoogleName("cls/predictions/output_bias", "predictions.bias", "V"),
        *_linear("cls/predictions/transform/dense", "predictions.dense", "EH"),
        *_norm("cls/predictions/transform/LayerNorm", "predictions.LayerNorm", "E"),
        *_classes("sop_classifier.classifier"),
    ]


def published_name(names: Sequence[GoogleName], google: str) -> str | None:
    """The name in transformers, None for what the table lacks.

    >>> published_name(bert_names(1), "bert/encoder/layer_0/attention/self/query/kernel")
    'bert.encoder.layer.0.attention.self.query.weight'
    """
    return next((name.published for name in names if name.google == google), None)


def google_name(names: Sequence[GoogleName], published: str) -> str | None:
    """The name in Google's checkpoint, None for what the table lacks.

    >>> google_name(albert_names(1, 1), "albert.encoder.albert_layer_groups.0.albert_layers.0.ffn_output.weight")
    'bert/encoder/transformer/group_0/inner_group_0/ffn_1/intermediate/output/dense/kernel'
    """
    return next((name.google for name in names if name.published == published), None)


def _embeddings(published: str, width: str) -> Iterator[GoogleName]:
    here, there = "bert/embeddings", f"{published}.embeddings"
    for table, rows in (("word", "V"), ("position", "P"), ("token_type", "G")):
        yield GoogleName(f"{here}/{table}_embeddings", f"{there}.{table}_embeddings.weight", rows + width)
    yield from _norm(f"{here}/LayerNorm", f"{there}.LayerNorm", width)


def _linear(google: str, published: str, shape: str) -> Iterator[GoogleName]:
    yield GoogleName(google + KERNEL, f"{published}.weight", shape)
    yield GoogleName(f"{google}/bias", f"{published}.bias", shape[0])


def _norm(google: str, published: str, width: str) -> Iterator[GoogleName]:
    yield GoogleName(f"{google}/gamma", f"{published}.weight", width)
    yield GoogleName(f"{google}/beta", f"{published}.bias", width)


def _classes(published: str) -> Iterator[GoogleName]:
    """The head of next sentence prediction or sentence order, whose weights Google stores as (out, in)."""
    yield GoogleName("cls/seq_relationship/output_weights", f"{published}.weight", "2H")
    yield GoogleName("cls/seq_relationship/output_bias", f"{published}.bias", "2")
