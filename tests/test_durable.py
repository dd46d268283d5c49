import ctypes
import errno
import fcntl
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from maskwright import durable
from maskwright.errors import BadInput


def names(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


def run_python(code: str, *args: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, args)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def wait_for_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


class TestWriteFile:
    def test_replaces_the_old_content_and_leaves_nothing_else(self, tmp_path: Path):
        for content in (b"old", b"", b"new" * 100_000):
            durable.write_file(tmp_path / "a.txt", content)
            assert (tmp_path / "a.txt").read_bytes() == content
            assert names(tmp_path) == ["a.txt"]

    def test_a_failing_write_keeps_the_old_file_and_names_the_path(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ):
        durable.write_file(tmp_path / "a.txt", b"old")

        def full(descriptor: int) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match=r"a\.txt") as caught:
            durable.write_file(tmp_path / "a.txt", b"new")
        assert caught.value.errno == errno.ENOSPC
        assert (tmp_path / "a.txt").read_bytes() == b"old"
        assert names(tmp_path) == ["a.txt"]

    def test_an_error_names_the_path_and_no_temporary_name(self, tmp_path: Path):
        (tmp_path / "folder" / "full").mkdir(parents=True)
        for place, kind in (("nowhere/a.txt", FileNotFoundError), ("folder", IsADirectoryError)):
            with pytest.raises(kind) as caught:
                durable.write_file(tmp_path / place, b"new")
            assert caught.value.filename == str(tmp_path / place)
            assert ".partial-" not in str(caught.value)
        assert names(tmp_path) == ["folder"]

    def test_file_mode_follows_the_umask(self, tmp_path: Path):
        old = os.umask(0o027)
        try:
            durable.write_file(tmp_path / "a", b"")
        finally:
            os.umask(old)
        assert (tmp_path / "a").stat().st_mode & 0o777 == 0o640


