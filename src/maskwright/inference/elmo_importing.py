"""allennlp's ELMo becomes one of our folders, with a certificate of what went where."""

import json
from pathlib import Path
from typing import Any

from maskwright.checkpoints.elmo_folder import write_elmo
from maskwright.checkpoints.elmo_hdf5 import Source, read_options, read_weights
from maskwright.durable import working_folder
from maskwright.errors import BadInput
from maskwright.manifest import sha256
from maskwright.models.elmo import ElmoConfig
from maskwright.progress import Progress, silent
from maskwright.tokenizers.loading import load_tokenizer
from maskwright.tokenizers.tokenizer import Tokenizer
from maskwright.tokenizers.words import UNKNOWN, Words, WordsOptions
from maskwright.training.both_ways_lm import both_ways_lm

CERTIFICATE = "certificate.json"


def import_elmo(
    source: Source, out: Path, *, tokenizer: str | Path | None = None, progress: Progress = silent
) -> dict[str, Any]:
    """Write the model as a folder of ours at `out`; its certificate, which is in the folder too.

    tokenizer   how text becomes words. Without one they are cut as BERT cuts them, upper and lower case kept: none
                has to be known, since a word is read by its characters

    Raises BadInput, leaving nothing at `out`, for files that are damaged, crafted, or do not belong together.
    """
    if out.exists():
        raise BadInput(f"{out} exists already: choose another folder or remove it")
    words: Tokenizer = (
        Words([UNKNOWN], WordsOptions(lowercase=False)) if tokenizer is None else load_tokenizer(tokenizer)
    )
    progress.say(f"reading {source.weights}")
    config: ElmoConfig = read_options(source.options, words.vocab_size)
    tensors, left_out = read_weights(source.weights, config)
    wanted = dict(both_ways_lm(config, softmax=False, device="meta").named_parameters())
    parameters = {f"encoder.{name}": tensor for name, tensor in tensors.items()}
    assert {name: part.shape for name, part in parameters.items()} == {name: p.shape for name, p in wanted.items()}
    certificate: dict[str, Any] = {
        "source": "allennlp's ELMo (options.json and HDF5)",
        "files": [{"name": file.name, "bytes": file.stat().st_size, "sha256": sha256(file)} for file in source],
        "network": "ELMo",
        "heads": [],
        "parameters": sum(part.numel() for part in parameters.values()),
        "tensors": [{"to": name, "shape": list(part.shape)} for name, part in parameters.items()],
        "left_out": left_out,
        "reference": None,
    }
    with working_folder(out):
        write_elmo(
            out,
            config=config,
            parameters=parameters,
            tokenizer=words,
            facts={"imported from": f"allennlp ({', '.join(file.name for file in source)})"},
            more={CERTIFICATE: json.dumps(certificate, indent=2, ensure_ascii=False) + "\n"},
        )
    return certificate
