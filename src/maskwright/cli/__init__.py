'''The command line: a frame, and one file for each verb.

The frame parses, runs the verb, and turns what goes wrong into one line on stderr and an exit code:
0 done, 1 failed, 2 wrong usage or bad input, 130 interrupted (Ctrl-C), 143 asked to stop (SIGTERM), 141 the
reader of our output has gone. A run that 130 or 143 ended has saved, and the same line goes on with it.
stdout carries results, stderr the log. MASKWRIGHT_DEBUG=1 adds the traceback.

A verb is one file and one line. The file `cli/count.py` holds a function of the same name (a verb that
is a Python keyword takes an underscore: `cli/import_.py`, `import_`):

    """`maskwright count`: how many tokens a corpus has."""

    from pathlib import Path
    from typing import Annotated

    from cyclopts import Parameter

    from maskwright.cli.overrides import Overrides
    from maskwright.cli.results import AsJson, show


    def count(
        corpus: Path,
        /,
        *,
        held_out: Annotated[bool, Parameter(name="--held-out")] = False,
        json: AsJson = False,
        overrides: Overrides,
    ) -> None:
        """Count the tokens of a corpus.

        More about it, in lines of at most 80 characters.

        Args:
            corpus: The folder that `maskwright corpus` made.
            held_out: Count the held-out part instead.

        Examples:
            maskwright count corpora/en
            maskwright count corpora/en --json
        """
        from maskwright.corpus.read import Corpus  # what is heavy is imported here, inside the verb

        opened = Corpus.open(corpus)
        split = opened.held_out if held_out else opened.train
        show({"documents": split.num_documents, "tokens": split.num_tokens}, json=json)

The line goes into `VERBS` below, `"count": "Count the tokens of a corpus."`, and is the docstring's first
line too (a test compares them, and asks for examples). Arguments before `/` are positional, those after
`*` are options; a plain bool is a flag without a `--no-` twin. A verb with an `overrides` parameter takes
any `--table.key VALUE` beside its own options and gets them as {"table.key": "VALUE"}, ready for
`maskwright.config.override`; a verb that wants none leaves the parameter out.
`show` prints for people, or JSON with --json. A verb returns None or an exit code, raises BadInput or
MaskwrightError, and never calls sys.exit.
'''

import importlib
import inspect
import keyword
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from maskwright import __version__
from maskwright.cli.failures import explain_failure
from maskwright.cli.overrides import split_overrides

if TYPE_CHECKING:
    from cyclopts import App

