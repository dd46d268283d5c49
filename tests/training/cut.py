"""What each process of tests/training/test_fully_sharded.py does: a network that is cut, beside the same one whole.

torchrun --nproc-per-node 3 -m tests.training.cut FOLDER
"""

import sys
from collections.abc import Callable
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import torch

from maskwright.batch import Batch
from maskwright.errors import BadInput, MaskwrightError
from maskwright.layers import compiled, fp8
from maskwright.layers.dropout import DropoutStream
from maskwright.layers.recompute import Recompute, recompute
from maskwright.models.albert import AlbertConfig
from maskwright.training import checkpoint
from maskwright.training.evaluation import evaluate
from maskwright.training.finite import blame
from maskwright.training.fully_sharded import FullySharded, cut
from maskwright.training.launch import all_ranks
from maskwright.training.optimizers import Optimizer, OptimizerConfig, OptimizerName
from maskwright.training.pretraining import Pretraining
from maskwright.training.ranks import Ranks
from tests.models.networks import network, small
from tests.training.works import Examples, Given, clipped, relative

NAMES: list[OptimizerName] = ["adamw", "google", "lamb", "google_lamb", "adagrad"]
CPU = torch.device("cpu")
SHAPE: dict[str, Any] = {
    "vocab_size": 53, "hidden_size": 20, "num_attention_heads": 4, "intermediate_size": 52, "num_hidden_layers": 3,
    "hidden_dropout_prob": 0.1, "attention_probs_dropout_prob": 0.1,
}  # fmt: skip
"""Numbers of which few are round: rows that two, three or four ranks cannot share evenly."""


def made(name: OptimizerName, dtype: torch.dtype, ranks: Ranks | None, again: Recompute = "none", **other: Any) -> Any:
    """An optimizer of a network that is cut among the ranks, or whole; two rates, so that its row has more parts."""
    module = network(small(**{**SHAPE, **other}))
    module.encoder.embeddings.get_submodule("position").requires_grad_(False)
    factors = {key: 0.5 for key, _ in module.named_parameters() if "layers.0" in key}
    recompute(module, again)
    config = OptimizerConfig(name=name, rate=1e-2)
    if ranks is None:
        return Optimizer(module, config, dtype, factors)
    cut(module, ranks, CPU, dtype)
    return Optimizer(module, config, dtype, factors, ranks)


def batches_of(step: int, ranks: Ranks, each: int = 2) -> list[list[Batch]]:
    """For each rank so many micro-batches."""
    count = range(ranks.size * each)
    drawn = [Examples(100 * step + place, 5).batch(range(5)) for place in count]
    return [drawn[rank * each : (rank + 1) * each] for rank in range(ranks.size)]


def update(optimizer: Optimizer, module: Pretraining, batches: list[Batch], first: int, ranks: Ranks) -> float:
    """Move it by the gradient of these micro-batches, of which the first has that place in the step; its norm."""
    module.train()
    for place, batch in enumerate(batches, first):
        tallies = module.tallies(batch, DropoutStream(1, "dropout", place))
        torch.stack([tally.loss_sum for tally in tallies.values()]).sum().backward()  # pyright: ignore[reportUnknownMemberType]
        optimizer.flat.collect(first=place == first)
    optimizer.flat.sum_gradient(ranks, as_tree=False)
    norm = clipped(optimizer.flat, 3.0)
    optimizer.step(1.0)
    return norm


def weights(optimizer: Optimizer, ranks: Ranks) -> dict[str, torch.Tensor]:
    """All of them on the first rank; on the others nothing that is cut."""
    with optimizer.flat.gathered():
        return {name: tensor.clone() for name, tensor in optimizer.flat.tensors().items()} if ranks.first else {}


