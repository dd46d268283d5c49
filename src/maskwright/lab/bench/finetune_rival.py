"""The other side: the `Trainer` of transformers on the same examples, its steps timed by a callback.

Texts are encoded beforehand, outside the time; the collator pads each batch to its longest text, or to so many tokens.
Nothing is logged, evaluated or saved. A process of its own.
"""

import json
import logging
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

from maskwright.lab.bench.clock import Times, told
from maskwright.lab.bench.finetune_ours import LEAST, WARM_UP, rates

EPOCHS = 10_000


def measure(
    *,
    model: str,
    examples: str,
    batch: int,
    rate: float,
    length: int,
    dropout: float,
    padded: bool,
    precision: str,
    seconds: float,
) -> dict[str, Any]:
    """Tokens and examples a second by all steps but the first ones, padding not counted."""
    from transformers import (
        AutoModelForSequenceClassification,
        AutoTokenizer,
        DataCollatorWithPadding,
        Trainer,
        TrainerCallback,
        TrainingArguments,
    )

    logging.getLogger("transformers").setLevel(logging.ERROR)
    rows = [json.loads(line) for line in Path(examples).read_text("utf-8").splitlines()]
    classes = sorted({row["label"] for row in rows})
    tokenizer: Any = AutoTokenizer.from_pretrained(model)
    network: Any = AutoModelForSequenceClassification.from_pretrained(
        model, num_labels=len(classes), classifier_dropout=dropout
    )
    encoded = tokenizer([row["text"] for row in rows], truncation=True, max_length=length, padding=False)
    given = [
        {**{key: encoded[key][i] for key in encoded}, "labels": classes.index(row["label"])}
        for i, row in enumerate(rows)
    ]
    how: dict[str, Any] = {"padding": "max_length", "max_length": length} if padded else {}
    pad: Any = DataCollatorWithPadding(tokenizer, **how)
    real, computed = list[int](), list[int]()

    def collate(features: list[dict[str, Any]]) -> Any:
        made = pad(features)
        real.append(int(made["attention_mask"].sum()))
        computed.append(made["attention_mask"].numel())
        return made

    wall, cpu = list[float](), list[float]()

    class Stopwatch(TrainerCallback):
        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            wall.append(time.perf_counter())
            cpu.append(time.process_time())
            if len(wall) > WARM_UP + LEAST and wall[-1] - wall[WARM_UP] >= seconds:
                control.should_training_stop = True

    with tempfile.TemporaryDirectory(prefix="maskwright-bench-") as folder:
        arguments = TrainingArguments(
            folder, per_device_train_batch_size=batch, learning_rate=rate, num_train_epochs=EPOCHS, warmup_steps=100,
            weight_decay=0.01, max_grad_norm=1.0, bf16=precision == "bf16", use_cpu=not torch.cuda.is_available(),
            save_strategy="no", logging_strategy="no", report_to="none", disable_tqdm=True,
        )  # fmt: skip
        Trainer(network, arguments, collate, given, callbacks=[Stopwatch()]).train()  # type: ignore[arg-type]
    steps = [[b - a for a, b in zip(at[WARM_UP:], at[WARM_UP + 1 :], strict=False)] for at in (wall, cpu)]
    timed = slice(WARM_UP + 1, len(wall))
    tokens = sum(real[timed]) / len(real[timed])
    return {**rates(Times(*steps), batch, tokens), "real": sum(real[timed]) / sum(computed[timed])}


if __name__ == "__main__":
    told(measure)
