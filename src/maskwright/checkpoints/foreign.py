"""Models as others keep them, brought to one form: config.json and safetensors under Hugging Face's names.

    a Hugging Face folder with safetensors               taken as it is
    the same with pytorch_model.bin, also in shards      its pickles read in a confined process, see `torch_files`
    fairseq's RoBERTa: NAME.pt with dict.txt beside it   likewise, and renamed (`fairseq`)
    Google's BERT or ALBERT: NAME.ckpt.index and .data   read without TensorFlow (`tensor_bundle`), and renamed

Nothing here looks at values; `read_folder` does that afterwards, as with any folder.
"""

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor

from maskwright.checkpoints.config_file import CONFIG, read_json
from maskwright.checkpoints.fairseq import byte_level_tokens, read_dictionary, roberta_config, roberta_tensors
from maskwright.checkpoints.google_weights import CONFIGS, read_google
from maskwright.checkpoints.google_xlnet import XLNET_CONFIG, read_google_xlnet
from maskwright.checkpoints.published_weights import INDEX, WEIGHTS
from maskwright.checkpoints.tensor_file import read_tensors, write_tensors
from maskwright.checkpoints.torch_files.folder import TORCH_INDEX, TORCH_WEIGHTS, read_torch_folder
from maskwright.checkpoints.torch_files.guarded import read_torch_file
from maskwright.errors import BadInput
from maskwright.tokenizers.byte_bpe import ByteBPE
from maskwright.tokenizers.files import WordPieceOptions
from maskwright.tokenizers.json_file import read_text
from maskwright.tokenizers.loading import load_tokenizer
from maskwright.tokenizers.tokenizer import Tokenizer
from maskwright.tokenizers.unigram import Unigram
from maskwright.tokenizers.unigram_files import XLM_ROBERTA_FILE
from maskwright.tokenizers.wordpiece import WordPiece

DICTIONARY = "dict.txt"
RENAMED = {"<s>": "[CLS]", "<pad>": "[PAD]", "</s>": "[SEP]", "<unk>": "[UNK]", "<mask>": "[MASK]"}
"""fairseq's special tokens by the names they have in a vocabulary of whole words."""


class Staged(NamedTuple):
    """A model in the one form.

    kind        what it was
    folder      config.json and the tensors
    files       what was read, for the record
    left_out    tensors and values that have no place in the model, and why
    direct      whether the tensors are the source's own, under its own names
    """

    kind: str
    folder: Path
    tokenizer: Tokenizer
    files: tuple[Path, ...]
    left_out: Mapping[str, str]
    direct: bool


def stage(source: str | Path, work: Path, tokenizer: str | Path | None = None) -> Staged:
    """Bring the model at `source` to the one form, in the new folder `work` where something must be written.

    tokenizer   where its tokenizer is, if not beside it

    Raises BadInput, in one line, for what is none of the kinds, and as the readers do.
    """
    source = Path(source)
    if source.is_dir():
        if (source / CONFIG).is_file() and ((source / WEIGHTS).is_file() or (source / INDEX).is_file()):
            return _safetensors(source, tokenizer)
        if (source / CONFIG).is_file() and ((source / TORCH_WEIGHTS).is_file() or (source / TORCH_INDEX).is_file()):
            return _torch_folder(source, work, tokenizer)
        if (source / "model" / CONFIG).is_file():
            raise BadInput(f"{source} is a run: its model, {source / 'model'}, needs no import")
        if fairseq := sorted([*source.glob("*.pt"), *source.glob("*.pth")]):
            return _fairseq(_only(fairseq, source), work, tokenizer)
        if google := sorted(source.glob("*.index")):
            return _google(_only(google, source), work, tokenizer)
    elif source.suffix in (".pt", ".pth"):
        return _fairseq(source, work, tokenizer)
    elif (index := source if source.suffix == ".index" else source.with_name(f"{source.name}.index")).is_file():
        return _google(index, work, tokenizer)
    elif not source.exists():
        raise BadInput(f"{source} is not there: name a folder, a .pt file of fairseq, or a .ckpt of TensorFlow 1")
    raise BadInput(
        f"{source} is no model that is known here: a Hugging Face folder has {CONFIG} with {WEIGHTS} or "
        f"{TORCH_WEIGHTS}, fairseq's has a .pt file and {DICTIONARY}, TensorFlow's NAME.index and NAME.data-*"
    )


def _safetensors(source: Path, tokenizer: str | Path | None) -> Staged:
    files = sorted([*source.glob("*.safetensors"), source / CONFIG])
    return Staged(
        "Hugging Face folder, safetensors", source, load_tokenizer(tokenizer or source), tuple(files), {}, direct=True
    )


