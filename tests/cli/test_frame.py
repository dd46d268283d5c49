"""The frame: exit codes, one line for each failure, overrides, and what help costs."""

import errno
import json
import os
import re
import signal
import subprocess
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import pytest
import torch
from cyclopts import Parameter
from hypothesis import given
from hypothesis import strategies as st

import maskwright.cli as frame
from maskwright.cli import main
from maskwright.cli.overrides import Overrides, split_overrides
from maskwright.cli.results import AsJson, show
from maskwright.config import Config
from maskwright.errors import BadInput, MaskwrightError

SOURCE = Path(frame.__file__).parent
NAMES = [name for verbs in frame.VERBS.values() for name in verbs]


def run(*arguments: str, environment: dict[str, str] | None = None, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "maskwright", *arguments],
        check=False,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", **(environment or {})},
        **{"capture_output": True, **options},
    )


@pytest.fixture
def verb(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[..., Any]], None]:
    """Puts a function behind the verb `probe`."""

    def add(function: Callable[..., Any]) -> None:
        module = types.ModuleType("maskwright.cli.probe")
        module.probe = function  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "maskwright.cli.probe", module)
        monkeypatch.setitem(frame.VERBS, "Test", {"probe": "Probe the frame."})

    return add


@pytest.fixture
def failing(verb: Callable[[Callable[..., Any]], None], capsys: pytest.CaptureFixture[str]) -> Any:
    """Runs a verb that raises; gives the exit code and stderr."""

    def fail(error: BaseException) -> tuple[int, str]:
        def probe() -> None:
            raise error

        verb(probe)
        code = main(["probe"])
        captured = capsys.readouterr()
        assert captured.out == ""
        return code, captured.err

    return fail


class Sizes(Config):
    hidden_size: int = 2


def config_fault() -> Exception:
    try:
        Sizes.model_validate({"hidden_size": "x"})
    except ValueError as error:
        return error
    raise AssertionError


def allocation_fault() -> Exception:
    try:
        torch.empty(2**60)
    except RuntimeError as error:
        return error
    raise AssertionError


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (BadInput("--size huge: take\n tiny or base"), 2, "--size huge: take tiny or base"),
        (MaskwrightError("loss is nan at step 3"), 1, "loss is nan at step 3"),
        (OSError(errno.ENOSPC, "No space left on device", "runs/a"), 2, "runs/a: no space left"),
        (OSError(errno.ENOSPC, "No space left on device"), 2, "no space left where the output goes"),
        (PermissionError(errno.EACCES, "Permission denied", b"x"), 2, "x: permission denied"),
        (OSError(errno.EROFS, "Read-only", "x"), 2, "x: read-only file system"),
        (NotADirectoryError(errno.ENOTDIR, "Not a directory", "a/b"), 2, "a/b: a part of the path is not a folder"),
        (FileNotFoundError(errno.ENOENT, "No such", Path("a")), 2, "a: no such file or folder"),
        (OSError(errno.EEXIST, "File exists", "a", None, "b"), 2, "a -> b: is there already"),
        (OSError(errno.EIO, "Input/output error", "disk"), 1, "disk: Input/output error"),
        (ModuleNotFoundError("x", name="gensim.models"), 2, "pip install 'maskwright[classic]'"),
        (MemoryError(), 1, "out of memory"),
        (allocation_fault(), 1, "out of memory: lower training.micro_sequences"),
        (torch.OutOfMemoryError("CUDA out of memory. Tried\nto allocate"), 1, "lower training.micro_sequences"),
        (config_fault(), 2, "hidden_size: Input should be a valid integer"),
        (KeyError("secret"), 1, "unexpected KeyError: 'secret' (MASKWRIGHT_DEBUG=1 shows where)"),
        (ModuleNotFoundError("No module named 'ours'", name="ours"), 1, "unexpected ModuleNotFoundError"),
    ],
)
def test_every_failure_is_one_line_and_its_exit_code(failing: Any, error: Exception, code: int, line: str) -> None:
    if isinstance(error, FileNotFoundError):
        error.filename = os.fspath(error.filename)
    got, stderr = failing(error)
    assert got == code
    assert stderr.startswith("maskwright: error: ") and stderr.count("\n") == 1 and line in stderr


@pytest.mark.parametrize(("error", "code"), [(KeyboardInterrupt(), 130), (BrokenPipeError(errno.EPIPE, "x"), 141)])
def test_an_interrupt_and_a_gone_reader_are_quiet(failing: Any, error: BaseException, code: int) -> None:
    assert failing(error) == (code, "")


