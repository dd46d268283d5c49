"""The reading process itself: what it cannot do, how it ends, and what it never imports."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from maskwright.checkpoints.torch_files import guarded
from maskwright.checkpoints.torch_files.child import FORBIDDEN
from maskwright.checkpoints.torch_files.guarded import Limits, read_torch_file
from maskwright.errors import BadInput, MaskwrightError
from tests.checkpoints.torch_files.crafted import P, number, table, tensor, zipped

GOOD = P + table({"a": tensor()}) + b"."
CONFINED = """
import ctypes, errno, os, signal, socket, subprocess, sys, threading
from maskwright.checkpoints.torch_files import child
report = os.dup(1)
{before}
child._confine(os.getppid(), 5, 20, 64 << 20, 1 << 20)
{after}
"""
NO_HOOK = "sys.addaudithook = lambda hook: None"


def run(after: str, before: str = "") -> subprocess.CompletedProcess[str]:
    code = CONFINED.format(before=before, after=after)
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)


def test_the_process_imports_neither_torch_nor_what_the_product_is_made_of() -> None:
    code = "import sys; import maskwright.checkpoints.torch_files.child; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert "numpy" in loaded and not loaded & {
        "torch",
        "pydantic",
        "safetensors",
        "transformers",
        "socket",
        "subprocess",
    }


@pytest.mark.parametrize(
    "deed",
    [
        "open('/etc/passwd')",
        "os.open('/etc/passwd', os.O_RDONLY)",
        "os.system('true')",
        "socket.socket()",
        "subprocess.run(['true'])",
        "eval('1')",
        "import pickle; pickle.loads(pickle.dumps(os.system))",
        "import json.tool",
        "os.rename('/tmp/a', '/tmp/b')",
        "os.kill(os.getpid(), 0)",
        "ctypes.CDLL(None)",
    ],
)
def test_any_deed_ends_it(deed: str) -> None:
    done = run(f"{deed}\nos.write(report, b'done')")
    assert done.returncode == FORBIDDEN and "done" not in done.stdout


@pytest.mark.parametrize(
    ("deed", "numbers"),
    [
        ("os.open('/etc/passwd', os.O_RDONLY)", ("EMFILE",)),
        ("socket.socket()", ("EMFILE",)),
        ("os.pipe()", ("EMFILE",)),
        ("os.dup(1)", ("EMFILE", "EINVAL")),
        ("[os.write(target, bytes(1 << 20)) for _ in range(40)]", ("EFBIG",)),
    ],
)
def test_even_without_the_hook_the_system_refuses(tmp_path: Path, deed: str, numbers: tuple[str, ...]) -> None:
    before = f"{NO_HOOK}; target = os.open({str(tmp_path / 'x')!r}, os.O_CREAT | os.O_WRONLY)"
    done = run(
        f"try:\n    {deed}\nexcept OSError as error:\n    os.write(report, errno.errorcode[error.errno].encode())",
        before,
    )
    assert done.stdout in numbers, done.stderr


def test_memory_is_bounded() -> None:
    done = run("try:\n    bytes(1 << 30)\nexcept MemoryError:\n    os.write(report, b'no')")
    assert done.stdout == "no"


def test_processor_time_is_bounded() -> None:
    before = "import resource; resource.setrlimit(resource.RLIMIT_CPU, (1, 1))"
    assert run("while True: pass", before).returncode in (-signal.SIGXCPU, -signal.SIGKILL)


def test_it_does_not_start_for_a_parent_that_has_gone() -> None:
    code = CONFINED.format(before="", after="os.write(report, b'lives')").replace("os.getppid()", "2**22")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 1 and not done.stdout


def slow_file() -> bytes:
    """Reading it takes very long: all keys of the dict have one hash."""
    keys = [number((2**61 - 1) * at) + b"N" for at in range(1, 400_000)]
    batches = (b"(" + b"".join(keys[at : at + 1_000]) + b"u" for at in range(0, len(keys), 1_000))
    return zipped(P + b"}" + b"".join(batches) + b".")


def children(pid: int) -> list[int]:
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def wait_for(found: object, seconds: float = 30) -> bool:
    end = time.monotonic() + seconds
    while not (done := found()) and time.monotonic() < end:  # type: ignore[operator]
        time.sleep(0.02)
    return bool(done)


@pytest.mark.skipif(sys.platform != "linux", reason="asks /proc")
def test_it_ends_with_the_process_that_started_it(tmp_path: Path) -> None:
    (tmp_path / "model.bin").write_bytes(slow_file())
    code = (
        "from maskwright.checkpoints.torch_files.guarded import *\n"
        "limits = Limits(seconds=600, memory=1 << 30)\n"
        f"read_torch_file({str(tmp_path / 'model.bin')!r}, out={str(tmp_path / 'out')!r}, limits=limits)"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL)
    try:
        assert wait_for(lambda: children(parent.pid))
        (reader,) = children(parent.pid)
        time.sleep(1)  # so that it is at work, which would take it a minute
        assert state(reader) != "Z"
        parent.kill()
        parent.wait()
        assert wait_for(lambda: state(reader) == "Z", seconds=5)
    finally:
        parent.kill()
        parent.wait()


def state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "Z"


def test_the_time_of_a_clock_is_bounded_too(tmp_path: Path) -> None:
    (tmp_path / "model.bin").write_bytes(slow_file())
    with pytest.raises(BadInput, match="takes too long to read"):
        read_torch_file(tmp_path / "model.bin", out=tmp_path / "out", limits=Limits(seconds=60, wall_seconds=1))
    assert [file.name for file in tmp_path.iterdir()] == ["model.bin"]


@pytest.mark.parametrize(
    ("deed", "error", "words"),
    [
        ("os._exit(77)", BadInput, "to do something else than read"),
        ("os.kill(os.getpid(), 11)", BadInput, "end by signal 11"),
        ("os.kill(os.getpid(), 9)", BadInput, "more time or memory"),
        ("sys.exit('broken')", MaskwrightError, "could not work .exit code 1.: broken"),
        ("pass", MaskwrightError, "could not work .exit code 0.: "),
        ("os.write(settings['answer'], b'nonsense')", BadInput, "no readable JSON"),
        ("os.write(settings['answer'], b'{\"bytes\": 3}')", MaskwrightError, "another number of bytes"),
        ("os.write(settings['answer'], b'{\"error\": \"two\\\\nlines\"}')", BadInput, "two lines"),
        ("os.write(settings['answer'], b' ' * (17 << 20))", MaskwrightError, "could not work"),
        ("os.write(settings['answer'], b'{\"failed\": 28}')", OSError, "No space left"),
    ],
)
def test_a_reader_that_was_taken_over_is_not_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, deed: str, error: type[Exception], words: str
) -> None:
    monkeypatch.setattr(guarded, "_START", f"import sys, os, json; settings = json.loads(sys.argv[1]); {deed}")
    (tmp_path / "model.bin").write_bytes(zipped(GOOD))
    with pytest.raises(error, match=words):
        read_torch_file(tmp_path / "model.bin", out=tmp_path / "out")
    assert [file.name for file in tmp_path.iterdir()] == ["model.bin"]


def test_the_reader_sees_nothing_of_the_surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "secret")
    monkeypatch.setattr(guarded, "_START", "import os, sys; sys.exit(' '.join([os.getcwd(), *sorted(os.environ)]))")
    (tmp_path / "model.bin").write_bytes(zipped(GOOD))
    with pytest.raises(MaskwrightError) as caught:
        read_torch_file(tmp_path / "model.bin", out=tmp_path / "out")
    assert " OPENBLAS_NUM_THREADS" in str(caught.value) and "HF_TOKEN" not in str(caught.value)


def test_it_reads_in_a_folder_with_modules_of_known_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("json", "numpy", "sitecustomize", "maskwright"):
        (tmp_path / f"{name}.py").write_text(f"open({str(tmp_path / 'canary')!r}, 'w')")
    (tmp_path / "model.bin").write_bytes(zipped(GOOD))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", ["", *sys.path])
    read_torch_file("model.bin", out="out.safetensors")
    assert not (tmp_path / "canary").exists() and Path("out.safetensors").stat().st_size > 24


def test_no_descriptor_stays_open(tmp_path: Path) -> None:
    before = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    (tmp_path / "good.bin").write_bytes(zipped(GOOD))
    (tmp_path / "bad.bin").write_bytes(GOOD)
    for at in range(3):
        read_torch_file(tmp_path / "good.bin", out=tmp_path / f"{at}")
        with pytest.raises(BadInput):
            read_torch_file(tmp_path / "bad.bin", out=tmp_path / "bad")
    assert before == (len(os.listdir("/proc/self/fd")) if before else 0)
