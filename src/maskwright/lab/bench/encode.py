"""`bench encode`: our vectors of texts beside those of sentence-transformers, in float32, bfloat16 and int8.

All sides encode the same texts of mixed lengths, tokenising included, pooled as the folder says (else by the mean, as
the graph in its two forms always is), in batches of their own.
sentence-transformers' way by onnxruntime needs optimum, which no transformers 5 goes with; so that side runs the same
graph in the same batches without it (`encode_onnx`). What each side's vectors are worth is their cosine to those of
sentence-transformers in float32.
"""

import json
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from maskwright.draws import generator
from maskwright.errors import BadInput
from maskwright.inference.encoder import Encoder
from maskwright.inference.encoder_loading import load
from maskwright.lab.bench.finetune import digest_of, encoder_folder
from maskwright.lab.bench.flops import flops
from maskwright.lab.bench.pretrain import ALLOCATOR_SET, Terms
from maskwright.lab.bench.turns import Result, Side, in_turn, measure_side, spread
from maskwright.layers.eight_bits import can_eight_bits
from maskwright.progress import Progress, silent
from maskwright.text.samples import sample

FLOAT32, BF16, INT8, GRAPH = (
    "maskwright float32",
    "maskwright bf16",
    "maskwright int8",
    "maskwright, exported onnx int8",
)
STOCK, STOCK_BF16 = "sentence-transformers float32", "sentence-transformers bf16"
ONNX, ONNX_INT8 = "onnxruntime float32, as sentence-transformers", "onnxruntime int8, as sentence-transformers"
SET, LIMIT = ", allocator set", "limit"
BESIDE = {FLOAT32: STOCK, BF16: STOCK, INT8: ONNX_INT8, GRAPH: ONNX_INT8}
"""What each of ours stands beside."""
TEXTS = 512
WORDS, SHAPE, MOST_WORDS = 48, 1.3, 220
"""Words of a text are drawn from a gamma distribution of this mean and shape: many short ones, few long ones."""
LONGEST = 256
"""Tokens of a text."""


def mixed_texts(encoder: Encoder, count: int = TEXTS) -> list[str]:
    """Stretches of the English sample of mixed lengths, at most `LONGEST` tokens each; the same every time."""
    draws = generator(0, "bench encode")
    words = [word for chapter in sample("en")[::3] for sentence in chapter.sentences for word in sentence.split()]
    lengths = np.clip(draws.gamma(SHAPE, WORDS / SHAPE, count), 3, MOST_WORDS).astype(int)
    starts = draws.integers(0, len(words) - MOST_WORDS, count)
    texts = [" ".join(words[start : start + length]) for start, length in zip(starts, lengths, strict=True)]
    while long := [place for place, one in enumerate(encoder.encoded(texts, truncate=True)) if len(one.ids) > LONGEST]:
        for place in long:
            lengths[place] = max(1, int(0.8 * lengths[place]))
            texts[place] = " ".join(words[starts[place] : starts[place] + lengths[place]])
    return texts


def compare(model: str | None, terms: Terms, *, alone: bool = False, progress: Progress = silent) -> Result:
    """What `summary` tells. `alone` leaves the others out, and with them what needs onnxruntime."""
    missing = [name for name in ("sentence_transformers", "onnxruntime", "onnx", "onnxscript") if not find_spec(name)]
    if missing and not alone:
        raise BadInput(
            f"this compares with {missing[0]}, which is not installed: pip install sentence-transformers "
            "'maskwright[onnx]', or measure ours --alone"
        )
    folder = encoder_folder(model)
    encoder = load(folder)
    with terms.record.place() as place:
        texts = mixed_texts(encoder)
        drawn = place / "texts.json"
        drawn.write_text(json.dumps(texts), encoding="utf-8")
        there = place / digest_of(folder, drawn)  # see `finetune`
        there.mkdir(exist_ok=True)
        drawn.replace(there / drawn.name)
        lengths = [len(one.ids) for one in encoder.encoded(texts)]
        sides = _sides(folder, there, terms, alone=alone, progress=progress)
        results = in_turn(sides, terms.rounds, terms.threads, name="encode", record=terms.record, progress=progress)
        limits = results.pop(LIMIT)
        vectors = {side.name: np.load(side.given["out"]) for side in sides if side.name != LIMIT}
    shape = {"layers": encoder.config.num_hidden_layers, "hidden": encoder.config.hidden_size}
    inner = encoder.config.intermediate_size
    work = flops(lengths, layers=shape["layers"], hidden=shape["hidden"], inner=inner)
    told = {"model": folder, "texts": len(texts), "tokens": sum(lengths), "longest": max(lengths), **shape}
    return {**told, **summary(terms, results, limits, vectors, work)}


