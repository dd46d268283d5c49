"""Does an imported model say of real text what the reference implementation says? Asked of transformers, where it is.

The reference reads the tensors as they came, under a config.json that we wrote: nothing of the source's is executed.
"""

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from maskwright.batch import flat_batch
from maskwright.inference.encoder import Encoder
from maskwright.inference.encoder_loading import load
from maskwright.models import ModelConfig, module_of, segments_of
from maskwright.text.samples import sample
from maskwright.tokenizers.pairs import EncodedPair

TEXTS = 12
LONGEST = 128  # tokens of a text


@torch.inference_mode()
def compare(ours: Path, staged: Path, config: ModelConfig, architecture: str) -> dict[str, Any] | None:
    """The largest differences over sentences of both sample texts; None where transformers is not installed.

    ours, staged   our folder, and the one the tensors came in
    architecture   the class of transformers with the model's heads

    Differences are relative where the reference's values are larger than 1.
    """
    os.environ.setdefault("HF_HUB_OFFLINE", "1")  # it is read when the library is imported
    try:
        import transformers
    except ImportError:
        return None
    transformers.logging.set_verbosity_error()  # pyright: ignore[reportPrivateImportUsage]
    transformers.logging.disable_progress_bar()  # pyright: ignore[reportPrivateImportUsage]
    encoder = load(ours)
    with tempfile.TemporaryDirectory(prefix="maskwright-reference-") as folder:
        theirs, missing = _reference(transformers, Path(folder), staged, config, architecture)
    differences: dict[str, float] = {}
    texts = list(_texts(encoder))
    for one in texts:
        for what, (a, b) in _both(encoder, theirs, one, missing).items():
            differences[what] = max(differences.get(what, 0.0), _distance(a, b))
    return {
        "name": f"transformers {transformers.__version__}, {architecture}",
        "texts": len(texts),
        "tokens": sum(len(one.ids) for one in texts),
        "differences": differences,
    }


def _reference(library: Any, folder: Path, staged: Path, config: ModelConfig, architecture: str) -> tuple[Any, str]:
    """The reference with the tensors as they came, and the names it missed, joined."""
    settings = {"architectures": [architecture], **module_of(config.model_type).config_json(config), "dtype": "float32"}
    (folder / "config.json").write_text(json.dumps(settings), encoding="utf-8")
    for file in [*staged.glob("*.safetensors"), *staged.glob("*.safetensors.index.json")]:
        try:
            os.link(file, folder / file.name)
        except OSError:
            shutil.copyfile(file, folder / file.name)
    made, info = getattr(library, architecture).from_pretrained(
        folder, local_files_only=True, output_loading_info=True, dtype=torch.float32
    )
    return made.eval(), " ".join(info["missing_keys"])


def _texts(encoder: Encoder) -> Iterator[EncodedPair]:
    """Sentences of both samples and pairs of them, as the model's own tokenizer cuts them."""
    english, chinese = sample("en")[3].sentences, sample("zh")[3].sentences
    given: list[Any] = [*english[: TEXTS // 2], *chinese[: TEXTS // 4]]
    given += list(zip(english[20 : 20 + TEXTS // 4], english[30 : 30 + TEXTS // 4], strict=True))
    yield from encoder.tokenizer.encode_pairs(given, max_length=min(LONGEST, encoder.config.longest), truncate=True)


def _both(encoder: Encoder, theirs: Any, one: EncodedPair, missing: str) -> dict[str, tuple[Tensor, Tensor]]:
    """What both say of a text: hidden states of every layer, and the logits of every head."""
    model, ids = encoder.model, np.asarray(one.ids, dtype=np.int64)
    ends = np.array([0, len(ids)])
    inputs = {"input_ids": torch.from_numpy(ids)[None]}
    if "token_type_ids" not in model.encoder.reads:
        languages = np.zeros(len(ids), np.int64) if "language_ids" in model.encoder.reads else None
        batch = flat_batch(ids, ends, language_ids=languages)
        if languages is not None:
            inputs["langs"] = torch.zeros_like(inputs["input_ids"])
    else:
        types = np.minimum(np.asarray(one.type_ids, dtype=np.int64), segments_of(encoder.config) - 1)
        batch = flat_batch(ids, ends, types)
        inputs["token_type_ids"] = torch.from_numpy(types)[None]
    states = model.encoder.hidden_states(batch)
    out = theirs(**inputs, output_hidden_states=True)
    both = {"hidden states": (torch.stack(states), torch.stack([state[0] for state in out.hidden_states]))}
    heads: dict[str, Any] = dict(model.heads.items())
    asked = {"mlm": "logits of masked tokens", "plm": "logits of tokens", "lm": "logits of next tokens"}
    for name, what in asked.items():
        if name in heads:
            scores = heads[name].scores(states[-1], model.encoder.token_table)
            both[what] = (scores, _output(out, "prediction_logits")[0])
    for name, output in (("nsp", "seq_relationship_logits"), ("sop", "sop_logits")):
        if name in heads and "pooler" not in missing:
            pooled = model.encoder.pooled(states[-1], batch)  # pyright: ignore[reportAttributeAccessIssue]
            both["logits of pairs"] = (heads[name](pooled), _output(out, output))
    return both


def _output(out: Any, name: str) -> Tensor:
    """A head's logits: under a name of their own in classes with two heads."""
    found = getattr(out, name, None)
    return out.logits if found is None else found


def _distance(ours: Tensor, theirs: Tensor) -> float:
    return float((ours - theirs).abs().max() / max(1.0, float(theirs.abs().max())))
