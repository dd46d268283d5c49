"""`bench recipes`: whole training steps of every recipe that the loop trains, on one shape, beside BERT's.

All that a step of `pretrain` does is in the time: batches made and masked in their thread, the network, its heads,
clipping, AdamW, and what goes from step to step, such as XLNet's memory. Shape, text, dropout and optimizer are the
same for all; layout, masks and objective are each recipe's own, and precision too (ELMo's is float32). ELMo's shape
is its own.

A model that predicts every token multiplies each with the whole vocabulary, and so has several times the arithmetic
of one that predicts 15 %. So predictions and arithmetic of a token stand beside its time, and such a recipe is
measured a second time with no more predictions than BERT's; XLNet a second time without a memory.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from typing import Any

import torch

from maskwright.batch import Batch
from maskwright.lab.bench.batches import sample_corpus
from maskwright.lab.bench.clock import time_steps, told
from maskwright.lab.bench.pretrain import Terms
from maskwright.lab.bench.shapes import DROPOUT, MASK_RATE, Shape
from maskwright.lab.bench.turns import Result, Side, in_turn, spread
from maskwright.progress import Progress, silent
from maskwright.training.work import Share, whole

BESIDE = "bert"
OF_PAIRS = ("nsp", "sop")
"""Heads that score nothing over the vocabulary."""
RATE = 1e-4
STEPS = 1_000_000


def compare(
    shapes: Sequence[Shape],
    recipes: Sequence[str],
    terms: Terms,
    *,
    corpus: str | None = None,
    progress: Progress = silent,
) -> list[Result]:
    """One result for each shape, see `summary`. Without `corpus` the sample text is made into one first."""
    with terms.record.place() as folder:
        corpus = corpus or sample_corpus(folder, progress)
        made: list[Result] = []
        for shape in shapes:
            given = {"corpus": corpus, "shape": asdict(shape), "seconds": terms.seconds, "dropout": terms.dropout}
            sides = [Side(name, "recipes", given | asked) for name, asked in asked_of(recipes)]
            results = in_turn(
                sides, terms.rounds, terms.threads, name=shape.name, record=terms.record, progress=progress
            )
            made.append(summary(shape, terms, results))
        return made


def asked_of(recipes: Sequence[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """What is measured: each side's name and what `measure` is told of it, BERT first.

    >>> [name for name, _ in asked_of(["xlnet", "gpt"])]
    ['bert', 'xlnet', 'xlnet, no memory', 'gpt', 'gpt, 15 % predicted']
    """
    from maskwright.recipes import stepwise

    for name in dict.fromkeys([BESIDE, *recipes]):
        yield name, {"recipe": name}
        recipe = stepwise(name).recipe(_size(name), "", 1000)
        if recipe.heads == ["lm"]:
            yield f"{name}, {MASK_RATE:.0%} predicted".replace("%", " %"), {"recipe": name, "predicted": MASK_RATE}
        if getattr(recipe.model, "remembers", 0):
            yield f"{name}, no memory", {"recipe": name, "changes": {"model.mem_len": 0}}


def summary(shape: Shape, terms: Terms, results: dict[str, list[Result]]) -> Result:
    """Medians and spread over rounds, by what was measured.

    tokens_per_second       and tokens_per_cpu_second, of all processors at work
    cost, cpu_cost          a token's time over that of a token of BERT's, round by round: less is faster
    predictions             tokens that heads score over the vocabulary, for each token that is read
    mflops                  of the products of a token, forward and backward
    """

    def over_rounds(value: Callable[[int], float]) -> dict[str, float]:
        return spread([value(i) for i in range(terms.rounds)])

    def row(mine: list[Result]) -> Result:
        def cost(key: str) -> dict[str, float]:
            return over_rounds(lambda i: results[BESIDE][i][key] / mine[i][key])

        return {
            "tokens_per_second": over_rounds(lambda i: mine[i]["tokens_per_second"]),
            "tokens_per_cpu_second": over_rounds(lambda i: mine[i]["tokens_per_cpu_second"]),
            "cost": cost("tokens_per_second"),
            "cpu_cost": cost("tokens_per_cpu_second"),
            "predictions": mine[0]["predictions"],
            "mflops": mine[0]["mflops"],
            "peak_mib": max(one["peak_mib"] for one in mine),
        }

    return {
        "size": shape.name,
        "shape": f"{shape.layers}x{shape.hidden}",
        "sequences": shape.sequences,
        "length": shape.length,
        "threads": terms.threads,
        "rounds": terms.rounds,
        "dropout": terms.dropout,
        "device": results[BESIDE][0]["device"],
        "recipes": {name: row(mine) for name, mine in results.items()},
    }


def _size(recipe: str) -> str:
    """The size that a recipe is taken at, before it is given the shape; ELMo keeps its smallest published one."""
    from maskwright.recipes import module_of

    return "small" if recipe == "elmo" else next(iter(module_of(recipe).SIZES))


def sized(
    recipe: str, path: str, words: int, shape: Shape, dropout: float = DROPOUT, changes: dict[str, Any] | None = None
) -> Any:
    """The recipe at that shape, on a corpus at `path` whose tokenizer knows so many words."""
    from maskwright.config import checked, override, plain
    from maskwright.recipes import stepwise

    module, own_shape = stepwise(recipe), recipe == "elmo"
    start = plain(module.recipe(_size(recipe), path, words if own_shape else max(words, shape.vocabulary)))
    wanted: dict[str, Any] = {
        "layout.max_length": shape.length,
        "permutation.max_length": shape.length,
        "second_phase.share": 0,
        "optimizer.name": "adamw",
        "optimizer.rate": RATE,
        "training.steps": STEPS,
        "training.clip": 1.0,
        "training.batch_sequences": shape.sequences,
        "training.micro_sequences": shape.sequences,
        **{f"model.{name}": dropout for name in start["model"] if "dropout" in name},
    }
    if own_shape:  # and lanes that are read both ways
        lanes = max(1, shape.tokens // (2 * start["layout"]["unroll"]))
        wanted |= {"training.batch_sequences": lanes, "training.micro_sequences": lanes}
    else:
        wanted |= {"model.n_langs": 1}  # XLM's, as the text is of one language
        if start.get("layout", {}).get("kind") == "languages":
            wanted |= {"layout.kind": "full_sentences"}
        for names, number in {
            ("num_hidden_layers", "n_layer"): shape.layers,
            ("hidden_size", "d_model"): shape.hidden,
            ("num_attention_heads", "n_head"): shape.heads,
            ("intermediate_size", "d_inner"): 4 * shape.hidden,
        }.items():
            wanted |= {f"model.{name}": number for name in names}
        wanted |= {"model.mem_len": 3 * shape.length // 4, "model.reuse_len": shape.length // 2}  # XLNet's shares
    known = {key: value for key, value in wanted.items() if key.split(".")[1] in start.get(key.split(".")[0], {})}
    return checked(module.Recipe, override(start, {**known, **(changes or {})}), "bench")


def fewer(batch: Batch, share: float) -> Batch:
    """The batch with about so many predictions a token, evenly taken from those that it has."""
    assert batch.predict_rows is not None and batch.predict_ids is not None
    some = torch.arange(0, len(batch.predict_rows), len(batch.predict_rows) / (share * batch.num_tokens)).long()
    return replace(batch, predict_rows=batch.predict_rows[some], predict_ids=batch.predict_ids[some])


def measure(
    *,
    corpus: str,
    shape: dict[str, Any],
    seconds: float,
    recipe: str,
    dropout: float = DROPOUT,
    predicted: float | None = None,
    changes: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Tokens a second by the median step, for each second of a processor too; predictions and arithmetic of a token.

    predicted   the share of tokens to predict, where that is less than the recipe's own
    changes     of the recipe, by dotted key
    """
    from torch.utils.flop_counter import FlopCounterMode

    from maskwright.corpus.read import Corpus
    from maskwright.layers.attention import without_flash
    from maskwright.recipes import module_of
    from maskwright.training.gradients import gradients
    from maskwright.training.loop import ahead
    from maskwright.training.optimizers import Optimizer
    from maskwright.training.replays import passes_of
    from maskwright.training.run import as_wanted, device_for, device_name, keep_memory
    from maskwright.training.signals import Stop

    keep_memory()
    opened, device, stop = Corpus.open(corpus), device_for(), Stop()
    made = sized(recipe, corpus, opened.tokenizer.vocab_size, Shape(**shape), dropout, changes)
    work = module_of(recipe).build(made, opened)
    optimizer = Optimizer(work.module, made.optimizer, as_wanted(work.module, made.training, device))
    passes = passes_of(work, made.training, device)
    work.module.train()

    def share(step: int) -> Share:
        made = work.batches(step) if predicted is None else [fewer(batch, predicted) for batch in work.batches(step)]
        return whole(made).readied(passes.ready)

    stream, tokens, asked = ahead(share, 0, STEPS), list[int](), list[int]()

    def step() -> None:
        number, some = next(stream)
        batches = some.own.values()
        tokens.append(sum(batch.num_tokens for batch in batches))
        asked.append(sum(n for batch in batches for head, n in work.counts(batch).items() if head not in OF_PAIRS))
        gradients(work, optimizer, some, made.training, number, stop, one_pass=passes)
        optimizer.step(1.0)
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    times = time_steps(step, seconds=seconds)
    timed = tokens[-len(times.wall) :]
    rates = times.told(timed)
    predictions = sum(asked[-len(times.wall) :]) / sum(timed)
    ops = torch.ops.mkldnn  # whose maps torch does not count
    of_maps = {ops._linear_pointwise: _operations} if hasattr(ops, "_linear_pointwise") else {}
    with FlopCounterMode(display=False, custom_mapping=of_maps) as counter, without_flash():
        step()
    return {
        **rates,
        "predictions": predictions,
        "mflops": counter.get_total_flops() / tokens[-1] / 1e6,
        "device": device_name(device),
    }


def _operations(rows: Sequence[int], weight: Sequence[int], *_given: object, **_more: object) -> int:
    """Of a linear map, from the shapes of what it is given: rows (T, in), weight (out, in)."""
    return 2 * rows[0] * weight[0] * weight[1]


if __name__ == "__main__":
    told(measure)
