"""`maskwright finetune`: teach an encoder a task from labelled texts."""

from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from maskwright.cli.overrides import Overrides
from maskwright.cli.results import AsJson, show

LORA_RATE = 5e-4
"""What an adapter learns at where nobody says: LoRA, arXiv 2106.09685, table 9; whole encoders take a tenth."""


def finetune(
    task: str,
    /,
    *,
    model: str,
    train: str | None = None,
    dev: str | None = None,
    text: str | None = None,
    pair: str | None = None,
    label: str | None = None,
    several: bool = False,
    frozen: bool = False,
    epochs: float | None = None,
    dropout: float | None = None,
    heads: Literal["google", "transformers"] | None = None,
    data: Annotated[str | None, Parameter(name="--data")] = None,
    adapter: Literal["lora"] | None = None,
    out: Path = Path("runs/finetuned"),
    skip_bad: Annotated[bool, Parameter(name="--skip-bad")] = False,
    seeds: Annotated[int | None, Parameter(name="--seeds")] = None,
    search: Literal["grid", "optuna"] | None = None,
    trials: int | None = None,
    auto_batch: Annotated[bool, Parameter(name="--auto-batch")] = False,
    json: AsJson = False,
    overrides: Overrides,
) -> int:
    """Teach an encoder a task from labelled texts.

    Tables are .csv, .tsv, .jsonl or .parquet with named columns; published data sets
    are read as they are distributed, from a folder (--data). The same line goes
    on where it was stopped. The model lies in the run's model/, as stock
    transformers has it, and what it is worth in evaluation.json.

    Args:
        task: classification, regression, tagging, segmentation, questions, choice or
            similarity; or a data set: glue:sst2, glue:stsb, squad:2.0, swag:regular,
            clue:tnews, conll:2003, chinese:msra ...
        model: The encoder's folder: one of ours, or a Hugging Face one.
        train: The table to learn from; for tagging it may be a word and a tag a line,
            for questions a .json as SQuAD's.
        dev: The table to judge by. Default: a tenth of the first is put aside.
        text: The column of the text. Default: text; of tagged words, words; question;
            of what options follow, and of similarity, first.
        pair: The column of a second text, for pairs. Default: context of questions;
            second of similarity; options of choices, a list, or several columns
            parted by commas.
        label: The column of what is right. Default: label; of tagged words, tags;
            answer; of choices the right option's place, from 0; of similarity none:
            each pair belongs together. With it: how near they are.
        several: A text may have several classes, parted by |.
        frozen: The encoder keeps its weights, and what stands above it learns alone, at
            a rate of its own; an ELMo does anyway. --features.layers says what is read
            of it (last, sum_last_four, concat_last_four, mix), --features.top what
            learns (linear, crf, bilstm, bilstm_crf); both go with an encoder that
            learns too.
        epochs: Passes over the texts. Default: 3; a bag of words is fitted in one go.
        dropout: Share of what the head reads that is dropped out in training. Default:
            0.1; of an ELMo 0.5.
        heads: How a new head begins: google cuts the normal it is drawn from at two
            deviations, transformers does not. Default: google.
        data: The folder with the files of a data set.
        adapter: lora leaves the encoder as it is, and trains a small change to it and
            the head; the model's folder holds these alone, as peft has it, and several
            tasks share one encoder. Options: --lora.rank 8, --lora.targets ...
        out: The run's folder.
        skip_bad: Pass over bad rows and count them; else the first ends it.
        seeds: So many runs, out/seed-0 ..., with seeds from training.seed on; their mean
            and deviation in out/summary.json.
        search: Try settings, each in a run of its own: grid, all combinations of BERT's
            paper; optuna, a search that learns from its trials.
        trials: Trials of optuna, those of earlier calls included. Default: 20.
        auto_batch: Where a step runs out of memory, halve training.micro_sequences and go on
            from that step; its gradient is the same but for the last bits. On Linux a second process
            watches the run, and where the system ends that for want of memory, begins it anew from
            its newest checkpoint.

    Some keys of the recipe: --layers.decay 0.9 (rates fall layer by layer),
    --layers.frozen 2, --layers.reinitialised 1, --loss.class-weights balanced,
    --stopping.patience 3 (looks that are no better end it; the best weights are kept),
    --stopping.keep last, --data.split-seed 1. What is tried in a search:
    --space.optimizer.rate "[5e-5, 3e-5]", and for optuna "{lo = 1e-5, hi = 1e-4}".

    Examples:
        maskwright finetune classification --model runs/mine/model --train a.csv
        maskwright finetune regression --model m --train a.tsv --label score
        maskwright finetune glue:sst2 --data SST-2 --model runs/mine/model
        maskwright finetune similarity --model m --train pairs.csv
        maskwright finetune classification --model m --train a.csv --adapter lora
        maskwright finetune similarity --model m --train sts.csv --label score
        maskwright finetune glue:rte --data RTE --model m --seeds 5 --out runs/rte
        maskwright finetune classification --model m --train a.csv --search grid
        maskwright finetune questions --train squad-like.json --model m
        maskwright finetune tagging --train a.conll --model m --features.top crf
        maskwright finetune glue:cola --data CoLA --model m --frozen --epochs 10
        maskwright finetune choice --train a.csv --pair end0,end1,end2 --model m
    """
    from maskwright.cli.several_runs import Several, run_several
    from maskwright.config import checked, literal, override, plain
    from maskwright.errors import BadInput
    from maskwright.progress import rich_progress, silent
    from maskwright.tasks.finetune import evaluation, kept
    from maskwright.tasks.learning import learn, recipe_of, usual_of
    from maskwright.tasks.recipe import FROZEN_RATE, Recipe
    from maskwright.tasks.shapes import names
    from maskwright.tasks.shapes import shape as shape_named
    from maskwright.training.launch import rank_said, size_said
    from maskwright.training.run import keep_memory

    shape = task
    if ":" in task:
        from maskwright.tasks.suites import suite

        shape = suite(task).shape
        if train or dev:
            raise BadInput(f"{task} has files of its own: leave --train and --dev off, and name their folder by --data")
    if shape not in names():
        raise BadInput(
            f"{task} is {'of the shape ' + shape if ':' in task else 'no task'}: there are {', '.join(names())} so "
            "far, and data sets of these shapes"
        )
    if several and shape != "classification":
        raise BadInput(f"--several goes with classification: {task} has one answer for each text or word")
    if pair and shape == "tagging":
        raise BadInput("--pair goes with texts: words are tagged in one sentence")
    if data and ":" not in task:
        raise BadInput(f"--data names the folder of a published data set: give --train FILE for {task}")
    if ":" not in task and not train:
        columns = shape_named(shape).COLUMNS
        wanted = [text or columns.text, pair or columns.pair, label or columns.label]
        *others, last = [column for column in wanted if column is not None]
        raise BadInput(
            f"which texts? give --train FILE, a table with the column{'s' if others else ''} "
            f"{', '.join(others)}{' and ' if others else ''}{last}"
        )
    of_texts: dict[str, Any] = {"text": text, "pair": pair, "label": label, "train": train, "dev": dev}
    of_texts |= {"suite": task if ":" in task else None, "folder": data, "shape": shape, "skip_bad": skip_bad}
    of_texts = {key: value for key, value in of_texts.items() if value is not None} | {"several": several}
    kind = recipe_of(model)
    if kind is not Recipe and (frozen or adapter):
        raise BadInput(f"{model} is a bag of words, without weights that could move: leave --frozen and --adapter off")
    similar = shape == "similarity" and kind is Recipe
    given: dict[str, Any] = {"model": model, "data": of_texts}
    given |= ({"lora": {}} if adapter else {}) | ({"similarity": {}} if similar else {})
    whole = plain(checked(kind, given, "the recipe"))  # a key changes nothing of the others in its table
    usual: dict[str, Any] = {"optimizer.rate": LORA_RATE} if adapter else {}
    if frozen or overrides.get("features.frozen") == "true":
        usual |= {"features.frozen": True, "optimizer.rate": FROZEN_RATE}
    usual |= usual_of(model)
    if similar:
        usual["training.micro_sequences"] = 2 * whole["training"]["micro_sequences"]
    space = {key.removeprefix("space."): literal(text) for key, text in overrides.items() if key.startswith("space.")}
    keys = {key: value for key, value in overrides.items() if not key.startswith("space.")}
    usual |= {
        name: value for name, value in (("epochs", epochs), ("dropout", dropout), ("heads", heads)) if value is not None
    }
    recipe = checked(kind, override(whole, usual | keys), "the recipe")
    asked = Several(seeds=seeds, search=search, trials=trials, space=space)
    allocator = "kept" if keep_memory() else "default"
    if asked.is_asked and auto_batch:
        raise BadInput("--auto-batch goes with one run: runs that are compared have the same micro-batches")
    if asked.is_asked and size_said() > 1:
        raise BadInput("several runs go one after another: start --seeds and --search without torchrun")
    if asked.is_asked:
        if not isinstance(recipe, Recipe):
            raise BadInput(
                f"{model} is a bag of words, fitted in one go and the same with any seed: leave out --seeds "
                "and --search, and give linear.c"
            )
        return run_several(recipe, asked, out, allocator=allocator, progress=rich_progress(), json=json)
    progress = silent if rank_said() else rich_progress()
    stopped = learn(recipe, out, allocator=allocator, auto_batch=auto_batch, progress=progress)
    if rank_said():
        return 128 + stopped if stopped else 0
    result: dict[str, Any] = {
        "run": str(out),
        "finished": not stopped,
        "model": None if stopped else str(out / "model"),
    }
    if not stopped:
        result |= evaluation(out) | (kept(out) if isinstance(recipe, Recipe) else {})
    show(result, json=json)
    return 128 + stopped if stopped else 0
