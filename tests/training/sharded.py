"""What each process of tests/training/test_shards.py does: every optimizer shared, beside the same one that is not.

torchrun --nproc-per-node 3 -m tests.training.sharded FOLDER
"""

import sys
from pathlib import Path

import torch

from maskwright.training import checkpoint
from maskwright.training.optimizers import Optimizer, OptimizerConfig, OptimizerName
from maskwright.training.ranks import ALONE, Ranks, all_ranks
from tests.models.networks import network, small

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
    norm = float(flat.clip(clip))
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


def main(folder: Path) -> None:
    with all_ranks() as (ranks, _):
        bitwise = ranks.size & (ranks.size - 1) == 0
        for name in NAMES:
            for dtype in (torch.float32, torch.bfloat16):
                whole, shared = made(name, dtype), made(name, dtype, ranks)
                for number in range(3):
                    norms = [step(optimizer, number, ranks, [None, 1.0, 1e9][number]) for optimizer in (whole, shared)]
                    assert norms[0] == norms[1] if bitwise else abs(norms[0] / norms[1] - 1) < 1e-5
                    same(whole, shared, bitwise=bitwise)
                # what all saved together, one process takes up, and what one saved, all of them
                run = folder / f"{name}-{dtype}"
                tensors = {"model": shared.flat.state(), "optimizer": shared.tensors()}
                saved = checkpoint.load(checkpoint.save(run, 3, tensors, {}, ranks=ranks))
                again = made(name, dtype)
                again.flat.load(again.flat.own(saved.tensors["model"]))
                again.load(again.own(saved.tensors["optimizer"]))
                same(again, shared, bitwise=True)
                back = made(name, dtype, ranks)
                back.flat.load(back.flat.own(again.flat.state()))
                back.load(back.own(again.tensors()))
                for number in range(3, 5):
                    step(again, number, ranks, 1.0)
                    step(back, number, ranks, 1.0)
                    same(again, back, bitwise=bitwise)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(Path(sys.argv[1]))