def moves_as_a_whole_one(folder: Path, ranks: Ranks, name: OptimizerName, dtype: torch.dtype) -> None:
    """The same losses, gradients and updates; what all save a whole one takes up, and the other way round."""
    whole, parts = made(name, dtype, None), made(name, dtype, ranks)
    assert isinstance(parts.flat, FullySharded)
    near = 1e-5 if dtype == torch.float32 else 2e-2  # a weight that lies between two bfloat16 is read as another
    for step in range(3):
        of_ranks = batches_of(step, ranks)
        norms = [
            update(whole, whole.flat.module, [*chain(*of_ranks)], 0, Ranks()),
            update(parts, parts.flat.module, of_ranks[ranks.rank], 2 * ranks.rank, ranks),
        ]
        assert abs(norms[0] / norms[1] - 1) < near / 10, (name, dtype, norms)
    found, wanted = weights(parts, ranks), weights(whole, ranks)
    for key in wanted if ranks.first else ():  # the gradient of a key's bias is 0 but for rounding, which Adam enlarges
        assert "query_key_value.bias" in key or relative(found[key], wanted[key]) < near, (name, dtype, key)
    held = [sum(t.numel() for t in (o.flat.master, *o.tensors().values())) for o in (whole, parts)]
    assert held[1] < 1.1 * held[0] / ranks.size + 600

    places = "encoder.embeddings.position.weight"  # fixed, and read in bfloat16 only
    assert torch.equal(parts.flat.state()[places], whole.flat.state()[places])
    own = {key: tensor for key, tensor in parts.flat.state().items() if ranks.first or key in parts.flat.places}
    tensors = {"model": own, "optimizer": parts.tensors()}
    saved = checkpoint.load(checkpoint.save(folder / f"{name}-{dtype}", 3, tensors, {}, ranks=ranks)).tensors
    again, back = made(name, dtype, None), made(name, dtype, ranks)
    again.flat.load(again.flat.own(saved["model"]))
    again.load(again.own(saved["optimizer"]))
    taken_up = weights(again, ranks)
    assert not ranks.first or all(torch.equal(found[name], taken_up[name]) for name in found)
    back.flat.load(back.flat.own(again.flat.state()))
    back.load(back.own(again.tensors()))
    assert torch.equal(back.flat.master, parts.flat.master)
    for key, tensor in back.tensors().items():
        assert torch.equal(tensor, parts.tensors()[key]), key
    of_ranks = batches_of(4, ranks)
    for optimizer in (parts, back):  # where one goes on the other goes on, bit for bit
        update(optimizer, optimizer.flat.module, of_ranks[ranks.rank], 2 * ranks.rank, ranks)
    assert torch.equal(back.flat.master, parts.flat.master)


def computes_twice_what_is_wanted_so(ranks: Ranks) -> None:
    """A layer that is computed again on the way back is whole then; and so is one that all places share."""
    batches = batches_of(0, ranks)[ranks.rank]
    rows: list[torch.Tensor] = []
    wanted: list[Recompute] = ["none", "attention", "layers"]
    for again in wanted:
        parts = made("adamw", torch.bfloat16, ranks, again)
        update(parts, parts.flat.module, batches, 2 * ranks.rank, ranks)
        rows.append(parts.flat.master)
    assert torch.equal(rows[0], rows[1]) and torch.equal(rows[0], rows[2])


def shares_layers(ranks: Ranks) -> None:
    config = AlbertConfig(
        vocab_size=53, embedding_size=12, hidden_size=20, num_attention_heads=4, intermediate_size=52,
        num_hidden_layers=3, shared="attention", max_position_embeddings=64,
    )  # fmt: skip
    of_ranks, norms = batches_of(0, ranks), list[float]()
    for cut_too in (False, True):
        module = network(config, heads=("mlm", "sop"))
        if cut_too:
            cut(module, ranks, CPU, torch.float32)
        optimizer = Optimizer(module, OptimizerConfig(), torch.float32, None, ranks if cut_too else Ranks())
        mine = of_ranks[ranks.rank] if cut_too else [*chain(*of_ranks)]
        norms.append(update(optimizer, module, mine, 2 * ranks.rank if cut_too else 0, ranks if cut_too else Ranks()))
    assert abs(norms[0] / norms[1] - 1) < 1e-5


def multiplies_eight_bits_too(ranks: Ranks) -> None:
    of_ranks, norms = batches_of(0, ranks), list[float]()
    for together, mine in ((Ranks(), [*chain(*of_ranks)]), (ranks, of_ranks[ranks.rank])):
        module = network(small(**{**SHAPE, "hidden_size": 32, "intermediate_size": 64}))
        assert fp8.in_fp8(module) > 0
        if together.size > 1:
            cut(module, ranks, CPU, torch.bfloat16)
        optimizer = Optimizer(module, OptimizerConfig(), torch.bfloat16, None, together)
        norms.append(update(optimizer, module, mine, 2 * together.rank, together))
    assert abs(norms[0] / norms[1] - 1) < 1e-5, norms


