"""Distances between tokens as sinusoids: what XLNet and Transformer-XL have in place of positions.

Dai et al. (arXiv 1901.02860), section 3.3 and appendix B; zihangdai/xlnet `modeling.py`, `relative_positional_encoding`
and `rel_shift`. Sines stand in the first half of the columns and cosines in the second, where *Attention is all you
need* has them in turn.
"""

import torch
from torch import Tensor


def distance_vectors(distances: Tensor, hidden_size: int) -> Tensor:
    """(...) distances, query minus key -> (..., H) float64; H is even."""
    frequencies = 10000 ** -(
        torch.arange(0, hidden_size, 2, dtype=torch.float64, device=distances.device) / hidden_size
    )
    angles = distances.double()[..., None] * frequencies
    return torch.cat([angles.sin(), angles.cos()], -1)


def distance_table(
    longest: int, memory: int, hidden_size: int, clamp: int, *, both_ways: bool, device: torch.device
) -> Tensor:
    """(1, P, H) float64, P = memory + 2 * longest: vectors of the distances memory + longest, ... , 1 - longest.

    both_ways   (2, P, H): then as a sequence that runs backwards has them, with the other sign
    clamp       distances beyond are taken for this one; 0 or less: none are
    """
    distances = torch.arange(memory + longest, -longest, -1, device=device)
    if clamp > 0:
        distances = distances.clamp(-clamp, clamp)
    ways = torch.stack([distances, -distances]) if both_ways else distances[None]
    return distance_vectors(ways, hidden_size)


def shifted(scores: Tensor, keys: int) -> Tensor:
    """(..., S, P) scores of row i by distance -> (..., S, keys): by key, where key j is P - 2S + i - j away from row i.

    Row i wants columns S - i, S - i + 1, ...: in the flat order of numbers each row begins P - 1 after the one before,
    so another view of them is enough.

    >>> shifted(torch.tensor([[2, 1, 0, -1], [2, 1, 0, -1]]), keys=2).tolist()  # two tokens, no memory: i - j
    [[0, -1], [1, 0]]
    """
    rows, columns = scores.shape[-2:]
    flat = scores.flatten(-2)[..., rows:]
    return flat.unflatten(-1, (rows, columns - 1))[..., :keys]


def picked(scores: Tensor, places: Tensor, keys: int) -> Tensor:
    """(N, A, F, P) -> (N, A, F, keys), the same for rows that stand at `places` (N, F) of their sequences."""
    rows = _begins(scores.shape, places, keys)
    return scores.flatten().unfold(0, keys, 1).index_select(0, rows).view(*scores.shape[:3], keys)


def put_back(scores: Tensor, places: Tensor, distances: int) -> Tensor:
    """(N, A, F, keys) -> (N, A, F, P), to where `picked` took them from; zeros elsewhere."""
    keys = scores.shape[3]
    spread = scores.new_zeros(*scores.shape[:3], distances)
    rows = _begins(spread.shape, places, keys)
    spread.view(-1).unfold(0, keys, 1).index_copy_(0, rows, scores.reshape(-1, keys))
    return spread


def _begins(shape: torch.Size, places: Tensor, keys: int) -> Tensor:
    """(N * A * F,) where in (N, A, F, P) flat numbers each row's keys begin: P - keys - place behind its first one."""
    rows = torch.arange(shape[:3].numel(), device=places.device).view(shape[:3]) * shape[3]
    return (rows + (shape[3] - keys - places)[:, None]).flatten()
