"""Our side: the recipe `quick` for so many seconds.

All that a step of `pretrain` does is in the time, word vectors before the first step too; logging and saving are not,
as they are not on the other side.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from maskwright.batch import Batch
from maskwright.lab.bench.clock import told
from maskwright.lab.bench.race.examples import tests
from maskwright.lab.bench.race.racer import Racer, Scores, mean_scores
from maskwright.recipes import module_of, resolve
from maskwright.training.evaluation import totals
from maskwright.training.gradients import gradients
from maskwright.training.loop import ahead
from maskwright.training.optimizers import Optimizer
from maskwright.training.pretraining import Pretraining
from maskwright.training.replays import passes_of
from maskwright.training.run import as_wanted, device_for, keep_memory
from maskwright.training.signals import Stop
from maskwright.training.work import whole

RECIPE = "quick"
STEPS = 10_000_000
"""More than any budget has."""


def measure(
    *,
    curve: str,
    examples: str,
    corpus: str,
    terms: Mapping[str, Any],
    budget: float,
    looks: int,
    spawned: float,
) -> dict[str, Any]:
    """Train until the budget is spent, the curve growing in its file."""
    keep_memory()
    recipe, opened = resolve(RECIPE, corpus, terms["size"], {**terms["changes"], "training.seed": terms["seed"]})
    judged = tests(Path(examples))
    device, stop, tokens = device_for(), Stop(), 0

    racer = Racer(Path(curve), terms, budget=budget, looks=looks, spawned=spawned)
    work: Any = module_of(RECIPE).build(recipe, opened)
    optimizer = Optimizer(work.module, recipe.optimizer, as_wanted(work.module, recipe.training, device))
    work.module.train()
    passes = passes_of(work, recipe.training, device)
    if not racer.begin_steps():
        return {"looks": 0}
    rate = racer.rate(recipe.training.schedule, recipe.training.warmup_share)
    for step, share in ahead(lambda step: whole(work.batches(step)).readied(passes.ready), 0, STEPS):
        _, of_step, _ = gradients(work, optimizer, share, recipe.training, step, stop, one_pass=passes)
        optimizer.step(rate())
        tokens += of_step
        if racer.due:
            with racer.standing(), optimizer.flat.full_precision():
                racer.note(step + 1, tokens, scores(work.module, judged, device))
        if racer.share >= 1:
            break
    return {"looks": len(racer.points)}


@torch.no_grad()
def scores(network: Pretraining, judged: Mapping[str, list[Batch]], device: torch.device) -> Scores:
    """Loss and accuracy on what is hidden, nothing dropped: of masked LM alone, whatever other heads there are."""
    masked = Pretraining(network.encoder, {"mlm": network.heads["mlm"]})
    found = {kind: [masked.tallies(batch.to(device)) for batch in batches] for kind, batches in judged.items()}
    return mean_scores({kind: [totals(tallies)["mlm"] for tallies in its] for kind, its in found.items()})


if __name__ == "__main__":
    told(measure)