def is_compiled_in_few_programs(ranks: Ranks) -> None:
    """Two for layers whose weights come and go; the library's own pieces of them are not compiled."""
    programs: list[torch.nn.Module] = []

    def counting(program: torch.fx.GraphModule, _: list[torch.Tensor]) -> Callable[..., Any]:
        programs.append(program)
        return program.forward

    def compiled_so(written: Callable[..., Any]) -> Callable[..., Any]:
        return torch.compile(written, dynamic=True, backend=counting)

    of_ranks, norms = [batches_of(step, ranks) for step in range(3)], list[list[float]]()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compiled, "compiled", compiled_so)
        for together in (Ranks(), ranks):
            module = network(small(**SHAPE))
            if together.size > 1:
                assert compiled.compile_layers(module) == 3
                cut(module, ranks, CPU, torch.float32)
            optimizer = Optimizer(module, OptimizerConfig(), torch.float32, None, together)
            mine = [its[ranks.rank] if together.size > 1 else [*chain(*its)] for its in of_ranks]
            norms.append([update(optimizer, module, its, 2 * together.rank, together) for its in mine])
    for whole, ours in zip(*norms, strict=True):
        assert abs(ours / whole - 1) < 1e-5, norms
    assert 1 <= len(programs) <= 2, len(programs)
    torch.compiler.reset()


def may_have_nothing_to_predict(ranks: Ranks) -> None:
    """On one of them: its head has a gradient all the same, which the others' is added to."""
    drawn = Examples(3, 6)
    of_ranks = [[drawn.batch([0, 3] if rank == 0 else [1, 2, rank])] for rank in range(ranks.size)]
    assert of_ranks[0][0].predict_rows is not None and len(of_ranks[0][0].predict_rows) == 0
    whole, parts = made("adamw", torch.float32, None), made("adamw", torch.float32, ranks)
    norms = [
        update(whole, whole.flat.module, [*chain(*of_ranks)], 0, Ranks()),
        update(parts, parts.flat.module, of_ranks[ranks.rank], ranks.rank, ranks),
    ]
    assert abs(norms[0] / norms[1] - 1) < 1e-6


def is_looked_at_and_blamed_together(ranks: Ranks) -> None:
    """Batches that ranks cannot share evenly, and weights of one rank that are no numbers."""
    whole, parts = made("adamw", torch.float32, None), made("adamw", torch.float32, ranks)
    held_out = [Examples(place, 4).batch(range(4)) for place in range(2 * ranks.size + 1)]
    looks = [
        evaluate(Given(one.flat.module, [], held_out), one, ranks=together)
        for one, together in ((whole, Ranks()), (parts, ranks))
    ]
    assert looks[0] is not None and looks[1] is not None and abs(looks[0].loss - looks[1].loss) < 1e-5
    network, batches = parts.flat.module, batches_of(0, ranks)[ranks.rank]
    if ranks.rank == ranks.size - 1:
        network.heads["mlm"].bias.detach().to_local().fill_(float("nan"))
    line = blame(Given(network, batches), dict(enumerate(batches)), 0, 6, ranks)
    assert line.startswith("step 7: the gradient of mlm"), line
    assert set(ranks.gather(line)) == {line}


def another_network_is_refused_by_all(ranks: Ranks) -> None:
    parts, other = made("adamw", torch.float32, ranks), made("adamw", torch.float32, None, hidden_size=24)
    for given in (other.flat.state(), {name: t for name, t in parts.flat.state().items() if ranks.first}):
        with pytest.raises(MaskwrightError, match="another version of maskwright"):
            parts.flat.load(parts.flat.own(given))
    with pytest.raises(MaskwrightError, match="another version of maskwright"):
        parts.load(parts.own(other.tensors()))
    with pytest.raises(BadInput, match="muon moves whole matrices"):
        made("muon", torch.float32, ranks)
    with pytest.raises(BadInput, match="of masked and causal pretraining, and this is none"):
        cut(torch.nn.Linear(2, 2), ranks, CPU, torch.float32)


if __name__ == "__main__":
    torch.set_num_threads(1)
    with all_ranks() as (these, _):
        for dtype in (torch.float32, torch.bfloat16):
            for name in NAMES:
                moves_as_a_whole_one(Path(sys.argv[1]), these, name, dtype)
        computes_twice_what_is_wanted_so(these)
        shares_layers(these)
        multiplies_eight_bits_too(these)
        is_compiled_in_few_programs(these)
        may_have_nothing_to_predict(these)
        is_looked_at_and_blamed_together(these)
        another_network_is_refused_by_all(these)
    threads = [(place / "comm").read_text() for place in Path("/proc/self/task").iterdir()]
    assert not [name for name in threads if "gloo" in name], "the group is gone, and its threads with it"
