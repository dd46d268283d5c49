"""`bench pretrain`: our training step beside that of transformers, and the share of the machine's limit.

On full sequences of drawn tokens, which nobody pads; or, where a corpus is given, on its text as recipe `bert` lays it
out: both sides see the same sequences in the same steps, and theirs are padded to the longest of a step. Only tokens
of text count. Packed, a step is a row filled with sequences of that text, as many tokens as full sequences would have;
theirs are those of the same row, padded as before.

On a GPU ours is measured a second time with passes that are recorded and played back, and theirs compiled.
"""

import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from maskwright.corpus.read import Corpus
from maskwright.errors import BadInput
from maskwright.lab.bench.record import NOWHERE, Record
from maskwright.lab.bench.shapes import DROPOUT, MASK_RATE, POSITIONS, Shape, flops_per_token
from maskwright.lab.bench.turns import Result, Side, in_turn, measure_side, spread
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
    packed: bool = False
    """In `pretrain`: sequences of text fill rows."""
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
    given: dict[str, Any] = {"dropout": terms.dropout}
    if corpus is not None:
        shape = replace(shape, vocabulary=max(shape.vocabulary, Corpus.open(corpus).tokenizer.vocab_size))
        given |= {"corpus": corpus, **({"changes": laid_out} if (laid_out := _laid_out(shape, terms)) else {})}
    given["shape"] = asdict(shape)
    usual = terms.precision == "bf16"  # not said, as versions are measured that have no other
    own: dict[str, Any] = {} if usual else {"precision": terms.precision}
    ours = _ours(OURS, given, own, terms)
    sides = [Side(LIMIT, "limit", {"seconds": min(1.5, terms.seconds)}), ours]
    if on_gpu := device_for().type == "cuda":
        sides.append(_ours(GRAPHS, given, {**own, "graphs": "always"}, terms))
    sides += [other._replace(module=ours.module, given=ours.given) for other in others]
    settings: dict[str, Any] = {}
    if not alone:
        choose = f"{shape.name}: choose for transformers"
        settings = dict(ON_GPU) if on_gpu else better_settings(given, terms, progress=progress, name=choose)
        theirs = {**given, **settings, "seconds": terms.seconds}
        compiled = Side(COMPILED, "rival", {**theirs, "compiled": True})
        allocating = Side(SET, "rival", theirs, ALLOCATOR_SET)
        sides += [Side(INSTALLED, "rival", theirs), compiled if on_gpu else allocating]
    results = in_turn(sides, terms.rounds, terms.threads, name=shape.name, record=terms.record, progress=progress)
    return summary(shape, terms, settings, results, corpus)


def _laid_out(shape: Shape, terms: Terms) -> dict[str, Any]:
    """What the text's layout changes in the recipe, for both sides."""
    changes: dict[str, Any] = {"training.batch_tokens": shape.tokens} if terms.packed else {}
    if shape.length > POSITIONS:
        changes["model.max_position_embeddings"] = shape.length
    return changes


def _ours(name: str, given: dict[str, Any], settings: dict[str, Any], terms: Terms) -> Side:
    """Ours with these settings of `training`, on full sequences or, where a corpus is given, as recipe `bert`."""
    if "corpus" not in given:
        return Side(name, "ours", {**given, **settings, "seconds": terms.seconds})
    changes = given.get("changes", {}) | {f"training.{key}": value for key, value in settings.items()}
    recipe = {"recipe": "bert", **({"changes": changes} if changes else {})}
    return Side(name, "recipes", {**given, **recipe, "seconds": terms.seconds})


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
    played_back              where it was measured: of ours played back the share, and its speed over ours as written
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
        return spread([value(i) for i in range(terms.rounds)])

    def speed(name: str) -> Callable[[int], float]:
        return lambda i: results[name][i]["tokens_per_second"]

    def share(name: str) -> dict[str, float]:
        return over_rounds(lambda i: flops * speed(name)(i) / limit[i]["flops_per_second"])

    ours, limit = speed(OURS), results[LIMIT]
    measured = [name for name in results if name != LIMIT]
    rivals = [name for name in measured if name not in (OURS, GRAPHS)]
    played = None
    if GRAPHS in results:
        played = {"share_of_limit": share(GRAPHS), "gain": over_rounds(lambda i: speed(GRAPHS)(i) / ours(i))}
    return {
        "size": shape.name,
        "shape": f"{shape.layers}x{shape.hidden}",
        "sequences": shape.sequences,
        "length": shape.length,
        "corpus": corpus,
        "packed": terms.packed,
        "threads": terms.threads,
        "dropout": terms.dropout,
        "precision": terms.precision,
        "rounds": terms.rounds,
        "rival": settings,
        "mflops_per_token": flops / 1e6,
        "limit_gflops": over_rounds(lambda i: limit[i]["flops_per_second"] / 1e9),
        "share_of_limit": share(OURS),
        "played_back": played,
        "tokens_per_second": {name: over_rounds(speed(name)) for name in measured},
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
        "real": {name: results[name][0].get("real", 1.0) for name in measured},
        "peak_mib": {name: max(result["peak_mib"] for result in results[name]) for name in measured},
    }
