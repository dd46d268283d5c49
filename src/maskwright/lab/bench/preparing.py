"""`bench corpus`: how fast others prepare text, beside `maskwright corpus`, on the same text with the same tokenizer.

ours        the whole: reading, sentences, words, ids, text, checksums, manifest
ids alone   our tokenizer over texts that are in memory already, into Arrow files, as `datasets.map` has it
datasets    `datasets.map` over `tokenizers`, batched, in as many processes; reading the jsonl is not in its time
google      create_training_instances of google-research/bert, as published (dupe_factor 10: each text with ten masks),
            the script itself, if MASKWRIGHT_GOOGLE_BERT names a clone of it; one process, as it has no more
ours, half  the whole on google's text, in all processes, masks left to training, where they cost no time of their own
and masks    the same in one process, and ten epochs of masked batches

The text is that of `bench corpus` in English, drawn sentences of the sample in Chinese.
"""

import importlib.util
import json
import multiprocessing
import os
import random  # noqa: TID251 - Google's script draws from one
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import numpy as np

from maskwright.draws import generator
from maskwright.errors import BadInput
from maskwright.lab.bench.clock import told
from maskwright.lab.bench.corpus import SENTENCES, write_text
from maskwright.lab.bench.turns import Result, Side, in_turn
from maskwright.progress import Progress, silent
from maskwright.text.samples import sample

CLONE = "MASKWRIGHT_GOOGLE_BERT"
MEGABYTES = {"ours": 48, "ids alone": 48, "datasets": 48, "ours, half": 24, "and masks": 24, "google": 24}
ALONE = ("and masks", "google")  # in one process
BESIDE = {"datasets": "ids alone", "google": "ours, half"}
VOCABULARY = 8000
DUPE_FACTOR = 10


def compare(*, rounds: int, workers: int, progress: Progress = silent) -> list[Result]:
    """A row for each side and language: megabytes and characters a second, round by round, in strict turn."""
    from maskwright.corpus.build import build_corpus
    from maskwright.corpus.sources import SampleText

    names = ["ours", "ids alone"]
    if importlib.util.find_spec("datasets") is not None:
        names.append("datasets")
    if os.environ.get(CLONE):
        names += ["ours, half", "and masks", "google"]
    rows: list[Result] = []
    with tempfile.TemporaryDirectory(prefix="maskwright-bench-") as folder:
        for language in ("en", "zh"):
            made = build_corpus(SampleText(language), Path(folder) / f"sample-{language}", vocab_size=VOCABULARY)
            sides: list[Side] = []
            for name in names:
                text = Path(folder) / f"{language}-{MEGABYTES[name]}.jsonl"
                if not text.exists():
                    (write_text if language == "en" else write_chinese)(text, MEGABYTES[name] * 1_000_000)
                given = {
                    "side": name,
                    "language": language,
                    "text": str(text),
                    "tokenizer": str(made.path / "tokenizer"),
                    "workers": 1 if name in ALONE else workers,
                }
                sides.append(Side(name, "preparing", given, {"TOKENIZERS_PARALLELISM": "false", "HF_HUB_OFFLINE": "1"}))
            found = in_turn(sides, rounds, workers, name=f"preparing {language}", progress=progress)
            rows += [
                {
                    "side": side.name,
                    "language": language,
                    "workers": side.given["workers"],
                    **{key: [one[key] for one in found[side.name]] for key in found[side.name][0]},
                }
                for side in sides
            ]
    return rows


def write_chinese(path: Path, size: int) -> int:
    """jsonl of at least `size` bytes of drawn Chinese sentences; how many bytes it has."""
    sentences = [sentence for chapter in sample("zh") for sentence in chapter.sentences]
    written = document = 0
    with path.open("wb") as file:
        while written < size:
            drawn = generator(0, "bench text", document).integers(0, len(sentences), SENTENCES)
            text = "".join(sentences[i] for i in drawn.tolist())
            written += file.write(json.dumps({"text": text}, ensure_ascii=False).encode() + b"\n")
            document += 1
    return written


def measure(*, side: str, language: str, text: str, tokenizer: str, workers: int) -> dict[str, Any]:
    """One side at work on one text."""
    sides = {"ids alone": _ids, "and masks": _masked, "datasets": _datasets, "google": _google}
    run = sides.get(side, _ours)
    with tempfile.TemporaryDirectory(prefix="maskwright-bench-") as folder:
        seconds, tokens = run(language, text, tokenizer, workers, Path(folder))
    characters = sum(len(json.loads(line)["text"]) for line in Path(text).read_bytes().splitlines())
    return {
        "megabytes_per_second": Path(text).stat().st_size / 1e6 / seconds,
        "characters_per_second": characters / seconds,
        "tokens": tokens,
    }


def _ours(language: Any, text: str, tokenizer: str, workers: int, folder: Path) -> tuple[float, int]:
    from maskwright.corpus.build import build_corpus

    begin = time.perf_counter()
    made = build_corpus([text], folder / "c", language=language, tokenizer=tokenizer, workers=workers)
    return time.perf_counter() - begin, sum(split.tokens for split in made.manifest.splits.values())


