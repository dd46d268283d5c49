"""Fine-tuning on labelled texts or tagged words: an encoder, the head of a task, a regime."""

import json
from collections.abc import Iterator
from pathlib import Path
from signal import Signals
from typing import Any, cast

from maskwright.checkpoints.task_part import TaskPart
from maskwright.config import plain
from maskwright.durable import write_file
from maskwright.errors import BadInput
from maskwright.objectives.class_weights import LossConfig, Weighs, class_weights
from maskwright.progress import Progress, silent
from maskwright.tasks import adapters, bi_encoders
from maskwright.tasks.data import SplitData
from maskwright.tasks.decoded import decoded
from maskwright.tasks.encoders.transformer import TransformerStart
from maskwright.tasks.judging import DevJudge
from maskwright.tasks.preparing import Prepared, opening, prepared, varied
from maskwright.tasks.recipe import Recipe
from maskwright.tasks.report import REPORT, class_rows, run_page
from maskwright.tasks.warnings import of_outcome
from maskwright.training.adapted import Adapted
from maskwright.training.best import Best
from maskwright.training.depth import begin_anew, freeze, rate_factors
from maskwright.training.finetuning import Finetuning
from maskwright.training.joined_step import JoinedWork
from maskwright.training.kept_features import KeptFeatures
from maskwright.training.labelled_sequences import Epochs
from maskwright.training.memory import halving
from maskwright.training.metrics import last_metrics, read_metrics
from maskwright.training.optimizers import Optimizer
from maskwright.training.run import Fingerprints, run
from maskwright.training.run_folder import MAY_CHANGE, RunFolder
from maskwright.training.used_rows import UsedRows, with_used_rows
from maskwright.training.work import Work

EVALUATION, KEPT = "evaluation.json", "kept.json"
WEIGHED = ("class", "tags", "words")
"""What is asked where classes may have weights."""
WHEN_JUDGED = frozenset({"training.evaluate_every", "training.log_every"})
"""Keys that decide which weights are looked at, and so which are kept."""


class FinetuneWork:
    """Network and data, as the loop takes them (`training.work.Work`, `Judged`).

    rows   of its token table, where others wait
    """

    def __init__(
        self, network: Finetuning, train: Epochs, dev: SplitData, judge: DevJudge, rows: UsedRows | None = None
    ) -> None:
        self.module, self.judge, self.rows = network, judge, rows
        self.batches = KeptFeatures(network, train.sequences).before(train.batches)
        kept = KeptFeatures(network, dev.sequences)
        self.held_out, judge.ready = kept.before(dev.batches), kept.ready
        self.counts, self.tallies = network.counts, network.tallies


def finetune(
    recipe: Recipe, out: Path, *, allocator: str = "default", auto_batch: bool = False, progress: Progress = silent
) -> Signals | None:
    """Train in `out`, from the newest checkpoint there if there is one; the signal that ended it before, if any.

    Leaves the model in `out/model`, and what it makes of the examples put aside in `out/evaluation.json`.

    auto_batch   where memory runs out, go on with half as many sequences at once
    """
    made = prepared(recipe)
    for line in opening(made):
        progress.say(line)

    def attempt(recipe: Recipe) -> Signals | None:
        of_size = {"training.micro_sequences": recipe.training.micro_sequences}
        return learn(varied(made, of_size), out, allocator=allocator, halves=auto_batch, progress=progress)

    return halving(made.recipe, out, attempt, wanted=auto_batch, progress=progress)


def learn(
    made: Prepared, out: Path, *, allocator: str = "default", halves: bool = False, progress: Progress = silent
) -> Signals | None:
    """The same of what is prepared. halves: see `run`."""
    return run(
        made.recipe,
        Fingerprints(made.split.fingerprint, made.start.tokenizer.fingerprint),
        out,
        lambda fresh: work_of(made, fresh=fresh),
        lambda work, optimizer, folder: finish(made, work, optimizer, folder, progress),
        optimizer=made.recipe.optimizer,
        training=made.recipe.training,
        name="finetune",
        allocator=allocator,
        may_change=MAY_CHANGE - WHEN_JUDGED,
        halves=halves,
        factors=lambda network: rate_factors(network, made.recipe.layers.decay),
        progress=progress,
    )