def test_the_traceback_is_there_for_those_who_ask(failing: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MASKWRIGHT_DEBUG", "1")
    code, stderr = failing(BadInput("no"))
    assert code == 2 and "Traceback" in stderr and stderr.endswith("maskwright: error: no\n")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["docter"], 'unknown command "docter". Did you mean "doctor"?'),
        (["frobnicate"], 'unknown command "frobnicate". Available commands: demo, '),
        (["frobnicate"], ", ... See: maskwright --help"),
        (["doctor", "--jsno"], "unknown option: --jsno. Did you mean --json? See: maskwright doctor --help"),
        (["doctor", "here"], "unexpected here."),
        (["doctor", "--training.steps", "3"], "unknown option: --training.steps"),
        (["doctor", "--training.steps"], "--training.steps needs a value"),
    ],
)
def test_wrong_usage_is_one_line_with_the_nearest_name(
    capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.count("\n") == 1 and words in captured.err


def test_a_verb_gets_its_options_and_every_dotted_key(
    verb: Callable[[Callable[..., Any]], None], capsys: pytest.CaptureFixture[str]
) -> None:
    def probe(
        recipe: str,
        /,
        *,
        size: str = "tiny",
        fast: Annotated[bool, Parameter(help="Go fast.")] = False,
        json: AsJson = False,
        overrides: Overrides,
    ) -> int:
        """Probe the frame."""
        show({"recipe": recipe, "size": size, "fast": fast, "overrides": overrides}, json=json)
        return 1

    verb(probe)
    line = "probe bert --training.steps 1000 --json --model.hidden-dropout-prob=0 --a.b -5 --size base --a.b=c=d --fast"
    assert main(line.split()) == 1
    assert json.loads(capsys.readouterr().out) == {
        "recipe": "bert",
        "size": "base",
        "fast": True,
        "overrides": {"training.steps": "1000", "model.hidden_dropout_prob": "0", "a.b": "c=d"},
    }
    assert main(["probe", "--help"]) == 0
    shown = capsys.readouterr().out
    assert "--fast" in shown and "--no-fast" not in shown and "overrides" not in shown


KEY = st.from_regex(r"[a-z_]{1,8}(\.[a-z_]{1,8}){1,2}", fullmatch=True)
VALUE = st.text(min_size=1).filter(lambda text: not text.startswith("--") and text != "-h")


@given(
    st.dictionaries(KEY, VALUE), st.booleans(), st.lists(st.sampled_from(["pretrain", "--json", "--out=a.b", "x.y"]))
)
def test_dotted_options_and_the_rest_come_apart_again(given: dict[str, str], equals: bool, rest: list[str]) -> None:
    options = [[f"--{key}={value}"] if equals else [f"--{key}", value] for key, value in given.items()]
    tokens = [*rest, *(token for option in options for token in option), "--", "--a.b", "c"]
    assert split_overrides(tokens) == ([*rest, "--", "--a.b", "c"], given)


def test_infinity_and_nan_are_null_in_json(capsys: pytest.CaptureFixture[str]) -> None:
    show({"a": [float("nan"), 1.5], "b": {"c": float("inf")}, "d": "三国"}, json=True)
    text = capsys.readouterr().out
    assert json.loads(text) == {"a": [None, 1.5], "b": {"c": None}, "d": "三国"} and "三国" in text


def test_each_verb_is_one_file_and_one_line() -> None:
    frame_files = {
        "__init__",
        "bench_parts",
        "corpus_parts",
        "evaluation_tables",
        "failures",
        "overrides",
        "results",
        "several_runs",
        "watching",
    }
    files = {path.stem for path in SOURCE.glob("*.py")} - frame_files
    assert files == {frame.import_path(name).rsplit(":", 1)[1] for name in NAMES}


@pytest.mark.parametrize("name", NAMES)
def test_the_help_of_every_verb_has_its_line_and_examples(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([name, "--help"]) == 0
    shown = capsys.readouterr().out
    assert "Usage: maskwright " + name in shown
    examples = shown.partition("\nExamples:\n")[2].strip().splitlines()
    assert examples and all(re.match(rf"\s*(#|.*maskwright {name}\b)|\s{{6}}", line) for line in examples)
    assert (frame.load_verb(name).__doc__ or "").splitlines()[0] == next(
        verbs[name] for verbs in frame.VERBS.values() if name in verbs
    )


def test_help_imports_nothing_heavy() -> None:
    code = "import sys; from maskwright.cli import main; main(['--help']); print(*sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stderr.split())
    assert all(name in done.stdout for name in NAMES)
    assert not loaded & {"torch", "numpy", "pydantic", "pyarrow", "tokenizers", "transformers", "multiprocessing"}


def test_version_and_bare_call_say_what_this_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert re.fullmatch(r"maskwright \d+\.\d+\.\d+\n", capsys.readouterr().out)
    assert main([]) == 0
    assert "Usage: maskwright COMMAND" in capsys.readouterr().out


def test_no_color_leaves_no_escapes() -> None:
    coloured = run("--help", environment={"FORCE_COLOR": "1", "NO_COLOR": ""})
    plain = run("--help", environment={"NO_COLOR": "1"})
    assert "\x1b[" in coloured.stdout and "\x1b[" not in plain.stdout


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_behind_stdout_is_an_error_and_not_a_traceback() -> None:
    with open("/dev/full", "w") as full:
        done = run("doctor", "--json", stdout=full, stderr=subprocess.PIPE, capture_output=False)
    assert (done.returncode, done.stderr) == (2, "maskwright: error: no space left where the output goes\n")


def test_a_reader_that_leaves_hears_nothing_more() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = run("doctor", stdout=writer, stderr=subprocess.PIPE, capture_output=False)
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, "")


def test_an_interrupt_from_outside_ends_quietly(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    code = (
        "import signal, sys, maskwright.cli as frame; signal.signal(signal.SIGINT, signal.default_int_handler); "
        "frame._run = lambda tokens: print('ready', flush=True) or open(sys.argv[1]).read(); sys.exit(frame.main([]))"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", code, str(pipe)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert child.stdout is not None and child.stdout.readline() == "ready\n"
    child.send_signal(signal.SIGINT)
    _, stderr = child.communicate(timeout=60)
    assert (child.returncode, stderr) == (130, "")
