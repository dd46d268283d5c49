"""What an objective reports of one micro-batch: sums and counts, never means.

The loop divides by the count of the whole global step, so accumulation over micro-batches, uneven
ranks and a short last batch all give exactly the gradient of the joined batch.
"""

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, slots=True)
class Tally:
    """loss_sum: scalar, summed over predictions, in nats; count: predictions; correct: scalar, arg-max hits.

    Where predictions have weights all three are weighted, and the count is the sum of the weights.
    """

    loss_sum: Tensor
    count: float
    correct: Tensor
