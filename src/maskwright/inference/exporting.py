"""A finished model in the forms that others load: Hugging Face, sentence-transformers, TensorFlow 1."""

import json
from pathlib import Path
from typing import Any, Literal

from maskwright.checkpoints.folder import write_folder
from maskwright.checkpoints.google_weights import write_google_bert
from maskwright.checkpoints.published import publish
from maskwright.errors import BadInput
from maskwright.inference.encoder import Encoder, load
from maskwright.models.bert import BertConfig
from maskwright.tokenizers.wordpiece import WordPiece
from maskwright.training.pretraining import Pretraining, published_parts

Form = Literal["hf", "sentence-transformers", "tf1"]
Pooling = Literal["mean", "cls"]
MODES = ("cls_token", "mean_tokens", "max_tokens", "mean_sqrt_len_tokens", "weightedmean_tokens", "lasttoken")
"""What sentence-transformers' `Pooling` can be told, as `pooling_mode_` keys."""


def export_model(
    model: str | Path,
    out: str | Path,
    form: Form = "hf",
    *,
    pooling: Pooling = "mean",
    normalize: bool = False,
) -> Path:
    """Write the model folder `model` at `out` in another form; returns `out`.

    form        hf: what stock transformers loads, with every head it has a class for
                sentence-transformers: the encoder with modules.json and a pooling of token vectors
                tf1: Google's checkpoint of a BERT, with bert_config.json and vocab.txt
    pooling     of sentences: mean of all tokens, or cls, the first one's vector
    normalize   scale sentence vectors to length 1

    Raises BadInput for a folder that is none, where `out` is there already, and for a form that the network or its
    tokenizer has not.
    """
    out = Path(out)
    if out.exists():
        raise BadInput(f"{out} exists already: choose another folder or remove it")
    encoder = load(model)
    network = encoder.model
    if form == "tf1":
        return _google(encoder, out)
    if form == "hf":
        task = encoder.task
        if task is None:
            names, parameters = published_parts(network, pooler=encoder.has_pooler)
        else:
            names, parameters = task.model.weight_names(), dict(task.model.named_parameters())
        return write_folder(
            out,
            names=names,
            parameters=parameters,
            config=encoder.config,
            tokenizer=encoder.tokenizer,
            facts={"exported from": Path(model).name},
            task=None if task is None else task.part,
        )
    names, parameters = published_parts(Pretraining(network.encoder, {}), pooler=encoder.has_pooler)
    return write_folder(
        out,
        names=names,
        parameters=parameters,
        config=encoder.config,
        tokenizer=encoder.tokenizer,
        facts={"exported from": Path(model).name, "pooling": pooling, "normalized": normalize},
        before_done=lambda folder: _sentence_transformer(folder, encoder, pooling, normalize=normalize),
    )


def _google(encoder: Encoder, out: Path) -> Path:
    """Google's form; vocab.txt goes into the folder as well."""
    config, tokenizer = encoder.config, encoder.tokenizer
    if encoder.task is not None:
        raise BadInput("Google's form has no head of a task: export it as hf, or the encoder that it was made from")
    if not isinstance(config, BertConfig) or not isinstance(tokenizer, WordPiece):
        raise BadInput(
            f"Google's TensorFlow code has a BERT with WordPiece; this is {config.model_type} with {tokenizer.kind}: "
            "export it as hf"
        )
    names = [name for name in encoder.model.weight_names() if encoder.has_pooler or ".pooler." not in name.ours]
    tensors = publish(names, dict(encoder.model.named_parameters()))
    write_google_bert(out, tensors, config, more={"vocab.txt": tokenizer.files()["vocab.txt"]})
    return out


def _sentence_transformer(folder: Path, encoder: Encoder, pooling: Pooling, *, normalize: bool) -> None:
    """The files by which sentence-transformers knows what to do after the network."""
    modules = [("", "Transformer"), ("1_Pooling", "Pooling"), *([("2_Normalize", "Normalize")] if normalize else [])]
    listed = [
        {"idx": place, "name": str(place), "path": path, "type": f"sentence_transformers.models.{name}"}
        for place, (path, name) in enumerate(modules)
    ]
    chosen = {"mean": "mean_tokens", "cls": "cls_token"}[pooling]
    pooled: dict[str, Any] = {"word_embedding_dimension": encoder.config.hidden_size}
    pooled |= {f"pooling_mode_{mode}": mode == chosen for mode in MODES}
    _write(folder / "modules.json", listed)
    _write(folder / "1_Pooling" / "config.json", {**pooled, "include_prompt": True})
    _write(folder / "sentence_bert_config.json", {"max_seq_length": encoder.config.longest, "do_lower_case": False})
    if normalize:
        (folder / "2_Normalize").mkdir()


def _write(path: Path, value: object) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")
