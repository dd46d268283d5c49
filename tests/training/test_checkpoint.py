import os
import random
import select
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from maskwright.checkpoints.tensor_file import read_tensors, write_tensors
from maskwright.errors import BadInput, MaskwrightError
from maskwright.training import checkpoint

FILES = ["model.safetensors", "optimizer.safetensors", "state.json", "manifest.json"]


def contents(step: int) -> tuple[dict[str, dict[str, torch.Tensor]], dict]:
    made = torch.Generator().manual_seed(step)
    tensors = {
        "model": {"w": torch.randn(30, 7, generator=made), "b": torch.randn(3, generator=made).bfloat16()},
        "optimizer": {
            "w.m": torch.randn(30, 7, generator=made),
            "count": torch.tensor(step),
            "none": torch.zeros(0, 4),
        },
    }
    return tensors, {"step": step, "loss": 0.1 + step / 3, "text": "三国演义"}


def save(run: Path, step: int, keep: int = 2) -> Path:
    tensors, state = contents(step)
    return checkpoint.save(run, step, tensors, state, keep)


def assert_is(saved: checkpoint.Checkpoint, step: int) -> None:
    tensors, state = contents(step)
    assert saved.step == step
    assert saved.state == state
    assert saved.tensors.keys() == tensors.keys()
    for stem, group in tensors.items():
        assert saved.tensors[stem].keys() == group.keys()
        for name, tensor in group.items():
            loaded = saved.tensors[stem][name]
            assert loaded.dtype == tensor.dtype
            assert loaded.shape == tensor.shape
            assert loaded.reshape(-1).view(torch.uint8).equal(tensor.reshape(-1).view(torch.uint8))


def snapshot(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_what_is_saved_comes_back_bit_for_bit(tmp_path: Path):
    path = save(tmp_path, 1000)
    assert path == tmp_path / "checkpoints" / "step-00001000"
    assert sorted(p.name for p in path.iterdir()) == sorted(FILES)
    assert checkpoint.newest(tmp_path) == (path, [])
    assert_is(checkpoint.load(path), 1000)


def test_the_same_content_is_the_same_bytes(tmp_path: Path):
    assert snapshot(save(tmp_path / "a", 5)) == snapshot(save(tmp_path / "b", 5))


def test_nothing_saved_is_no_error(tmp_path: Path):
    assert checkpoint.newest(tmp_path) == (None, [])
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "notes.txt").write_text("mine")
    assert checkpoint.newest(tmp_path) == (None, [])


def test_files_are_readable_as_the_umask_says(tmp_path: Path):
    old = os.umask(0o022)
    try:
        path = save(tmp_path, 1)
    finally:
        os.umask(old)
    assert {p.stat().st_mode & 0o777 for p in path.iterdir()} == {0o644}


class TestTensors:
    def test_any_strides(self, tmp_path: Path):
        base = torch.arange(24.0).reshape(4, 6)
        tensors = {
            "t": base.T,
            "half": base[:, ::2],
            "row": base[1:2].detach().requires_grad_(),
            "scalar": torch.tensor(1),
        }
        write_tensors(tmp_path / "x", {name: t for name, t in tensors.items() if name != "row"})
        loaded = read_tensors(tmp_path / "x")
        assert all(loaded[name].equal(tensors[name]) for name in loaded)
        write_tensors(tmp_path / "x", {"row": tensors["row"]})
        assert read_tensors(tmp_path / "x")["row"].equal(base[1:2])

    def test_pieces_of_one_flat_tensor_are_no_sharing(self, tmp_path: Path):
        flat = torch.arange(10.0)
        write_tensors(tmp_path / "x", {"a": flat[:4].view(2, 2), "b": flat[4:]})
        assert read_tensors(tmp_path / "x")["b"].equal(flat[4:])

    def test_overlapping_tensors_are_refused_by_name(self, tmp_path: Path):
        flat = torch.arange(10.0)
        with pytest.raises(MaskwrightError, match=r"share memory.*tied") as caught:
            write_tensors(tmp_path / "x", {"tied": flat, "other": flat[4:]})
        assert "\n" not in str(caught.value)

    def test_garbage_is_refused(self, tmp_path: Path):
        (tmp_path / "x").write_bytes(b"\x80\x04\x95 a pickle")
        with pytest.raises(BadInput, match="x: not a readable safetensors file"):
            read_tensors(tmp_path / "x")