# Group -> verb -> its line in `maskwright --help`, in the order of the work.
VERBS: dict[str, dict[str, str]] = {
    "Start here": {
        "demo": "Pretrain a BERT on a sample text in minutes, and write a report.",
        "doctor": "Say what this machine and this installation have.",
    },
    "Prepare": {
        "corpus": "Make a corpus: tokenised, memory-mapped shards, and a manifest of them.",
        "tokenizer": "Train a vocabulary, show the pieces of a text, or compare tokenizers.",
    },
    "Pretrain": {
        "recipes": "List the recipes: network, layout, what is hidden, the regime.",
        "plan": "Say what a run will take: memory, speed, hours, disk, the micro-batch to use.",
        "pretrain": "Train an encoder from a corpus, by a recipe.",
        "show": "Show what a recipe hides: decoded training examples, and measured rates.",
    },
    "Fine-tune": {
        "finetune": "Teach an encoder a task from labelled texts.",
        "evaluate": "Judge a fine-tuned model by examples of which one knows what is right.",
        "predict": "Say what a fine-tuned model predicts for texts.",
    },
    "Use": {
        "fill": "Guess the masked words of a text.",
        "generate": "Let a model write on from a prompt.",
        "encode": "Turn texts into vectors.",
        "import": "Bring a model from elsewhere into a folder of ours, with a certificate.",
        "export": "Write a model in a form that others load.",
    },
    "Measure": {
        "senses": "See whether models give the senses of a word different vectors.",
        "params": "Count the parameters of a network by component.",
        "bench": "Measure speed: training beside transformers, batches, corpora, the start.",
    },
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line (sys.argv when None) and return its exit code."""
    tokens = list(sys.argv[1:] if arguments is None else arguments)
    try:
        code = _command(tokens) if arguments is None else _run(tokens)
        sys.stdout.flush()  # a full disk or a closed pipe shows here, not after we have said 0
        return code
    except SystemExit as stop:  # rich ends this way when the reader of its output has gone
        return stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    except BaseException as error:  # noqa: BLE001 - the one place where everything ends
        code, line = explain_failure(error)
        _give_up_stdout_if_broken(error)
        if os.environ.get("MASKWRIGHT_DEBUG", "0") not in ("", "0"):
            traceback.print_exc()
        if line:
            sys.stderr.write(f"maskwright: error: {line}\n")
        return code


def _command(tokens: Sequence[str]) -> int:
    """What a shell called: a run that another process watches, where that is wanted."""
    if "--auto-batch" in tokens:
        from maskwright.cli import watching  # 12 ms that other lines need not wait

        if watching.is_wanted(tokens):
            return watching.watch(tokens)
    return _run(tokens)


def _run(tokens: Sequence[str]) -> int:
    app = build_app(tokens[0] if tokens else None)
    rest, overrides = split_overrides(tokens)
    command, bound, ignored = app.parse_args(rest, exit_on_error=False, print_error=False, verbose=False)
    extra: dict[str, object] = {}
    if "overrides" in ignored:
        extra["overrides"] = overrides
    elif overrides:  # this verb takes none: let the parser say so as it does for any unknown option
        command, bound, _ = app.parse_args(list(tokens), exit_on_error=False, print_error=False, verbose=False)
    result = command(*bound.args, **bound.kwargs, **extra)
    return result if isinstance(result, int) else 0


def build_app(verb: str | None = None) -> "App":
    """The parser. Only `verb` is imported; the others stay names with a line of help."""
    from cyclopts import App, Group, Parameter

    app = App(
        name="maskwright",
        help="From raw text to your own pretrained language encoder.",
        help_epilogue="Each verb has examples: maskwright VERB --help",
        help_format="plaintext",
        version=f"maskwright {__version__}",
        default_parameter=Parameter(negative=()),
    )
    for order, (title, verbs) in enumerate(VERBS.items()):
        group = Group(title, sort_key=order)
        for place, (name, line) in enumerate(verbs.items()):
            if name == verb:
                function = load_verb(name)
                given = App(name=name, help_epilogue=_examples(function), group=group, sort_key=place)
                given.default(function)
                for part, does in parts_of(function).items():
                    given.command(does, name=part, help_epilogue=_examples(does))
                app.command(given)
            else:
                app.command(import_path(name), name=name, help=line, group=group, sort_key=place)
    return app


def import_path(verb: str) -> str:
    """Where a verb lives: "module:function".

    >>> import_path("doctor"), import_path("import")
    ('maskwright.cli.doctor:doctor', 'maskwright.cli.import_:import_')
    """
    name = verb + "_" if keyword.iskeyword(verb) else verb
    return f"maskwright.cli.{name}:{name}"


def load_verb(verb: str) -> Callable[..., Any]:
    """The function of a verb, its module imported."""
    module, _, name = import_path(verb).partition(":")
    return getattr(importlib.import_module(module), name)


def parts_of(function: Callable[..., Any]) -> dict[str, Callable[..., Any]]:
    """What a verb can do besides, by the word behind it: `PARTS` of its module, as `corpus info` has it."""
    return getattr(sys.modules[function.__module__], "PARTS", {})


def _examples(function: Callable[..., Any]) -> str:
    """The "Examples:" part of a verb's docstring, which the parser's help leaves out."""
    _, heading, examples = (inspect.getdoc(function) or "").partition("\nExamples:\n")
    return f"Examples:\n{examples.rstrip()}" if heading else ""


def _give_up_stdout_if_broken(error: BaseException) -> None:
    """Point stdout at nothing after it failed, or Python complains once more while it exits."""
    if isinstance(error, OSError):
        try:
            sys.stdout.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
