"""`bench pretrain`: our training step beside that of transformers, and the share of the machine's limit.

On full sequences of drawn tokens, which nobody pads; or, where a corpus is given, on its text as recipe `bert` lays it
out: both sides see the same sequences in the same steps, and theirs are padded to the longest of a step. Only tokens
of text count.
"""

import importlib.util
import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from maskwright.corpus.read import Corpus
from maskwright.errors import BadInput
from maskwright.lab.bench.record import NOWHERE, Record
from maskwright.lab.bench.shapes import DROPOUT, MASK_RATE, Shape, flops_per_token
from maskwright.lab.bench.turns import Result, Side, in_turn, measure_side
from maskwright.progress import Progress, silent
from maskwright.training.run import device_for

OURS, INSTALLED, SET, LIMIT = "maskwright", "transformers as installed", "transformers, allocator set", "limit"
COMPILED, GRAPHS = "transformers, compiled", "maskwright, played back"

ALLOCATOR_SET = {"MALLOC_MMAP_THRESHOLD_": str(2**31 - 1), "MALLOC_TRIM_THRESHOLD_": str(2**31 - 1)}
"""glibc's words for what our training processes do by `mallopt`; other systems pass over them."""

ON_GPU = {"precision": "bf16", "fused": True}
"""What is faster for transformers on GPUs with bf16."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Terms:
    """What is the same for all sides."""

    seconds: float
    rounds: int
    threads: int
    dropout: float = DROPOUT
    precision: str = "bf16"
    """Ours, in `pretrain`; transformers has the faster of its own."""
    record: Record = NOWHERE
    """Where measurements are kept."""


def rival_there() -> bool:
    """Whether transformers is installed; it is not imported."""
    return importlib.util.find_spec("transformers") is not None


def compare(
    shapes: Sequence[Shape],
    terms: Terms,
    *,
    corpus: str | None = None,
    beside: str | None = None,
    alone: bool = False,
    progress: Progress = silent,
) -> list[Result]:
    """One result for each shape, see `summary`.

    corpus   the folder of the text; None: full sequences of drawn tokens
    beside   a checkout of another version of this code, measured in turn with it
    alone    leaves transformers out
    """
    if not alone and not rival_there():
        raise BadInput(
            "this compares with transformers, which is not installed: pip install 'maskwright[hf]', "
            "or measure ours --alone"
        )
    other = [] if beside is None else [_other_version(beside)]
    return [_compare_at(shape, terms, corpus, other, alone, progress) for shape in shapes]


def _other_version(checkout: str) -> Side:
    """A side without what it is given."""
    source = Path(checkout).resolve() / "src"
    if not (source / "maskwright" / "__init__.py").is_file():
        raise BadInput(f"--beside {checkout}: there is no src/maskwright in it; give a checkout of another version")
    return Side(f"{OURS} of {checkout}", "", {}, {"PYTHONPATH": str(source)})


def _compare_at(
    shape: Shape, terms: Terms, corpus: str | None, others: Sequence[Side], alone: bool, progress: Progress
) -> Result:
    usual = terms.precision == "bf16"  # not said, as versions are measured that have no other
    own: dict[str, Any] = {} if usual else {"precision": terms.precision}
    module, text = "ours", dict[str, Any]()
    if corpus is not None:
        module, text = "recipes", {"corpus": corpus}
        shape = replace(shape, vocabulary=max(shape.vocabulary, Corpus.open(corpus).tokenizer.vocab_size))
    given: dict[str, Any] = {"shape": asdict(shape), "dropout": terms.dropout, **text}

    def with_settings(name: str, settings: dict[str, Any]) -> Side:
        if corpus is not None and settings:
            settings = {"changes": {f"training.{key}": value for key, value in settings.items()}}
        recipe = {} if corpus is None else {"recipe": "bert"}
        return Side(name, module, {**given, **recipe, **settings, "seconds": terms.seconds})

    ours = with_settings(OURS, own)
    sides = [Side(LIMIT, "limit", {"seconds": min(1.5, terms.seconds)}), ours]
    sides += [other._replace(module=module, given=ours.given) for other in others]
    settings: dict[str, Any] = {}
    if on_gpu := device_for().type == "cuda":
        changes = {**own.get("changes", {}), "training.graphs": "always"}
        sides.append(
            Side(GRAPHS, module, {**ours.given, **({"graphs": "always"} if corpus is None else {"changes": changes})})
        )
    if not alone:
        choose = f"{shape.name}: choose for transformers"
        settings = dict(ON_GPU) if on_gpu else better_settings(given, terms, progress=progress, name=choose)
        theirs = {**given, **settings, "seconds": terms.seconds}
        compiled = Side(COMPILED, "rival", {**theirs, "compiled": True})
        allocating = Side(SET, "rival", theirs, ALLOCATOR_SET)
        sides += [Side(INSTALLED, "rival", theirs), compiled if on_gpu else allocating]
    results = in_turn(sides, terms.rounds, terms.threads, name=shape.name, record=terms.record, progress=progress)
    return summary(shape, terms, settings, results, corpus)


def better_settings(
    given: dict[str, Any], terms: Terms, *, progress: Progress = silent, name: str = "choose"
) -> dict[str, Any]:
    """The precision, then the AdamW, with which transformers is faster here as installed."""
    speeds: dict[tuple[str, bool], float] = {}
    with progress.stage(name, 3, "trials") as bar:

        def speed(precision: str, fused: bool) -> float:
            tried = {"precision": precision, "fused": fused, "seconds": min(2.0, terms.seconds)}
            side = Side(INSTALLED, "rival", {**given, **tried})
            speeds[precision, fused] = measure_side(side, terms.threads, terms.record)["tokens_per_second"]
            bar.advance(1)
            return speeds[precision, fused]

        precision = max(("bf16", "float32"), key=lambda precision: speed(precision, True))
        speed(precision, False)
    _, fused = max(((precision, fused) for fused in (True, False)), key=lambda both: speeds[both])
    return {"precision": precision, "fused": fused}


def summary(
    shape: Shape, terms: Terms, settings: dict[str, Any], results: dict[str, list[Result]], corpus: str | None = None
) -> Result:
    """What the measurements say: for each side medians and spread over rounds, ratios and shares round by round.

    tokens_per_second        median over rounds, least, most
    ratio                    ours over each rival's, likewise
    share_of_limit           of ours: the time its products alone would take at the limit's rate / the time taken
    real                     of the tokens a side computes the share that is text
    """
    predicted = round(shape.length * MASK_RATE) / shape.length
    flops = flops_per_token(
        layers=shape.layers,
        hidden=shape.hidden,
        length=shape.length,
        vocabulary=shape.vocabulary,
        predicted=predicted,
        read=predicted + 1 / shape.length,  # and [CLS]
    )
    if (counted := results[OURS][0].get("mflops")) is not None:  # of sequences that have lengths of their own
        flops = counted * 1e6

    def over_rounds(value: Callable[[int], float]) -> dict[str, float]:
        values = [value(i) for i in range(terms.rounds)]
        return {"median": statistics.median(values), "least": min(values), "most": max(values)}

    def speed(name: str) -> Callable[[int], float]:
        return lambda i: results[name][i]["tokens_per_second"]

    ours, limit = speed(OURS), results[LIMIT]
    rivals = [name for name in results if name not in (OURS, LIMIT)]
    return {
        "size": shape.name,
        "shape": f"{shape.layers}x{shape.hidden}",
        "sequences": shape.sequences,
        "length": shape.length,
        "corpus": corpus,
        "threads": terms.threads,
        "dropout": terms.dropout,
        "precision": terms.precision,
        "rounds": terms.rounds,
        "rival": settings,
        "mflops_per_token": flops / 1e6,
        "limit_gflops": over_rounds(lambda i: limit[i]["flops_per_second"] / 1e9),
        "share_of_limit": over_rounds(lambda i: flops * ours(i) / limit[i]["flops_per_second"]),
        "tokens_per_second": {name: over_rounds(speed(name)) for name in (OURS, *rivals)},
        "ratio": {name: over_rounds(lambda i, name=name: ours(i) / speed(name)(i)) for name in rivals},
        "cpu_ratio": {
            name: over_rounds(
                lambda i, name=name: (
                    results[OURS][i]["tokens_per_cpu_second"] / results[name][i]["tokens_per_cpu_second"]
                )
            )
            for name in rivals
        },
        "cpu_share_of_limit": over_rounds(
            lambda i: flops * results[OURS][i]["tokens_per_cpu_second"] / limit[i]["flops_per_cpu_second"]
        ),
        "real": {name: results[name][0].get("real", 1.0) for name in (OURS, *rivals)},
        "peak_mib": {name: max(result["peak_mib"] for result in results[name]) for name in (OURS, *rivals)},
    }