class TestKeep:
    @pytest.mark.parametrize(("keep", "left"), [(1, [50]), (2, [40, 50]), (9, [10, 20, 30, 40, 50])])
    def test_the_newest_stay(self, tmp_path: Path, keep: int, left: list[int]):
        for step in (10, 20, 30, 40, 50):
            save(tmp_path, step, keep)
            assert checkpoint.newest(tmp_path)[0] == checkpoint.folder_of(tmp_path, step)
        assert checkpoint.steps(tmp_path) == left
        assert sorted(p.name for p in (tmp_path / "checkpoints").iterdir()) == [f"step-{s:08d}" for s in left]

    def test_a_torn_one_does_not_count(self, tmp_path: Path):
        for step in (10, 20, 30):
            save(tmp_path, step, keep=9)
        (checkpoint.folder_of(tmp_path, 30) / "model.safetensors").write_bytes(b"")
        save(tmp_path, 40, keep=2)
        assert checkpoint.steps(tmp_path) == [20, 40]

    def test_a_damaged_later_one_displaces_nothing_and_is_replaced_in_time(self, tmp_path: Path):
        save(tmp_path, 10)
        save(tmp_path, 20)
        (checkpoint.folder_of(tmp_path, 20) / "model.safetensors").write_bytes(b"")
        save(tmp_path, 15, keep=1)
        assert checkpoint.newest(tmp_path)[0] == checkpoint.folder_of(tmp_path, 15)
        save(tmp_path, 20, keep=1)
        assert checkpoint.newest(tmp_path) == (checkpoint.folder_of(tmp_path, 20), [])
        assert checkpoint.steps(tmp_path) == [20]

    def test_nothing_goes_before_the_new_one_is_there(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
        save(tmp_path, 10, keep=1)

        def fails(folder: Path, *facts: object) -> None:
            raise OSError(5, "Input/output error", str(folder))

        monkeypatch.setattr(checkpoint, "write_manifest", fails)
        with pytest.raises(OSError, match="Input/output"):
            save(tmp_path, 20, keep=1)
        assert [p.name for p in (tmp_path / "checkpoints").iterdir()] == ["step-00000010"]
        assert_is(checkpoint.load(checkpoint.folder_of(tmp_path, 10)), 10)

    def test_keeping_none_is_refused(self, tmp_path: Path):
        with pytest.raises(BadInput, match="keep = 0"):
            save(tmp_path, 10, keep=0)

    def test_a_state_json_cannot_hold_is_refused_before_anything_is_written(self, tmp_path: Path):
        for state in ({"x": float("nan")}, {"x": object()}):
            with pytest.raises(MaskwrightError, match="step 3 cannot be written as JSON"):
                checkpoint.save(tmp_path, 3, {}, state)
        assert list(tmp_path.iterdir()) == []


class TestDamage:
    """Whatever is done to a file of the newest checkpoint, the one before is taken and the file is named."""

    @pytest.fixture
    def run(self, tmp_path: Path) -> Path:
        save(tmp_path, 10)
        save(tmp_path, 20)
        return tmp_path

    def assert_falls_back(self, run: Path, named: str) -> None:
        path, skipped = checkpoint.newest(run)
        assert path == checkpoint.folder_of(run, 10)
        assert [p for p, _ in skipped] == [checkpoint.folder_of(run, 20)]
        assert named in skipped[0][1]
        assert_is(checkpoint.load(path), 10)

    @pytest.mark.parametrize("name", FILES)
    def test_truncation(self, run: Path, name: str):
        path = checkpoint.folder_of(run, 20) / name
        whole = path.read_bytes()
        for length in (0, 1, len(whole) // 2, len(whole) - 1):
            path.write_bytes(whole[:length])
            self.assert_falls_back(run, name)

    @pytest.mark.parametrize("name", FILES)
    def test_flipped_bits(self, run: Path, name: str):
        path = checkpoint.folder_of(run, 20) / name
        whole = path.read_bytes()
        drawn = random.Random(name)
        for _ in range(20):
            flipped = bytearray(whole)
            flipped[drawn.randrange(len(whole))] ^= 1 << drawn.randrange(8)
            path.write_bytes(flipped)
            self.assert_falls_back(run, name)

    @pytest.mark.parametrize("name", FILES)
    def test_deletion_folder_and_link(self, run: Path, name: str):
        path = checkpoint.folder_of(run, 20) / name
        elsewhere = shutil.move(path, run / "elsewhere")
        self.assert_falls_back(run, name)
        path.mkdir()
        self.assert_falls_back(run, name)
        path.rmdir()
        path.symlink_to(elsewhere)
        self.assert_falls_back(run, name)

    @pytest.mark.parametrize("name", FILES)
    def test_no_permission(self, run: Path, name: str, monkeypatch: pytest.MonkeyPatch):
        bad = str(checkpoint.folder_of(run, 20) / name)
        if os.getuid() != 0:
            os.chmod(bad, 0)
        else:  # root may read everything: let opening fail as it does for others
            real_open, real_read = open, Path.read_bytes

            def refusing_open(path, *args, **kwargs):
                if str(path) == bad:
                    raise PermissionError(13, "Permission denied", bad)
                return real_open(path, *args, **kwargs)

            def refusing_read(path: Path) -> bytes:
                return refusing_open(path, "rb").read() if str(path) == bad else real_read(path)

            monkeypatch.setattr("builtins.open", refusing_open)
            monkeypatch.setattr(Path, "read_bytes", refusing_read)
        self.assert_falls_back(run, name)

    def test_the_folder_itself(self, run: Path):
        path = checkpoint.folder_of(run, 20)
        elsewhere = shutil.move(path, run / "elsewhere")
        path.symlink_to(elsewhere)
        self.assert_falls_back(run, "step-00000020")
        path.unlink()
        path.write_text("a file")
        self.assert_falls_back(run, "step-00000020")
        path.unlink()
        shutil.copytree(checkpoint.folder_of(run, 10), path)
        self.assert_falls_back(run, "holds step 10")

    def test_none_sound_is_an_error_that_overwrites_nothing(self, run: Path):
        for step in (10, 20):
            (checkpoint.folder_of(run, step) / "model.safetensors").write_bytes(b"")
        before = snapshot(run)
        with pytest.raises(BadInput, match=r"no checkpoint is sound.*step-00000020.*step-00000010.*to begin again"):
            checkpoint.newest(run)
        assert snapshot(run) == before


def test_too_little_room_is_told_before_anything_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda place: shutil._ntuple_diskusage(10**6, 10**6 - 1000, 1000))
    with pytest.raises(BadInput, match=r"checkpoints: [\d,]+ bytes needed, 1,000 free"):
        save(tmp_path, 10)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.getuid() != 0 or not shutil.which("mount"), reason="mounting a small file system needs root")