def _sides(folder: str, there: Path, terms: Terms, *, alone: bool, progress: Progress) -> list[Side]:
    """All that is measured; graphs are made first."""
    given = {"model": folder, "texts": str(there / "texts.json"), "seconds": terms.seconds}

    def side(name: str, module: str, **more: Any) -> Side:
        return Side(name, module, {**given, **more, "out": str(there / f"{module}-{'-'.join(more.values())}.npy")})

    sides = [side(FLOAT32, "encode_ours", dtype="float32"), side(BF16, "encode_ours", dtype="bfloat16")]
    if can_eight_bits():
        sides.append(side(INT8, "encode_ours", dtype="int8"))
    if not alone:
        graph, stock = there / "ours.onnx", there / "stock.onnx"
        with progress.stage("graphs", 2, "graphs") as bar:
            for module, out in (("encode_ours", graph), ("encode_onnx", stock)):
                measure_side(Side("graphs", module, {**given, "make": str(out)}), terms.threads, terms.record)
                bar.advance()
        sides += [
            Side(GRAPH, "encode_ours", {**given, "model": str(graph), "out": str(there / "graph.npy")}),
            side(STOCK, "encode_rival", precision="float32"),
            side(STOCK_BF16, "encode_rival", precision="bf16"),
            side(ONNX, "encode_onnx", precision="float32"),
            side(ONNX_INT8, "encode_onnx", precision="int8"),
        ]
        sides = [side if "make" in side.given else _with_graph(side, stock) for side in sides]
    by_torch = [one for one in sides if one.module in ("encode_ours", "encode_rival") and one.name != GRAPH]
    sides += [one._replace(name=one.name + SET, environment=ALLOCATOR_SET) for one in by_torch]
    return [Side(LIMIT, "limit", {"seconds": min(1.5, terms.seconds), "device": "cpu"}), *sides]


def _with_graph(side: Side, graph: Path) -> Side:
    return side._replace(given={**side.given, "graph": str(graph)}) if side.module == "encode_onnx" else side


def summary(
    terms: Terms,
    results: dict[str, list[Result]],
    limits: list[Result],
    vectors: dict[str, np.ndarray[Any, Any]],
    work: float,
) -> Result:
    """What the measurements say: medians and spread over rounds, ratios round by round.

    ratio, cpu_ratio    ours over what it stands beside, by the clock and by processors' time
    share_of_limit      of sides in bf16: the time that the products alone would take at the rate of large ones
    cosines             worst and mean, and the largest difference, to sentence-transformers in float32, or ours
    """
    from maskwright.inference.graphs.certificate import closeness

    def over_rounds(value: Callable[[int], float]) -> dict[str, float]:
        return spread([value(i) for i in range(terms.rounds)])

    def ratio(key: str) -> dict[str, dict[str, float]]:
        pairs = {name: _beside(name, results) for name in results if name.removesuffix(SET) in BESIDE}
        return {
            name: over_rounds(lambda i, name=name, other=other: results[name][i][key] / results[other][i][key])
            for name, other in pairs.items()
            if other in results
        }

    def share(i: int, name: str) -> float:
        seconds = results[name][i]["texts"] / results[name][i]["texts_per_second"]
        return work / limits[i]["flops_per_second"] / seconds

    reference = STOCK if STOCK in vectors else FLOAT32
    return {
        "threads": terms.threads,
        "rounds": terms.rounds,
        "limit_gflops": over_rounds(lambda i: limits[i]["flops_per_second"] / 1e9),
        "texts_per_second": {
            name: over_rounds(lambda i, of=of: of[i]["texts_per_second"]) for name, of in results.items()
        },
        "tokens_per_second": {
            name: over_rounds(lambda i, of=of: of[i]["tokens_per_second"]) for name, of in results.items()
        },
        "ratio": ratio("tokens_per_second"),
        "cpu_ratio": ratio("tokens_per_cpu_second"),
        "share_of_limit": {
            name: over_rounds(lambda i, name=name: share(i, name)) for name in results if " bf16" in name
        },
        "reference": reference,
        "cosines": {name: closeness(made, vectors[reference])._asdict() for name, made in vectors.items()},
        "beside": {name: _beside(name, results) for name in results if name.removesuffix(SET) in BESIDE},
        "peak_mib": {name: max(result["peak_mib"] for result in of) for name, of in results.items()},
    }


def _beside(name: str, results: dict[str, list[Result]]) -> str:
    """What a side of ours is held against: with the allocator set where that one has it set."""
    other = BESIDE[name.removesuffix(SET)]
    return other + SET if name.endswith(SET) and other + SET in results else other
