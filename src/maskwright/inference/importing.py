"""A model from elsewhere becomes one of our folders, with a certificate of what went where.

The folder is written only after every tensor is accounted for and, where a reference implementation is at hand,
after both have said the same of real text.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from maskwright.checkpoints.config_file import read_config
from maskwright.checkpoints.elmo_hdf5 import find_elmo
from maskwright.checkpoints.folder import ModelFolder, class_of, read_folder, write_folder
from maskwright.checkpoints.foreign import Staged, stage
from maskwright.checkpoints.published_weights import all_tensors
from maskwright.durable import working_folder
from maskwright.errors import BadInput
from maskwright.inference.elmo_importing import import_elmo
from maskwright.manifest import sha256
from maskwright.models import ModelConfig, published
from maskwright.progress import Progress, silent
from maskwright.training.pretraining import network, published_parts

CERTIFICATE = "certificate.json"
TOLERANCE = 1e-4
"""The largest difference to the reference, relative where its values are larger than 1; float32 has 1e-6 to 1e-5."""
Compare = Callable[[Path, Path, ModelConfig, str], dict[str, Any] | None]
"""(our folder, the folder in the one form, shape, class of transformers) -> what was compared; None: no reference."""


def import_model(
    source: str | Path,
    out: str | Path,
    *,
    tokenizer: str | Path | None = None,
    compare: Compare | None = None,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Write the model at `source` as a folder of ours at `out`; its certificate, which is in the folder too.

    source     see `checkpoints.foreign`; or allennlp's ELMo, see `checkpoints.elmo_hdf5`
    tokenizer  where its tokenizer is, if not beside it
    compare    how to compare with a reference

    Raises BadInput, leaving nothing at `out`, for what is no model of ours, is damaged or crafted, or is more than
    1e-4 away from the reference.
    """
    out = Path(out)
    if (elmo := find_elmo(Path(source))) is not None:
        return import_elmo(elmo, out, tokenizer=tokenizer, progress=progress)
    if out.exists():
        raise BadInput(f"{out} exists already: choose another folder or remove it")
    with working_folder(out) as folder:
        progress.say(f"reading {source}")
        staged = stage(source, folder / "staged", tokenizer)
        found = read_folder(staged.folder)
        model = network(found.config, found.heads, "meta")
        names = model.weight_names()
        found.check(names, model)  # before there is memory for what config.json claims
        model = model.to_empty(device="cpu")
        found.fill(names, model)
        certificate = _certificate(staged, found, sum(parameter.numel() for parameter in model.parameters()))
        written, parameters = published_parts(model, pooler=found.has_pooler)
        architecture, _ = class_of(
            published(found.config.model_type), [one for name in written for one in name.published]
        )

        def certify(folder: Path) -> None:
            certificate["written"] = {"class": architecture, "sha256": sha256(folder / "model.safetensors")}
            progress.say("comparing with the reference on text")
            certificate["reference"] = compare(folder, staged.folder, found.config, architecture) if compare else None
            _judge(certificate, source)
            text = json.dumps(certificate, indent=2, ensure_ascii=False) + "\n"
            (folder / CERTIFICATE).write_text(text, encoding="utf-8")

        write_folder(
            out,
            names=written,
            parameters=parameters,
            config=found.config,
            tokenizer=staged.tokenizer,
            facts={"imported from": f"{staged.kind} ({', '.join(file.name for file in staged.files[:4])})"},
            before_done=certify,
        )
    return certificate


def _certificate(staged: Staged, found: ModelFolder, parameters: int) -> dict[str, Any]:
    """Where each tensor of the source went, or why it has no place."""
    used = {stored.name: canonical for canonical, stored in found.weights.items()}
    tensors = [
        {"from": stored.name, "to": used.get(stored.name), "shape": list(stored.shape), "type": stored.dtype}
        for stored in all_tensors(staged.folder)
    ]
    left_out = dict(staged.left_out)
    for tensor in tensors:
        if tensor["to"] is None:
            left_out[str(tensor["from"])] = "a copy of a tied weight, a buffer, or a head of another task"
    said = read_config(staged.folder / "config.json")
    return {
        "source": staged.kind,
        "files": [{"name": file.name, "bytes": file.stat().st_size, "sha256": sha256(file)} for file in staged.files],
        "network": published(found.config.model_type).name,
        "classes": list(said.architectures),
        "heads": found.heads,
        "parameters": parameters,
        "tensors": [tensor for tensor in tensors if tensor["to"] is not None],
        "left_out": left_out,
        "names": "the source's own" if staged.direct else "translated from the source's",
    }


def _judge(certificate: dict[str, Any], source: str | Path) -> None:
    """BadInput where the reference says something else."""
    reference = certificate["reference"]
    if reference is None:
        return
    what, difference = max(reference["differences"].items(), key=lambda one: one[1])
    reference["tolerance"] = TOLERANCE
    if not difference <= TOLERANCE:  # NaN too
        raise BadInput(
            f"{source}: {what} differ by {difference:.2g} from those of {reference['name']}, more than {TOLERANCE:g}: "
            "the model computes something that is not known here, and is not imported"
        )