@pytest.mark.parametrize("preflight", [True, False])
def test_a_full_disk_leaves_the_old_checkpoint_and_nothing_else(
    tmp_path: Path, preflight: bool, monkeypatch: pytest.MonkeyPatch
):
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", tmp_path], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("no tmpfs can be mounted here")
    try:
        tensors = {"model": {"w": torch.randn(100_000)}, "optimizer": {"m": torch.randn(50_000)}}
        checkpoint.save(tmp_path, 10, tensors, {})
        before = snapshot(tmp_path)
        if not preflight:  # the room may go while the file is being written
            monkeypatch.setattr(checkpoint, "check_space", lambda folder, needed: None)
        with pytest.raises(BadInput, match=r"no space left for .*checkpoints.* [\d,]+ bytes needed"):
            checkpoint.save(tmp_path, 20, tensors, {})
        assert snapshot(tmp_path) == before
        assert [p.name for p in (tmp_path / "checkpoints").iterdir()] == ["step-00000010"]
        assert checkpoint.newest(tmp_path) == (checkpoint.folder_of(tmp_path, 10), [])
    finally:
        subprocess.run(["umount", tmp_path], check=True)


# A server that forks a child for each save, so that torch is imported once. The child waits for the
# file "go" (by stat, which is not among the calls counted), saves, and ends.
SERVER = """
import os, sys, time
sys.path.insert(0, sys.argv[1])
from tests.training.test_checkpoint import save
from pathlib import Path
for line in sys.stdin:
    run, step = line.split()
    child = os.fork()
    if child == 0:
        while not os.access(run + "/go", os.F_OK):
            time.sleep(0.005)
        save(Path(run), int(step), keep=1)
        os._exit(0)
    print(child, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""
CALLS = [
    "openat",
    "write",
    "fsync",
    "rename",
    "renameat2",
    "unlink",
    "unlinkat",
    "mkdir",
    "ftruncate",
    "chmod",
    "rmdir",
]


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("strace"), reason="strace is not installed")
def test_killed_at_any_system_call_of_a_save_a_whole_checkpoint_is_there(tmp_path: Path):
    """SIGKILL at the k-th call of each kind, for all k until the save gets through."""
    root = Path(__file__).parents[2]
    server = subprocess.Popen(
        [sys.executable, "-c", SERVER, root], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    )
    assert server.stdin is not None
    assert server.stdout is not None
    found: dict[int, int] = {}
    kills: dict[str, int] = {}
    try:
        for call in CALLS:
            for k in range(1, 100):
                run = tmp_path / f"{call}-{k}"
                # A new step, and the same step once more: there the folder is replaced.
                save(run, 10)
                new = 10 if k % 2 else 20
                server.stdin.write(f"{run} {new}\n")
                child = server.stdout.readline().strip()
                inject = ["-e", f"trace={call}", "-e", f"inject={call}:signal=SIGKILL:when={k}"]
                tracer = subprocess.Popen(["strace", "-f", "-p", child, *inject], stderr=subprocess.PIPE, text=True)
                assert tracer.stderr is not None
                select.select([tracer.stderr], [], [], 20)
                attached = tracer.stderr.readline()
                (run / "go").touch()
                code = int(server.stdout.readline())
                tracer.communicate()
                if "attached" not in attached:
                    pytest.skip(f"no process may be traced here: {attached}")
                path, skipped = checkpoint.newest(run)
                assert path is not None
                assert skipped == []
                step = checkpoint.load(path).step
                assert step in (10, new)
                assert_is(checkpoint.load(path), step)
                found[step] = found.get(step, 0) + 1
                # The next save removes whatever was left.
                save(run, 30, keep=1)
                assert [p.name for p in (run / "checkpoints").iterdir()] == ["step-00000030"]
                shutil.rmtree(run)
                if code == 0:
                    break
                assert code == -9
                kills[call] = kills.get(call, 0) + 1
            else:
                pytest.fail(f"a save makes 100 calls of {call}")
    finally:
        server.communicate()
    assert sum(kills.values()) > 30, kills
    assert kills.get("fsync", 0) >= 6, kills
    assert set(found) == {10, 20}