def _ids(language: str, text: str, tokenizer: str, workers: int, folder: Path) -> tuple[float, int]:
    texts = [json.loads(line)["text"] for line in Path(text).read_bytes().splitlines()]
    begin = time.perf_counter()
    with multiprocessing.get_context("fork").Pool(workers) as pool:
        tasks = [(tokenizer, texts[place::workers], str(folder / f"{place}.arrow")) for place in range(workers)]
        counts = pool.starmap(write_ids, tasks, chunksize=1)
    return time.perf_counter() - begin, sum(counts)


def write_ids(tokenizer: str, texts: list[str], path: str) -> int:
    """The ids of texts, a row a text, into an Arrow file; how many they are."""
    import pyarrow as pa

    from maskwright.tokenizers.loading import load_tokenizer

    encoded = load_tokenizer(tokenizer).encode_sentences(texts)
    offsets = np.concatenate([[0], np.cumsum(encoded.lengths)])
    ids = pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), pa.array(encoded.token_ids))
    batch = pa.RecordBatch.from_arrays([ids], ["token_ids"])
    with pa.OSFile(path, "wb") as file, pa.ipc.new_file(file, batch.schema) as writer:
        writer.write_batch(batch)
    return len(encoded.token_ids)


def _masked(language: Any, text: str, tokenizer: str, workers: int, folder: Path) -> tuple[float, int]:
    from maskwright.corpus.read import Corpus
    from maskwright.objectives.masked_lm import MasksConfig
    from maskwright.objectives.masked_sequences import MaskedSequences
    from maskwright.objectives.segment_pairs import SegmentPairs
    from maskwright.objectives.stream import Stream
    from maskwright.tokenizers.wordpiece import WordPiece

    building, _ = _ours(language, text, tokenizer, workers, folder)
    begin = time.perf_counter()
    made = Corpus.open(folder / "c")
    assert isinstance(made.tokenizer, WordPiece)
    pairs = SegmentPairs(cls_id=made.tokenizer.cls_id, sep_id=made.tokenizer.sep_id)
    data = MaskedSequences(
        [Stream(made.train, pairs, seed=0)], [], made.tokenizer, MasksConfig(),
        batch_sequences=256, micro_sequences=256, held_out_sequences=0, seed=0, steps=1,
    )  # fmt: skip
    steps = sum(data.epoch_sequences(epoch) for epoch in range(DUPE_FACTOR)) // 256 + 1
    masked = sum(batch.num_tokens for step in range(steps) for batch in data.batches(step))
    return building + time.perf_counter() - begin, masked


def _datasets(language: str, text: str, tokenizer: str, workers: int, folder: Path) -> tuple[float, int]:
    from datasets import disable_progress_bars, load_dataset  # pyright: ignore[reportMissingImports] - an extra
    from tokenizers import Tokenizer

    disable_progress_bars()
    rows: Any = load_dataset("json", data_files=text, split="train", cache_dir=str(folder))
    known = Tokenizer.from_file(f"{tokenizer}/tokenizer.json")

    def ids(batch: dict[str, list[str]]) -> dict[str, list[list[int]]]:
        found = known.encode_batch_fast(batch["text"], add_special_tokens=False)
        return {"token_ids": [encoding.ids for encoding in found]}

    begin = time.perf_counter()
    mapped: Any = rows.map(ids, batched=True, num_proc=workers, remove_columns=["text"])
    seconds = time.perf_counter() - begin
    return seconds, sum(len(row) for row in mapped["token_ids"])


def _google(language: str, text: str, tokenizer: str, workers: int, folder: Path) -> tuple[float, int]:
    rules, script = _script("tokenization"), _script("create_pretraining_data")
    lines = folder / "text.txt"
    _as_sentences(Path(text), lines, language)
    known = rules.FullTokenizer(f"{tokenizer}/vocab.txt", do_lower_case=True)
    begin = time.perf_counter()
    made = script.create_training_instances([str(lines)], known, 128, DUPE_FACTOR, 0.1, 0.15, 20, random.Random(0))
    return time.perf_counter() - begin, sum(len(instance.tokens) for instance in made)


def _as_sentences(text: Path, lines: Path, language: str) -> None:
    """Google's script wants a sentence a line; finding them is not in its time."""
    from maskwright.text.sentences import split_sentences

    with lines.open("w", encoding="utf-8") as file:
        for row in text.read_bytes().splitlines():
            file.write("\n".join(split_sentences(json.loads(row)["text"], language)) + "\n\n")


def _script(name: str) -> ModuleType:
    """A script of the clone, with something in TensorFlow's place that opens files and holds flags."""
    place = Path(os.environ[CLONE]) / f"{name}.py"
    if not place.is_file():
        raise BadInput(f"{CLONE} is {place.parent}, and there is no {place.name}: name a clone of google-research/bert")
    tensorflow = sys.modules.setdefault("tensorflow", MagicMock())
    tensorflow.gfile.GFile = partial(open, encoding="utf-8")
    tensorflow.flags.FLAGS = SimpleNamespace(do_whole_word_mask=False)
    sys.modules.setdefault("six", MagicMock(PY2=False, PY3=True))
    spec = importlib.util.spec_from_file_location(name, place)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    told(measure)
