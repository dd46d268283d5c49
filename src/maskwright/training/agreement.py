"""What the ranks of a run must have in common, asked before anything is computed.

Nothing but sums goes from rank to rank, so one that reads other text, or draws by another seed, would not be noticed:
the weights would come from two runs at once.
"""

import hashlib
import json
import os
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import torch

from maskwright.config import Config, dotted
from maskwright.errors import BadInput

SHOWN = 3
"""Of what differs, so many are named."""


class Store(Protocol):
    """What processes can tell each other before they are joined."""

    def set(self, key: str, value: str, /) -> None:
        """Tell it."""
        ...

    def get(self, key: str, /) -> bytes:
        """Wait for it."""
        ...


class Place(NamedTuple):
    """Where a rank computes."""

    host: str
    gpu: str | None
    """Which of the host's; None where it has none."""


def agree_on_devices(store: Store, rank: int, size: int, device: torch.device | None) -> None:
    """BadInput on all ranks where they cannot be joined, see `check_places`."""
    gpu = None if device is None else str(torch.cuda.get_device_properties(device).uuid)
    store.set(f"place {rank}", json.dumps(Place(socket.gethostname(), gpu)))
    check_places([Place(*json.loads(store.get(f"place {other}"))) for other in range(size)])


def check_places(places: Sequence[Place]) -> None:
    """BadInput where some ranks have a GPU and others none, or where two have the same.

    >>> check_places([Place("node0", "GPU-1"), Place("node1", None)])
    Traceback (most recent call last):
    maskwright.errors.BadInput: rank 1 on node1 sees no GPU, and rank 0 on node0 has one: give every rank one, or hide \
them all (CUDA_VISIBLE_DEVICES=)
    """
    with_gpu = [rank for rank, place in enumerate(places) if place.gpu is not None]
    without = [rank for rank, place in enumerate(places) if place.gpu is None]
    if with_gpu and without:
        raise BadInput(
            f"{_named(without)} on {places[without[0]].host} sees no GPU, and rank {with_gpu[0]} on "
            f"{places[with_gpu[0]].host} has one: give every rank one, or hide them all (CUDA_VISIBLE_DEVICES=)"
        )
    for rank in with_gpu:
        if (first := places.index(places[rank])) < rank:
            raise BadInput(
                f"ranks {first} and {rank} have the same GPU of {places[rank].host}: start as many processes on a host "
                "as it has GPUs (torchrun --nproc-per-node), or hide them all (CUDA_VISIBLE_DEVICES=)"
            )


def terms(recipe: Config, **more: str) -> dict[str, Any]:
    """All that the results depend on, for `check_alike`.

    more    fingerprints of what is learned from
    """
    of_recipe = {key: value for key, value in dotted(recipe).items() if key != "corpus"}  # a path
    return {**more, "maskwright": code(), "torch": torch.__version__, **of_recipe}


def check_alike(told: Sequence[Mapping[str, Any]]) -> None:
    """BadInput that names what differs, and on which ranks.

    >>> check_alike([{"training.seed": 0}, {"training.seed": 1}, {"training.seed": 0}])
    Traceback (most recent call last):
    maskwright.errors.BadInput: the ranks disagree (training.seed: 0 on ranks 0 and 2, 1 on rank 1): start all of them \
by the same line, on the same files and the same installation
    """
    differing: list[str] = []
    for key in dict.fromkeys(key for of in told for key in of):
        values = [of.get(key) for of in told]
        kinds = list({json.dumps(value, default=str): value for value in values}.values())
        if len(kinds) > 1:
            who = [
                f"{str(kind)[:40]} on {_named([rank for rank, value in enumerate(values) if value == kind])}"
                for kind in kinds[:SHOWN]
            ]
            differing.append(f"{key}: {', '.join(who)}")
    if differing:
        rest = "; ..." if len(differing) > SHOWN else ""
        raise BadInput(
            f"the ranks disagree ({'; '.join(differing[:SHOWN])}{rest}): start all of them by the same line, on the "
            "same files and the same installation"
        )


def code() -> str:
    """The version of this package, and a digest of its files: a version under development has many."""
    import maskwright

    folder = Path(maskwright.__file__).parent
    digest = hashlib.sha256()
    for file in sorted(folder.rglob("*.py")):
        digest.update(os.fsencode(file.relative_to(folder)) + b"\0" + file.read_bytes() + b"\0")
    return f"{maskwright.__version__} ({digest.hexdigest()[:12]})"


def _named(ranks: Sequence[int]) -> str:
    if len(ranks) == 1:
        return f"rank {ranks[0]}"
    shown = [str(rank) for rank in ranks[: 2 * SHOWN]]
    more = f" and {len(ranks) - len(shown)} more" if len(ranks) > len(shown) else ""
    return f"ranks {', '.join(shown)}{more}" if more else f"ranks {', '.join(shown[:-1])} and {shown[-1]}"