class TestStagedFolder:
    def test_appears_whole_at_the_end_only(self, tmp_path: Path):
        target = tmp_path / "new parent" / "三国"
        with durable.staged_folder(target) as folder:
            (folder / "sub").mkdir()
            (folder / "sub" / "a").write_text("A")
            assert not target.exists()
        assert (target / "sub" / "a").read_text() == "A"
        assert names(target.parent) == ["三国"]

    @pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
    def test_any_exception_removes_it(self, tmp_path: Path, error: type[BaseException]):
        with pytest.raises(error), durable.staged_folder(tmp_path / "x") as folder:
            (folder / "a").write_text("A")
            raise error
        assert names(tmp_path) == []

    def test_refuses_what_exists_and_replaces_it_on_request(self, tmp_path: Path):
        target = tmp_path / "x"
        target.mkdir()
        with durable.staged_folder(target) as folder:  # an empty folder is nobody's
            (folder / "a").write_text("1")
        with pytest.raises(BadInput, match="exists already"), durable.staged_folder(target):
            pass
        with durable.staged_folder(target, replace=True) as folder:
            (folder / "b").write_text("2")
        assert names(target) == ["b"]
        assert names(tmp_path) == ["x"]

    def test_failing_replacement_keeps_the_old_one(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
        target = tmp_path / "x"
        target.mkdir()
        (target / "a").write_text("old")

        def broken(one: Path, other: Path) -> None:
            raise OSError(errno.EIO, "broken")

        monkeypatch.setattr(durable, "_exchange", broken)
        with pytest.raises(OSError, match="broken"), durable.staged_folder(target, replace=True) as folder:
            (folder / "b").write_text("new")
        assert names(tmp_path) == ["x"]
        assert (target / "a").read_text() == "old"

    def test_replacement_without_the_system_call(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(ctypes, "CDLL", lambda *args, **kwargs: None)
        for content in ("old", "new"):
            with durable.staged_folder(tmp_path / "x", replace=True) as folder:
                (folder / "a").write_text(content)
        assert names(tmp_path) == ["x"]
        assert (tmp_path / "x" / "a").read_text() == "new"

    @pytest.mark.parametrize("renames", [1, 2])
    def test_a_crash_amid_a_replacement_in_steps_loses_nothing(
        self, tmp_path: Path, renames: int, monkeypatch: pytest.MonkeyPatch
    ):
        """After the first step the old folder has no name, after the second both are there."""
        code = """
import ctypes, os, sys
from maskwright.durable import staged_folder
ctypes.CDLL = lambda *args, **kwargs: None
renamed = []
def rename(one, other, rename=os.rename):
    rename(one, other)
    renamed.append(other)
    if len(renamed) == int(sys.argv[2]):
        os._exit(9)
with staged_folder(sys.argv[1]) as folder:
    (folder / "a").write_text("old")
os.rename = rename
with staged_folder(sys.argv[1], replace=True) as folder:
    (folder / "a").write_text("new")
"""
        assert run_python(code, tmp_path / "x", renames).wait() == 9
        durable.remove_leftovers(tmp_path / "*")
        assert names(tmp_path) == ["x"]
        assert (tmp_path / "x" / "a").read_text() == ("old" if renames == 1 else "new")
        monkeypatch.setattr(ctypes, "CDLL", lambda *args, **kwargs: None)
        with durable.staged_folder(tmp_path / "x", replace=True) as folder:
            (folder / "a").write_text("third")
        assert names(tmp_path) == ["x"]
        assert (tmp_path / "x" / "a").read_text() == "third"

    def test_what_a_living_process_set_aside_stays(self, tmp_path: Path):
        (tmp_path / ".x.aside").mkdir()
        held = os.open(tmp_path / ".x.aside", os.O_RDONLY)
        fcntl.flock(held, fcntl.LOCK_EX)
        durable.remove_leftovers(tmp_path / "x")
        assert names(tmp_path) == [".x.aside"]
        os.close(held)
        (tmp_path / ".x.aside" / "a").touch()
        with pytest.raises(BadInput, match="exists already"), durable.staged_folder(tmp_path / "x"):
            pass
        assert names(tmp_path) == ["x"]

    def test_replacement_is_one_step(self, tmp_path: Path):
        """Whoever looks, at any moment, sees a whole folder."""
        target = tmp_path / "x"
        code = """
import sys
from maskwright.durable import staged_folder
for round in range(200):
    with staged_folder(sys.argv[1], replace=True) as folder:
        (folder / "a").write_text(str(round))
    print(round, flush=True)
sys.stdin.readline()
"""
        writer = run_python(code, target)
        wait_for_line(writer)
        seen = {(target / "a").read_text() for _ in range(20_000)}
        writer.communicate("\n")
        assert len(seen) > 3
        assert all(text.isdigit() for text in seen)

    def test_everything_is_synced_before_the_rename_and_the_parent_after(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ):
        events: list[str] = []
        fsync, rename = os.fsync, os.rename

        def logged_fsync(descriptor: int) -> None:
            events.append(os.path.basename(os.readlink(f"/proc/self/fd/{descriptor}")).split(".partial")[0])
            fsync(descriptor)

        def logged_rename(source: Path, destination: Path) -> None:
            events.append("RENAME")
            rename(source, destination)

        monkeypatch.setattr(os, "fsync", logged_fsync)
        monkeypatch.setattr(os, "rename", logged_rename)
        with durable.staged_folder(tmp_path / "x") as folder:
            (folder / "sub").mkdir()
            (folder / "sub" / "a").write_text("A")
            (folder / "b").write_text("B")
        assert events == ["a", "sub", "b", ".x", "RENAME", tmp_path.name]

    def test_leftovers_of_the_dead_are_removed_those_of_the_living_stay(self, tmp_path: Path):
        code = """
import sys
from maskwright.durable import staged_folder
with staged_folder(sys.argv[1]) as folder:
    (folder / "half").write_text("...")
    print(folder.name, flush=True)
    sys.stdin.readline()
"""
        living, dead = run_python(code, tmp_path / "x"), run_python(code, tmp_path / "x")
        kept, lost = wait_for_line(living), wait_for_line(dead)
        dead.kill()
        dead.wait()
        assert set(names(tmp_path)) == {kept, lost}
        (tmp_path / ".x.partial-file").write_text("")
        (tmp_path / ".other.partial-12345678").mkdir()
        assert {p.name for p in durable.remove_leftovers(tmp_path / "x")} == {lost, ".x.partial-file"}
        assert set(names(tmp_path)) == {kept, ".other.partial-12345678"}
        living.communicate("go on\n")
        assert living.returncode == 0
        assert (tmp_path / "x" / "half").read_text() == "..."

    def test_a_working_folder_goes_on_leaving_and_with_the_next_writer(self, tmp_path: Path):
        with pytest.raises(KeyError), durable.working_folder(tmp_path / "sub" / "x") as folder:
            (folder / "half").write_text("...")
            with durable.staged_folder(tmp_path / "sub" / "x") as target:
                (target / "whole").write_text((folder / "half").read_text())
            raise KeyError
        assert names(tmp_path / "sub") == ["x"] and names(tmp_path / "sub" / "x") == ["whole"]
        dead = run_python(
            "import sys; from maskwright.durable import working_folder\n"
            "with working_folder(sys.argv[1]) as folder: print(folder.name, flush=True); sys.stdin.readline()",
            tmp_path / "y",
        )
        lost = wait_for_line(dead)
        dead.kill()
        dead.wait()
        assert lost in names(tmp_path)
        durable.write_file(tmp_path / "y", b"")
        assert names(tmp_path) == ["sub", "y"]


class TestLocked:
    CODE = """
import sys
from maskwright.durable import locked
with locked(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.readline()
"""

    def test_a_second_process_is_refused_naming_the_first(self, tmp_path: Path):
        first = run_python(self.CODE, tmp_path)
        assert wait_for_line(first) == "held"
        with pytest.raises(BadInput, match=rf"in use by process {first.pid} on "), durable.locked(tmp_path):
            pass
        first.communicate("done\n")
        with durable.locked(tmp_path):
            assert names(tmp_path) == [".lock"]
        assert names(tmp_path) == []

    def test_also_twice_in_one_process(self, tmp_path: Path):
        with (
            durable.locked(tmp_path / "x"),
            pytest.raises(BadInput, match=f"process {os.getpid()}"),
            durable.locked(tmp_path / "x"),
        ):
            pass

    def test_a_killed_holder_is_succeeded(self, tmp_path: Path):
        first = run_python(self.CODE, tmp_path)
        wait_for_line(first)
        first.send_signal(signal.SIGKILL)
        first.wait()
        assert names(tmp_path) == [".lock"]
        with durable.locked(tmp_path):
            pass

    def test_a_worker_that_outlives_its_killed_parent_holds_nothing(self, tmp_path: Path):
        code = """
import os, sys, time
from maskwright.durable import locked
with locked(sys.argv[1]):
    child = os.fork()
    if child == 0:
        time.sleep(60)
    print(child, flush=True)
    sys.stdin.readline()
"""
        parent = run_python(code, tmp_path)
        child = int(wait_for_line(parent))
        parent.kill()
        parent.wait()
        try:
            os.kill(child, 0)
            for _ in range(100):  # the child closes what it inherited when it first runs
                try:
                    with durable.locked(tmp_path):
                        return
                except BadInput:
                    time.sleep(0.05)
            pytest.fail("the orphan keeps the lock")
        finally:
            os.kill(child, signal.SIGKILL)

    def test_of_many_at_once_one_wins(self, tmp_path: Path):
        code = """
import sys
from maskwright.durable import locked
from maskwright.errors import BadInput
counter = sys.argv[2]
for _ in range(300):
    try:
        with locked(sys.argv[1]):
            n = int(open(counter).read())
            open(counter, "w").write(str(n + 1))
            print("x")
    except BadInput:
        pass
"""
        counter = tmp_path / "counter"
        counter.write_text("0")
        processes = [run_python(code, tmp_path / "x", counter) for _ in range(3)]
        entered = sum(len(p.communicate()[0].split()) for p in processes)
        assert [p.returncode for p in processes] == [0, 0, 0]
        assert entered == int(counter.read_text()) > 0


def test_check_space_names_place_and_bytes(tmp_path: Path):
    durable.check_space(tmp_path / "not" / "yet", 1)
    with pytest.raises(BadInput, match=r"not/yet: 1,000,000,000,000,000,000 bytes needed, [\d,]+ free"):
        durable.check_space(tmp_path / "not" / "yet", 10**18)
