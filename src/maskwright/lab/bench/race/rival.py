"""The other side: `BertForMaskedLM` trained by the `Trainer` of transformers, as its example `run_mlm.py` does it.

Blocks of 128 tokens, `DataCollatorForLanguageModeling` at 15 %, the Trainer's own AdamW (no weight decay), clipping at
1. Rate, batch, dropout, precision and warm-up are given; the rate falls linearly to nothing at the end of the time. It
saves its state at each look, while the clock stands, so that a race that was interrupted goes on from its last point.
"""

import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from maskwright.batch import Batch
from maskwright.lab.bench.clock import told
from maskwright.lab.bench.race.curve import Curve, read_curve
from maskwright.lab.bench.race.examples import tests, train_blocks
from maskwright.lab.bench.race.racer import Racer, Scores, mean_scores
from maskwright.lab.bench.rectangle import rectangle
from maskwright.models.bert import SIZES
from maskwright.training.run import device_for

STEPS = 10_000_000
"""More than any budget has."""
MASK_RATE = 0.15
POSITIONS = 512


class Blocks(torch.utils.data.Dataset[dict[str, Any]]):
    """Blocks as the collator takes them."""

    def __init__(self, rows: Any, specials: list[int]) -> None:
        self.rows, self.specials = rows, specials

    def __len__(self) -> int:
        """How many."""
        return len(self.rows)

    def __getitem__(self, at: int) -> dict[str, Any]:
        """A block, all of it text."""
        ids = self.rows[at]
        return {
            "input_ids": ids.tolist(),
            "token_type_ids": [0] * len(ids),
            "attention_mask": [1] * len(ids),
            "special_tokens_mask": np.isin(ids, self.specials).astype(np.int64).tolist(),
        }


def seen(step: int, blocks: int, batch: int) -> int:
    """Blocks seen in so many steps: the last batch of an epoch holds what is left.

    >>> [seen(step, 10, 4) for step in range(5)]
    [0, 4, 8, 10, 14]
    """
    epochs, rest = divmod(step, -(-blocks // batch))
    return epochs * blocks + min(rest * batch, blocks)


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
    """Train until the budget is spent, the curve growing in its file; from the last point where there is one."""
    from transformers import (
        AutoTokenizer,
        BertConfig,
        BertForMaskedLM,
        DataCollatorForLanguageModeling,
        Trainer,
        TrainerCallback,
        TrainingArguments,
        set_seed,
    )

    logging.getLogger("transformers").setLevel(logging.ERROR)
    place, size = Path(curve), SIZES[terms["size"]]
    tokenizer: Any = AutoTokenizer.from_pretrained(f"{corpus}/tokenizer")
    rows, judged, device = train_blocks(Path(examples)), tests(Path(examples)), device_for()
    folder = place.with_suffix("")
    before, saved = left_over(place, folder)

    racer = Racer(place, terms, budget=budget, looks=looks, spawned=spawned, before=before)
    set_seed(terms["seed"])
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=size["hidden_size"],
        num_hidden_layers=size["num_hidden_layers"],
        num_attention_heads=size["num_attention_heads"],
        intermediate_size=size["intermediate_size"],
        max_position_embeddings=POSITIONS,
        hidden_dropout_prob=terms["dropout"],
        attention_probs_dropout_prob=terms["dropout"],
        pad_token_id=tokenizer.pad_token_id,
    )
    model: Any = BertForMaskedLM(config)  # pyright: ignore[reportArgumentType]
    rate = racer.rate("linear", terms["warmup"])

    class Timed(Trainer):
        def create_scheduler(self, num_training_steps: int, optimizer: Any = None) -> Any:
            moved: Any = optimizer or self.optimizer
            self.lr_scheduler = torch.optim.lr_scheduler.LambdaLR(moved, lambda _: rate())
            return self.lr_scheduler

    class Looks(TrainerCallback):
        def on_step_begin(self, *_: Any, **__: Any) -> None:
            racer.clock.go()  # it stood while an interrupted run's state was read

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if racer.due:
                racer.clock.stop()
                tokens = seen(state.global_step, len(rows), terms["batch"]) * rows.shape[1]
                racer.note(state.global_step, tokens, scores(model, judged, device))
                control.should_save = True  # and on_save comes next
                control.should_training_stop = racer.share >= 1

        def on_save(self, *_: Any, **__: Any) -> None:
            racer.clock.go()

    arguments = TrainingArguments(
        str(folder), per_device_train_batch_size=terms["batch"], learning_rate=terms["rate"], max_steps=STEPS,
        bf16=terms["precision"] == "bf16", use_cpu=device.type == "cpu", seed=terms["seed"],
        remove_unused_columns=False, save_strategy="no", save_total_limit=2, logging_strategy="no", report_to="none",
        disable_tqdm=True,
    )  # fmt: skip
    data: Any = Blocks(rows, [tokenizer.cls_token_id, tokenizer.sep_token_id])
    collator = DataCollatorForLanguageModeling(tokenizer, mlm_probability=MASK_RATE)
    trainer = Timed(model, arguments, collator, data, callbacks=[Looks()])
    if racer.begin_steps():
        trainer.train(resume_from_checkpoint=str(saved) if saved else None)
    return {"looks": len(racer.points)}


def left_over(curve: Path, folder: Path) -> tuple[Curve | None, Path | None]:
    """What an interrupted run left: its curve up to its newest whole checkpoint, and that; or nothing of both."""
    made = read_curve(curve)
    # trainer_state.json is what the Trainer writes last
    whole = {int(path.parent.name.rpartition("-")[2]): path.parent for path in folder.glob("*/trainer_state.json")}
    while made is not None and made.points and made.points[-1].step not in whole:
        made = replace(made, points=made.points[:-1])
    return (made, whole[made.points[-1].step]) if made is not None and made.points else (None, None)


@torch.no_grad()
def scores(model: Any, judged: Mapping[str, list[Batch]], device: torch.device) -> Scores:
    """Loss and accuracy on what is hidden, in float32, nothing dropped."""
    training = model.training
    model.eval()
    found = {kind: [_scored(model, rectangle(batch, device)) for batch in batches] for kind, batches in judged.items()}
    model.train(training)
    return mean_scores(found)


def _scored(model: Any, given: dict[str, torch.Tensor]) -> tuple[float, float, float]:
    labels = given.pop("labels")
    hidden = labels != -100
    logits, right = model(**given).logits[hidden].float(), labels[hidden]
    loss = functional.cross_entropy(logits, right, reduction="none").double().sum()
    return float(loss), float(len(right)), float((logits.argmax(-1) == right).sum())


if __name__ == "__main__":
    told(measure)