def _torch_folder(source: Path, work: Path, tokenizer: str | Path | None) -> Staged:
    read_tokenizer = load_tokenizer(tokenizer or source)  # before the long work
    read_json(source / CONFIG)
    read = read_torch_folder(source, out=work)
    shutil.copyfile(source / CONFIG, work / CONFIG)
    dropped = {name: "no tensor" for one in read for name in one.dropped}
    files = (source / CONFIG, *sorted(source.glob("pytorch_model*")))
    return Staged("Hugging Face folder, pickle", work, read_tokenizer, files, dropped, direct=True)


def _fairseq(file: Path, work: Path, tokenizer: str | Path | None) -> Staged:
    work.mkdir()
    read = read_torch_file(file, out=work / "read.safetensors")
    tensors = read_tensors(work / "read.safetensors")
    named = roberta_tensors(tensors)
    config = roberta_config(read.values, named)
    beside = file.parent / DICTIONARY
    if tokenizer is None and not beside.is_file():
        raise BadInput(f"{beside} is missing: put it beside {file.name}, or give --tokenizer")
    made = load_tokenizer(tokenizer) if tokenizer is not None else _of_dictionary(beside, config["vocab_size"])
    _write(work, config, named)
    (work / "read.safetensors").unlink()
    left = dict.fromkeys(read.dropped, "no tensor")
    other = [name for name in tensors if "classification_heads" in name]
    left |= dict.fromkeys(other, "head of another task")
    files = (file, *([beside] if tokenizer is None else []))
    return Staged("fairseq checkpoint", work, made, files, left, direct=False)


def _google(index: Path, work: Path, tokenizer: str | Path | None) -> Staged:
    vocabularies = [*sorted(index.parent.glob("*.model")), index.parent / "vocab.txt"]
    beside = next((path for path in vocabularies if path.is_file()), None)
    if tokenizer is None and beside is None:
        raise BadInput(f"{index.parent} has no vocab.txt and no SentencePiece .model: give --tokenizer")
    made = load_tokenizer(tokenizer or beside or index.parent)
    is_xlnet = (index.parent / XLNET_CONFIG).is_file()
    read = (read_google_xlnet if is_xlnet else read_google)(index.with_suffix(""))
    work.mkdir()
    _write(work, read.config, read.tensors)
    left = dict.fromkeys(read.left_out, "the optimizer's, a counter, or a head of another task")
    data = sorted(index.parent.glob(f"{index.stem}.data-*"))
    configs = [path for name in (*CONFIGS.values(), XLNET_CONFIG) if (path := index.parent / name).is_file()]
    return Staged("TensorFlow 1 checkpoint of Google's", work, made, (index, *data, *configs), left, direct=False)


def _of_dictionary(path: Path, vocab_size: int) -> Tokenizer:
    """By the files beside it: XLM-RoBERTa's SentencePiece model, GPT-2's byte-level BPE; else whole words."""
    tokens = read_dictionary(path, vocab_size)
    if (model := path.parent / XLM_ROBERTA_FILE).is_file():
        made = Unigram.load(model)
        if list(made.tokens) != list(tokens):
            raise BadInput(f"{model} has {made.vocab_size} pieces that are not the {len(tokens)} of {path}, in order")
        return made
    encoder, merges = path.parent / "encoder.json", path.parent / "vocab.bpe"
    if encoder.is_file() and merges.is_file():
        lines = read_text(merges).split("\n")
        pairs = [tuple(line.split(" ")) for line in lines if line and not line.startswith("#version")]
        if bad := next((pair for pair in pairs if len(pair) != 2), None):
            raise BadInput(f"{merges}: {' '.join(bad)[:60]!r} is no merge of two pieces")
        pieces = {str(piece): int(number) for piece, number in read_json(encoder).items() if type(number) is int}
        return ByteBPE(byte_level_tokens(tokens, pieces), [(a, b) for a, b in pairs], where=path)
    if sum(token.isdecimal() for token in tokens) > len(tokens) // 2:
        raise BadInput(
            f"{path} holds numbers of GPT-2's pieces: put encoder.json and vocab.bpe of GPT-2 beside it, "
            "or give --tokenizer"
        )
    words = [RENAMED.get(token, token) for token in tokens]
    return WordPiece(words, WordPieceOptions(lowercase=False), where=str(path))


def _write(work: Path, config: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
    (work / CONFIG).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    write_tensors(work / WEIGHTS, tensors, {"format": "pt"})


def _only(files: Sequence[Path], source: Path) -> Path:
    if len(files) > 1:
        raise BadInput(
            f"{source} has {len(files)} checkpoints, {files[0].name} and {files[1].name} among them: name one"
        )
    return files[0]
