"""`bench batches`: how fast each recipe's sequences are laid out and masked, on one processor.

It is the work that `pretrain` does beside the training step: plan an epoch, lay out sequences, sort them
by length, mask. Everything is counted, the planning too, so the rate is tokens over time, not a median.

Beside it the collator of transformers pads and masks, see `batches_rival`; what packing takes tells `batches_packing`.
The limit is the time that copying the finished batches would take, once (`copies`).
"""

import time
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from maskwright.lab.bench.clock import peak_mib, told
from maskwright.lab.bench.record import NOWHERE, Record
from maskwright.lab.bench.turns import Result, Side, in_turn, spread
from maskwright.progress import Progress, silent

SEQUENCES = 256  # a step of the paper
COLLATOR, LIMIT = "transformers' collator", "limit"
SIMPLEST = ("roberta", "bert")
"""Recipes that hide single tokens as the collator does; the first has the sequences that it is given."""


def compare(
    corpus: str | None,
    recipes: Sequence[str],
    *,
    seconds: float,
    rounds: int,
    alone: bool = False,
    record: Record = NOWHERE,
    progress: Progress = silent,
) -> dict[str, list[Result]]:
    """Results by recipe and round, of the collator where it is there, and the limit.

    corpus   its folder; None: the sample text is made into one first, in a folder of its own
    alone    leaves the collator out
    """
    with record.place() as folder:
        corpus = corpus or sample_corpus(folder, progress)
        given = {"corpus": corpus, "seconds": seconds}
        sides = [Side(LIMIT, "copies", {"seconds": min(1.0, seconds)})]
        sides += [Side(name, "batches", {**given, "recipe": name}) for name in recipes]
        if not alone and find_spec("transformers") and _has_mask(corpus):
            sides.append(Side(COLLATOR, "batches_rival", given, {"HF_HUB_OFFLINE": "1"}))
        return in_turn(sides, rounds, 1, name="batches", record=record, progress=progress)


def beside(results: Mapping[str, Sequence[Result]]) -> dict[str, Any] | None:
    """How many times as fast as the collator the simplest recipe is, round by round; None where either is missing."""
    name = next((name for name in SIMPLEST if name in results), None)
    if name is None or COLLATOR not in results:
        return None
    pairs = zip(results[name], results[COLLATOR], strict=True)
    return {"recipe": name, **spread([ours["tokens_per_second"] / its["tokens_per_second"] for ours, its in pairs])}


def shares_of_limit(results: Mapping[str, Sequence[Result]]) -> dict[str, dict[str, float]]:
    """Of each recipe: the time that copying its batches would take over the time that making them took."""
    limits = [one["bytes_per_second"] for one in results.get(LIMIT, ())]
    return {
        name: spread([one["bytes_per_second"] / limit for one, limit in zip(rounds, limits, strict=True)])
        for name, rounds in results.items()
        if limits and name not in (LIMIT, COLLATOR)
    }


def _has_mask(corpus: str) -> bool:
    """Whether anything can be hidden with the corpus' tokenizer."""
    from maskwright.corpus.read import Corpus

    return Corpus.open(corpus).tokenizer.mask_id is not None


def sample_corpus(folder: Path, progress: Progress = silent) -> str:
    """The corpus of the sample text in that folder, which is made where it is not there."""
    from maskwright.corpus.build import build_corpus
    from maskwright.corpus.sources import SampleText

    path = folder / "sample"
    if not path.exists():
        build_corpus(SampleText("en"), path, progress=progress)
    return str(path)


def measure(
    *, corpus: str, seconds: float, recipe: str = "bert", sequences: int = SEQUENCES, length: int = 128
) -> dict[str, Any]:
    """Tokens a second, for each second of a processor too; steps cover whole epochs or `seconds`."""
    from maskwright.training.run import keep_memory

    keep_memory()  # as the process does that trains
    data = data_for(corpus, recipe, sequences=sequences, length=length)
    epoch = data.epoch_sequences(0) / sequences
    size = 0

    def make(step: int) -> int:
        nonlocal size
        made = list(data.batches(step))
        size += sum(tensor.nbytes for batch in made for tensor in batch.tensors().values())
        return sum(batch.num_tokens for batch in made)

    rates = timed(make, seconds, epoch)
    return {**rates, "bytes_per_second": rates["tokens_per_second"] * size / rates["tokens"]}


def timed(make: Callable[[int], int], seconds: float, epoch: float) -> dict[str, Any]:
    """Rates of what makes a step and tells its tokens, for so long; `epoch` is the number of steps of one."""
    tokens = step = 0
    begin, busy = time.perf_counter(), time.process_time()
    while (taken := time.perf_counter() - begin) < seconds:
        tokens += make(step)
        step += 1
    return {
        "tokens_per_second": tokens / taken,
        "tokens_per_cpu_second": tokens / (time.process_time() - busy),
        "tokens": tokens,
        "steps": step,
        "epochs": step / epoch,
        "peak_mib": peak_mib(),
    }


def data_for(corpus: str, recipe: str, *, sequences: int, length: int) -> Any:
    """What a recipe's tiny network learns from, in steps and sequences of that size."""
    module, resolved, opened = resolved_for(corpus, recipe, sequences=sequences, length=length)
    return module.data(resolved, opened)


def resolved_for(corpus: str, recipe: str, *, sequences: int, length: int) -> tuple[Any, Any, Any]:
    """The recipe's module, the recipe of its tiny network with steps and sequences of that size, the corpus opened."""
    from maskwright.config import checked, override, plain
    from maskwright.corpus.read import Corpus
    from maskwright.recipes import stepwise

    opened = Corpus.open(corpus)
    sizes: dict[str, Any] = {
        "training.batch_sequences": sequences,
        "training.micro_sequences": 32,
        "layout.max_length": length,
        "second_phase.share": 0,
    }
    module = stepwise(recipe)
    start = plain(module.recipe("tiny", corpus, opened.tokenizer.vocab_size))
    if start.get("layout", {}).get("kind") == "languages" and not opened.manifest.languages:
        sizes |= {"layout.kind": "full_sentences", "model.n_langs": 1}  # XLM's, on text of one language
    known = {key: size for key, size in sizes.items() if key.split(".")[1] in start.get(key.split(".")[0], {})}
    return module, checked(module.Recipe, override(start, known), "bench"), opened


if __name__ == "__main__":
    told(measure)
