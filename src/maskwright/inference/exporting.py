"""A finished model in the forms that others load: Hugging Face, sentence-transformers, TensorFlow 1."""

from pathlib import Path
from typing import Any, Literal

from maskwright.checkpoints.folder import POOLER, write_folder
from maskwright.checkpoints.google_weights import write_google_bert
from maskwright.checkpoints.published import publish
from maskwright.checkpoints.sentence_vectors import SentenceVectors, write_sentence_vectors
from maskwright.checkpoints.task_folder import TASK, TaskFile, write_composite
from maskwright.errors import BadInput
from maskwright.inference.encoder import Encoder
from maskwright.inference.encoder_loading import load
from maskwright.models.bert import BertConfig
from maskwright.tasks.answering import Task
from maskwright.tokenizers.wordpiece import WordPiece
from maskwright.training.adapted import Adapted
from maskwright.training.finetuning import Finetuning
from maskwright.training.pretraining import Pretraining, published_parts

Form = Literal["hf", "sentence-transformers", "tf1"]
Pooling = Literal["mean", "cls"]


def export_model(
    model: str | Path,
    out: str | Path,
    form: Form = "hf",
    *,
    pooling: Pooling | None = None,
    normalize: bool | None = None,
) -> Path:
    """Write the model folder `model` at `out` in another form; returns `out`.

    form        hf: what stock transformers loads, with every head it has a class for
                sentence-transformers: the encoder with modules.json and a pooling of token vectors
                an adapter is merged: the folder is a plain one that answers the same
                tf1: Google's checkpoint of a BERT, with bert_config.json and vocab.txt
    pooling     of sentences: mean of all tokens, or cls, the first one's vector; None: as the folder says, else mean
    normalize   scale sentence vectors to length 1; None: as the folder says where nobody names a pooling, else no

    Raises BadInput for a folder that is none, where `out` is there already, and for a form that the network or its
    tokenizer has not.
    """
    out = Path(out)
    if out.exists():
        raise BadInput(f"{out} exists already: choose another folder or remove it")
    encoder = load(model)
    network = encoder.model
    if encoder.task is not None and encoder.task.above is not None:
        return _composite(encoder, encoder.task, encoder.task.above, out, form, {"exported from": Path(model).name})
    if encoder.task is not None and isinstance(encoder.task.model, Adapted) and form != "hf":
        raise BadInput(f"{model} is an adapter: export it as hf, which merges it, and that folder as {form}")
    if form == "tf1":
        return _google(encoder, out)
    if form == "hf":
        task = encoder.task
        if task is None:
            names, parameters = published_parts(network, pooler=encoder.has_pooler)
        elif isinstance(task.model, Adapted):
            names, parameters = task.model.weight_names(), task.model.merged()
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
    said = encoder.sentences if pooling is None and encoder.sentences else SentenceVectors(pooling or "mean", False)
    made = said if normalize is None else said._replace(normalize=normalize)
    names, parameters = published_parts(Pretraining(network.encoder, {}), pooler=encoder.has_pooler)
    return write_folder(
        out,
        names=names,
        parameters=parameters,
        config=encoder.config,
        tokenizer=encoder.tokenizer,
        facts={"exported from": Path(model).name, "pooling": made.pooling, "normalized": made.normalize},
        before_done=lambda folder: write_sentence_vectors(
            folder, made, hidden=encoder.config.hidden_size, length=encoder.config.longest
        ),
    )


def _composite(encoder: Encoder, task: Task, above: TaskFile, out: Path, form: Form, facts: dict[str, Any]) -> Path:
    """The encoder's folder with the two files of what stands above it."""
    if form != "hf":
        raise BadInput(f"{TASK} stands above this encoder, which {form} has no place for: export it as hf")
    assert isinstance(task.model, Finetuning)
    names = [
        name for name in task.model.encoder.weight_names() if encoder.has_pooler or not name.ours.startswith(POOLER)
    ]
    parameters = dict(task.model.named_parameters())
    return write_composite(
        out,
        above,
        task.model,
        names=names,
        parameters=parameters,
        config=encoder.config,
        tokenizer=encoder.tokenizer,
        facts=facts,
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
