"""What each process of tests/training/test_shards.py does: every optimizer shared, beside the same one that is not.

torchrun --nproc-per-node 3 -m tests.training.sharded FOLDER [RANK FUNCTION]
"""

import errno
import os
import signal
import sys
from functools import partial
from itertools import product
from pathlib import Path

import pytest
import torch

from maskwright.batch import Batch
from maskwright.errors import BadInput, MaskwrightError
from maskwright.layers.dropout import DropoutStream
from maskwright.objectives.tally import Tally
from maskwright.training import checkpoint
from maskwright.training import ranks as ranks_module
from maskwright.training.buckets import Buckets
from maskwright.training.flat import FlatParameters
from maskwright.training.gradients import gradients
from maskwright.training.launch import all_ranks
from maskwright.training.optimizers import Optimizer, OptimizerConfig, OptimizerName
from maskwright.training.ranks import ALONE, Ranks
from maskwright.training.signals import Stop
from maskwright.training.training_config import TrainingConfig
from maskwright.training.work import share_of
from tests.models.networks import network, small
from tests.training.works import Examples, Given, clipped

NAMES: list[OptimizerName] = ["adamw", "google", "muon", "lamb", "google_lamb", "adagrad"]


def made(name: OptimizerName, dtype: torch.dtype, ranks: Ranks = ALONE) -> Optimizer:
    """Numbers of which few are round: 37 tokens, heads of 5 columns; two rates, so that the row has more parts."""
    module = network(small(vocab_size=37, hidden_size=20, num_attention_heads=4, intermediate_size=52))
    factors = {key: 0.5 for key, _ in module.named_parameters() if "layers.0" in key}
    return Optimizer(module, OptimizerConfig(name=name, rate=1e-2), dtype, factors, ranks)


def drawn(step: int, rank: int, total: int, dtype: torch.dtype) -> torch.Tensor:
    return torch.randn(total, generator=torch.Generator().manual_seed(100 * step + rank), dtype=dtype)


def step(optimizer: Optimizer, number: int, ranks: Ranks, clip: float | None) -> float:
    """One update from the sum of what the ranks draw, as a single process has it, or as they come to it together."""
    flat = optimizer.flat
    tree = ranks.size & (ranks.size - 1) == 0
    if flat.shards.whole:
        rows = [drawn(number, rank, flat.gradient.numel(), flat.gradient.dtype) for rank in range(ranks.size)]
        while len(rows) > 1:
            rows = (
                [rows[0] + rows[1] + rows[2]]
                if len(rows) == 3
                else [rows[i] + rows[i + 1] for i in range(0, len(rows), 2)]
            )
        flat.gradient.copy_(rows[0])
    else:
        flat.gradient.copy_(drawn(number, ranks.rank, flat.gradient.numel(), flat.gradient.dtype))
        flat.sum_gradient(ranks, as_tree=tree)
    norm = clipped(flat, clip)
    optimizer.step(1.0)
    return norm


def same(whole: Optimizer, shared: Optimizer, *, bitwise: bool) -> None:
    near = torch.equal if bitwise else lambda a, b: torch.allclose(a, b, rtol=1e-4, atol=1e-5)
    assert near(whole.flat.working.float(), shared.flat.working.float())
    assert near(whole.flat.master[shared.flat.shards.own], shared.flat.master)
    wanted, found = whole.own(whole.tensors()), shared.tensors()
    for name, tensor in shared.own(wanted).items():
        assert near(tensor.float(), found[name].float()), name
    with whole.flat.full_precision(), shared.flat.full_precision():
        theirs = shared.flat.tensors()
        assert all(near(tensor, theirs[name]) for name, tensor in whole.flat.tensors().items())


def tensors_of(optimizer: Optimizer) -> dict[str, dict[str, torch.Tensor]]:
    return {"model": optimizer.flat.state(), "optimizer": optimizer.tensors()}


def steps_alike(folder: Path, ranks: Ranks) -> None:
    """Shared and alone make the same; what all saved one process takes up, and what one has all of them."""
    bitwise = ranks.size & (ranks.size - 1) == 0
    for name in NAMES:
        for dtype in (torch.float32, torch.bfloat16):
            whole, shared = made(name, dtype), made(name, dtype, ranks)
            for number in range(3):
                norms = [step(optimizer, number, ranks, [None, 1.0, 1e9][number]) for optimizer in (whole, shared)]
                assert norms[0] == norms[1] if bitwise else abs(norms[0] / norms[1] - 1) < 1e-5
                same(whole, shared, bitwise=bitwise)
            if name in ("adamw", "google", "adagrad"):  # numbers that are moved one by one are shared evenly
                held = [sum(t.numel() for t in (o.flat.master, *o.tensors().values())) for o in (whole, shared)]
                assert held[1] < 1.05 * held[0] / ranks.size + 300
            path = checkpoint.save(folder / f"{name}-{dtype}", 3, tensors_of(shared), {}, ranks=ranks)
            saved = checkpoint.load(path)
            again, back = made(name, dtype), made(name, dtype, ranks)
            again.flat.load(again.flat.own(saved.tensors["model"]))
            again.load(again.own(saved.tensors["optimizer"]))
            same(again, shared, bitwise=True)
            back.flat.load(back.flat.own(again.flat.state()))
            back.load(back.own(again.tensors()))
            for number in range(3, 5):
                step(again, number, ranks, 1.0)
                step(back, number, ranks, 1.0)
                same(again, back, bitwise=bitwise)


