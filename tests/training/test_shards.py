"""The optimizer shared among ranks: nothing but memory changes, and any number of them goes on."""

import itertools
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from maskwright.training import checkpoint
from maskwright.training.ranks import Ranks
from maskwright.training.shards import Cut, Shards, joined, pieces, stretch_norms, taken
from tests.training.small_corpus import environment


def together(count: int, *arguments: object) -> "subprocess.CompletedProcess[str]":
    run = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(count)]
    command = [*run, "-m", "tests.training.sharded", *map(str, arguments)]
    return subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=300, check=False)


@pytest.mark.parametrize("count", [2, pytest.param(3, marks=pytest.mark.slow), pytest.param(4, marks=pytest.mark.slow)])
def test_every_optimizer_moves_as_alone_and_any_number_goes_on(count: int, tmp_path: Path) -> None:
    """Bit for bit where the ranks are a power of two, whose gradients are summed as a tree."""
    done = together(count, tmp_path)
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rank", "before"), [(1, "write_tensors"), (1, "sha256"), (0, "write_tensors"), (0, "write_manifest")]
)
def test_one_that_is_killed_while_all_save_leaves_the_checkpoint_before(rank: int, before: str, tmp_path: Path) -> None:
    assert together(2, tmp_path, rank, before).returncode != 0
    path, skipped = checkpoint.newest(tmp_path)
    assert path == checkpoint.folder_of(tmp_path, 1) and skipped == []
    assert {file.name for file in path.iterdir()} >= {"optimizer-00001-of-00002.safetensors", "manifest.json"}
    checkpoint.save(tmp_path, 2, {"model": {"w": torch.ones(3)}}, {})
    assert sorted(place.name for place in (tmp_path / "checkpoints").iterdir()) == ["step-00000001", "step-00000002"]


def test_a_piece_that_is_missing_is_found(tmp_path: Path) -> None:
    names = ["model-00001-of-00002", "model-00002-of-00002"]
    folder = checkpoint.save(tmp_path, 1, {name: {"w": torch.ones(3)} for name in names}, {})
    assert checkpoint.load(folder).tensors["model"]["w"].numel() == 6
    (folder / f"{names[1]}.safetensors").unlink()
    with pytest.raises(ValueError, match=r"model-00002-of-00002\.safetensors: missing"):
        checkpoint.verify(folder)


@pytest.mark.parametrize("count", [1, 2, 3, 7, 50])
def test_pieces_are_the_whole_row_and_end_where_it_may_be_cut(count: int) -> None:
    cuts = [range(0, 3000, 1000), range(3000, 3700, 700), range(3700, 9001, 64)]
    found = pieces(cuts, count)
    assert len(found) == count and found[0].start == 0 and found[-1].stop == 9001
    assert all(one.stop == after.start for one, after in itertools.pairwise(found))
    allowed = {place for part in cuts for place in (*part, part.stop)}
    assert {piece.start for piece in found} <= allowed
    assert max(piece.stop - piece.start for piece in found) <= 9001 / count + 1000


def test_where_single_numbers_are_moved_pieces_are_equal() -> None:
    sizes = [piece.stop - piece.start for piece in pieces([range(0, 100_000, 64)], 8)]
    assert max(sizes) - min(sizes) <= 64 + 32


class Heard(Ranks):
    """Ranks that are computed one after the other: what each adds is kept, and told to all in the next round."""

    def __init__(self, rank: int, size: int, added: list[torch.Tensor], sums: list[torch.Tensor]) -> None:
        super().__init__(rank, size)
        self.added, self.sums = added, sums

    def add_up(self, row: torch.Tensor) -> None:
        place = len(self.added)
        self.added.append(row.clone())
        if place < len(self.sums):
            row.copy_(self.sums[place])


@pytest.mark.parametrize("ends", [[0, 700, 700, 1500, 1501, 6000], [0, 2048, 6000], [0, 1, 2, 3, 5999, 6000]])
def test_stretches_that_lie_on_several_ranks_are_added_up_as_one(ends: list[int]) -> None:
    row = torch.randn(6000, generator=torch.Generator().manual_seed(0))
    its = [slice(*pair) for pair in itertools.pairwise(ends)]
    sums: list[torch.Tensor] = []
    for known in range(3):  # first the heads of the pieces, then the norms, then all is known
        added: list[list[torch.Tensor]] = []
        for rank, piece in enumerate(its):
            own = torch.full_like(row, float("nan"))
            own[piece] = row[piece]
            added.append([])
            found = Shards(its, Heard(rank, len(its), added[-1], sums)).norms(own)
            assert known < 2 or torch.equal(found, stretch_norms(row))
        sums = [torch.stack(each).sum(0) for each in zip(*added)][: known + 1]


def test_what_one_rank_had_all_of_is_taken_in_its_shape() -> None:
    """A table of one row, of which other ranks that cut parameters have nothing."""
    row = torch.arange(16.0)
    found = joined([{"w": row, "v": row[:8]}, {"v": row[8:]}])
    for name in ("w", "v"):
        assert torch.equal(taken(found[name], slice(0, 16), torch.Size([1, 16])), row[None])


def test_a_tensor_in_stretches_is_taken_as_a_whole_one_is() -> None:
    row = torch.arange(24.0)
    files = [{"w": row[:5], "step": torch.tensor(3.0)}, {"w": row[5:7], "step": torch.tensor(3.0)}, {"w": row[7:]}]
    found = joined(files)
    assert isinstance(found["w"], Cut) and isinstance(found["step"], torch.Tensor)
    for where in (slice(0, 24), slice(3, 6), slice(6, 7), slice(23, 24)):
        for saved in (found["w"], row.view(4, 6)):
            some = taken(saved, where, torch.Size([4, 6]))
            assert torch.equal(some.reshape(-1), row[where]) and (some.ndim == 2) == (where == slice(0, 24))
