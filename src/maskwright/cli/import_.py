"""`maskwright import`: a model from elsewhere as a folder of ours."""

from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from maskwright.cli.results import AsJson, show


def import_(
    source: Path,
    /,
    *,
    out: Annotated[Path, Parameter(name="--out")],
    tokenizer: Annotated[Path | None, Parameter(name="--tokenizer")] = None,
    json: AsJson = False,
) -> None:
    """Bring a model from elsewhere into a folder of ours, with a certificate.

    Reads Hugging Face folders of BERT, RoBERTa, XLM-RoBERTa, ALBERT, SpanBERT and
    XLM (safetensors; pytorch_model.bin in a confined process that runs nothing of
    it), fairseq's RoBERTa (.pt with dict.txt), and TensorFlow 1 checkpoints of
    Google's BERT and ALBERT. The certificate says where every tensor went and,
    where transformers is installed (extra [hf]), how far both are apart on real
    text. Too far apart, damaged or crafted: one line, and nothing is written.

    Args:
        source: A model folder, or a checkpoint's file.
        out: The new folder.
        tokenizer: Where its tokenizer is, if not beside it: a folder or a file.

    Examples:
        maskwright import downloads/bert-base-uncased --out models/bert
        maskwright import roberta.base/model.pt --out models/roberta
        maskwright import uncased_L-12_H-768_A-12 --out models/google-bert --json
    """
    from maskwright.inference.importing import import_model
    from maskwright.lab.certificate import compare
    from maskwright.progress import rich_progress

    certificate = import_model(source, out, tokenizer=tokenizer, compare=compare, progress=rich_progress())
    show({"out": str(out), **certificate}, json=json, text=lambda: _for_people(out, certificate))


def _for_people(out: Path, certificate: dict[str, Any]) -> str:
    reference = certificate["reference"]
    lines = [
        f"{out}: {certificate['network']}, {certificate['parameters']:,} parameters, from {certificate['source']}",
        f"tensors    {len(certificate['tensors']):,} taken, {len(certificate['left_out']):,} left out",
    ]
    lines += [f"           {name}: {why}" for name, why in list(certificate["left_out"].items())[:8]]
    if reference is None:
        lines.append("reference  none is installed: pip install 'maskwright[hf]' compares with transformers")
    else:
        lines.append(f"reference  {reference['name']}, {reference['tokens']:,} tokens of text")
        lines += [f"           {what} differ by at most {d:.1e}" for what, d in reference["differences"].items()]
    return "\n".join(lines)
