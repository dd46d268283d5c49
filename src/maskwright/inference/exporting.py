"""A finished model in the forms that others load: Hugging Face, sentence-transformers."""

import json
from pathlib import Path
from typing import Any, Literal

from maskwright.checkpoints.folder import write_folder
from maskwright.errors import BadInput
from maskwright.inference.encoder import Encoder, load

Form = Literal["hf", "sentence-transformers"]
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
    pooling     of sentences: mean of all tokens, or cls, the first one's vector
    normalize   scale sentence vectors to length 1

    Raises BadInput for a folder that is none, and where `out` is there already.
    """
    out = Path(out)
    if out.exists():
        raise BadInput(f"{out} exists already: choose another folder or remove it")
    encoder = load(model)
    network = encoder.model
    if form == "hf":
        names = [name for name in network.weight_names() if encoder.has_pooler or ".pooler." not in name.ours]
        return write_folder(
            out,
            names=names,
            parameters=dict(network.named_parameters()),
            config=encoder.config,
            tokenizer=encoder.tokenizer,
            facts={"exported from": Path(model).name},
        )
    alone = [name for name in network.encoder.weight_names() if encoder.has_pooler or "pooler." not in name.ours]
    return write_folder(
        out,
        names=alone,
        parameters=dict(network.encoder.named_parameters()),
        config=encoder.config,
        tokenizer=encoder.tokenizer,
        facts={"exported from": Path(model).name, "pooling": pooling, "normalized": normalize},
        before_done=lambda folder: _sentence_transformer(folder, encoder, pooling, normalize=normalize),
    )


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