def work_of(made: Prepared, *, fresh: bool) -> Work:
    """The network and its data; with `fresh` the encoder as it was published, and the head as it begins."""
    if made.similarity is None:
        network = made.start.network(made.above, made.recipe.dropout, made.may_follow)
    else:
        assert isinstance(made.start, TransformerStart)
        network = bi_encoders.network(made.start.config, made.similarity)
    lora, seed, cut = made.recipe.lora, made.recipe.training.seed, made.recipe.heads == "google"
    if lora is not None:  # an adapter's checkpoints are without the encoder
        assert isinstance(made.start, TransformerStart)
        found, deviation = made.start.folder.of_encoder(), made.start.config.initializer_range
        found.fill(network.encoder_names(), network)
        weigh(network, made.recipe.loss, made.above.part, made.train.sequences.labels)
        changed = adapters.adapted(network, lora, deviation, seed, pooler=found.has_pooler, cut=cut)
        return adapters.AdaptedWork(changed, made.epochs.batches, made.dev.batches, judge_of(made, changed))
    made.start.fill(network, seed, cut=cut)  # a checkpoint takes the place of what it has
    if isinstance(made.start, TransformerStart):
        layers = made.recipe.layers
        if fresh:
            begin_anew(network, layers.reinitialised, made.start.config.initializer_range, seed)
        freeze(network, layers.frozen)
    weigh(network, made.recipe.loss, made.above.part, made.train.sequences.labels)
    if made.similarity is not None:
        return JoinedWork(network, made.epochs.batches, made.dev.batches, judge_of(made, network))
    used = made.used_tokens()
    rows = None if used is None else with_used_rows(network, used, made.recipe.optimizer.name)
    return FinetuneWork(network, made.epochs, made.dev, judge_of(made, network), rows)


def judge_of(made: Prepared, network: Finetuning | Adapted) -> DevJudge:
    """Who judges the network."""
    return DevJudge(network, made.dev, made.chief_first, made.recipe.stopping)


def weigh(network: Finetuning, loss: LossConfig, part: TaskPart, labels: Any) -> None:
    """Give the head its weights of classes; BadInput where what is asked has no classes that are scored each."""
    if loss.class_weights == "none":
        return
    if part.asks not in WEIGHED or not hasattr(network.head, "class_weights"):
        raise BadInput(
            f"loss.class_weights goes with one class of several, or tags, scored each: this task asks for {part.asks}, "
            f"by {type(network.head).__name__}"
        )
    cast("Weighs", network.head).class_weights = class_weights(loss.class_weights, part.labels, labels)


def finish(made: Prepared, work: Any, optimizer: Optimizer, folder: RunFolder, progress: Progress) -> None:
    """What the kept weights are worth, the page, and the model of them."""
    judge: DevJudge = work.judge
    step = judge.best.kept or last_metrics(folder.path)["step"]
    seen, answers, part = judge.seen()
    warned = of_outcome(made.dev.different(answers), read_metrics(folder.path), made.epochs.steps)
    outcome = [*ended_early(judge.best), *(f"warning: {warning}" for warning in warned)]
    for line in outcome:
        progress.say(line)
    measures = dict(seen.measures or {})
    kept_of = {"step": step, "epoch": round(step / made.epochs.steps, 2)}
    for file, said in ((EVALUATION, measures), (KEPT, kept_of)):
        write_file(folder.path / file, (json.dumps(said, indent=2) + "\n").encode())
    run_page(
        folder.path,
        measures,
        step=step,
        chosen=judge.best.keeps,
        steps=made.epochs.steps,
        classes=class_rows(part, made.train.sequences.labels, made.dev.sequences.labels, answers),
        example=decoded(made.train, made.start.tokenizer),
        said=[*made.said, *outcome],
        sizes=(len(made.split.train), len(made.split.dev)),
    ).write(folder.path / REPORT)
    path, tensors, rows = folder.path / "model", optimizer.flat.tensors(), getattr(work, "rows", None)
    if isinstance(work.module, Adapted):
        adapters.write(path, work.module, part, made.recipe.model)
        return
    if rows is not None:
        tensors = rows.whole(tensors)
    facts = {**measures, "steps": step, "Recipe": plain(made.recipe)}
    if made.similarity is not None:
        assert isinstance(made.start, TransformerStart)
        pooler, tokenizer = made.start.folder.has_pooler, made.start.tokenizer
        bi_encoders.write(path, work.module, tensors, tokenizer, facts, pooler=pooler, length=made.length)
        return
    made.start.write(path, work.module, tensors, made.above._replace(part=part), facts)


def ended_early(best: Best) -> Iterator[str]:
    """That nothing got better any more, where that ended the training."""
    if best.enough:
        yield f"ended early: {best.waited} looks in a row were no better than that of step {best.step:,}"


def evaluation(out: Path) -> dict[str, float]:
    """What a finished run was found to be worth: its measures, the one that decides first."""
    return json.loads((out / EVALUATION).read_text(encoding="utf-8"))


def kept(out: Path) -> dict[str, float]:
    """After which `step`, and so which `epoch`, the weights were those that a finished run kept."""
    return json.loads((out / KEPT).read_text(encoding="utf-8"))