def a_row_is_summed_as_a_tree(ranks: Ranks) -> None:
    """Whatever the size of what is exchanged at once."""
    rows = torch.randn(ranks.size, 1003, generator=torch.Generator().manual_seed(3))
    wanted = list(rows)
    while len(wanted) > 1:
        wanted = [left + right for left, right in zip(wanted[::2], wanted[1::2], strict=True)]
    for at_once in (7, 400, 5000):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(ranks_module, "AT_ONCE", at_once)
            row = rows[ranks.rank].clone()
            ranks.sum_gradient(row, as_tree=True)
            assert torch.equal(row, wanted[0])


class OneHead(Given):
    """Work of which this rank does not compute the second head, so that nothing comes for it and the pooler."""

    def tallies(self, batch: Batch, stream: DropoutStream | None) -> dict[str, Tally]:
        return {"mlm": self.module.tallies(batch, stream)["mlm"]}


def summed(ranks: Ranks, shard: Ranks, number: int, size: int | None) -> list[torch.Tensor]:
    """This rank's sum of the gradient of so many micro-batches, of two steps: in buckets, or in the end."""
    module = network(small(hidden_dropout_prob=0.1))
    optimizer = Optimizer(module, OptimizerConfig(), torch.bfloat16, None, shard)
    batches = [Examples(place, 4).batch(range(4)) for place in range(number)]
    work, flat = (Given if ranks.first else OneHead)(module, batches), optimizer.flat
    assert isinstance(flat, FlatParameters)
    flat.gradient.fill_(float("nan"))
    buckets, found = size and Buckets(flat, ranks, size), list[torch.Tensor]()
    for step in range(2):
        share = share_of(work, 0, ranks)
        gradients(work, optimizer, share, TrainingConfig(clip=None), step, Stop(), ranks, buckets=buckets or None)
        found.append(flat.gradient[flat.shards.own].clone())
    return found


def a_gradient_is_summed_on_its_way(ranks: Ranks) -> None:
    """As in the end, whatever was in the row before.

    Of too few micro-batches the last rank has none; of an odd number it has fewer than others. One head is used by the
    first rank alone.
    """
    near = torch.equal if ranks.size == 2 else partial(torch.allclose, rtol=1e-5, atol=1e-6)
    even = 2 * ranks.size
    for shard, (size, number) in product((ALONE, ranks), ((1, even), (700, even + 1), (10**6, even), (700, 1))):
        for one, other in zip(*(summed(ranks, shard, number, way) for way in (None, size)), strict=True):
            assert near(one, other) and not one.isnan().any()


def sums_begin_before_all_is_there(ranks: Ranks) -> None:
    module = network(small())
    flat = Optimizer(module, OptimizerConfig(), torch.float32).flat
    assert isinstance(flat, FlatParameters)
    began, told = list[slice](), list[int]()
    token = flat.parameters["encoder.embeddings.token"]
    token.register_post_accumulate_grad_hook(lambda _: told.append(len(began)))
    buckets = Buckets(flat, ranks, 300)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ranks, "begin_sum", lambda row, where, pieces: began.append(where) or [])
        buckets.begin(first=True)
        tallies = module.tallies(Examples(0, 4).batch(range(4)))
        torch.stack([tally.loss_sum for tally in tallies.values()]).sum().backward()  # pyright: ignore[reportUnknownMemberType]
        before = len(began)
        buckets.finish()
    number = len(buckets.buckets)
    assert number > 8 and told == [number - 1] and before == len(began) == number, "the token table ends the way back"


def another_network_is_refused_by_all(ranks: Ranks) -> None:
    shared, other = made("adamw", torch.float32, ranks), Optimizer(network(small()), OptimizerConfig(), torch.float32)
    for given in (other.flat.state(), {name: t for name, t in shared.flat.state().items() if ranks.first}):
        with pytest.raises(MaskwrightError, match="another version of maskwright"):
            shared.flat.load(shared.flat.own(given))


def a_full_disk_of_one_is_told_to_all(folder: Path, ranks: Ranks) -> None:
    shared = made("google", torch.float32, ranks)
    checkpoint.save(folder, 1, tensors_of(shared), {}, ranks=ranks)

    def full(path: Path, tensors: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    with pytest.MonkeyPatch.context() as patch:
        if ranks.rank == 1:
            patch.setattr(checkpoint, "write_tensors", full)
        with pytest.raises(BadInput, match=r"no space left for the checkpoint .*step-00000002: about [\d,]+ bytes"):
            checkpoint.save(folder, 2, tensors_of(shared), {}, ranks=ranks)
    ranks.gather(None)  # the first has removed what there was
    assert [path.name for path in (folder / "checkpoints").iterdir()] == ["step-00000001"]


def die_while_saving(folder: Path, ranks: Ranks, who: int, before: str) -> None:
    """One of them is killed as it is about to call a function of `checkpoint`."""
    shared = made("google", torch.float32, ranks)
    checkpoint.save(folder, 1, tensors_of(shared), {}, ranks=ranks)
    if ranks.rank == who:
        setattr(checkpoint, before, lambda *given: os.kill(os.getpid(), signal.SIGKILL))
    checkpoint.save(folder, 2, tensors_of(shared), {}, ranks=ranks)


if __name__ == "__main__":
    torch.set_num_threads(1)
    out = Path(sys.argv[1])
    with all_ranks() as (these, _):
        if len(sys.argv) > 2:
            die_while_saving(out, these, int(sys.argv[2]), sys.argv[3])
        else:
            steps_alike(out, these)
            if these.size != 3:
                a_row_is_summed_as_a_tree(these)
            a_gradient_is_summed_on_its_way(these)
            sums_begin_before_all_is_there(these)
            another_network_is_refused_by_all(these)
            a_full_disk_of_one_is_told_to_all(out / "full", these)
    threads = [(place / "comm").read_text() for place in Path("/proc/self/task").iterdir()]
    assert not [name for name in threads if "gloo" in name], "the group is gone, and its threads with it"
