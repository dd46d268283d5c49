"""How a run is trained: how long, how fast, how often. `loop` reads it, and whoever makes what the loop works with."""

from typing import Literal

from pydantic import Field, model_validator

from maskwright.config import Config
from maskwright.errors import BadInput
from maskwright.training.schedules import Schedule

Precision = Literal["bf16", "float32", "fp8"]
Graphs = Literal["never", "always"]


class TrainingConfig(Config):
    """How long, how fast, how often."""

    steps: int = Field(default=1_000_000, ge=1)
    """Updates of the weights."""
    batch_sequences: int = Field(default=256, ge=1)
    """Sequences that make one update."""
    micro_sequences: int = Field(default=32, ge=1)
    """Sequences that are computed at once: memory and speed. The gradient is always that of all of them joined."""
    warmup_share: float = Field(default=0.01, ge=0, le=1)
    """Share of the steps in which the rate rises from 0."""
    schedule: Schedule = "linear"
    """linear, google, cosine or constant."""
    batch_tokens: int | None = Field(default=None, ge=1)
    """Tokens that make one update, packed: rows of micro_tokens are filled to their end with whole sequences, and
    batch_sequences and micro_sequences are not read. none: sequences are not packed."""
    micro_tokens: int | None = Field(default=None, ge=1)
    """Tokens of a packed row, which is computed at once; none: batch_tokens."""
    groups: int | None = Field(default=None, ge=1, le=4096)
    """Sum a step's micro-batches in so many groups, and these in pairs: 1, 2, 4 ... processes, up to so many, then make
    the same weights bit for bit. none: one group for each process."""
    shard: Literal["none", "optimizer", "parameters"] = "none"
    """optimizer: each process keeps and saves a piece of master and optimizer, 12 of a weight's 18 bytes in bf16.
    parameters: a piece of all there is, a layer is whole in its turn (FSDP); with all optimizers but muon."""
    clip: float | None = Field(default=1.0, gt=0, allow_inf_nan=False)
    """Longest gradient; longer ones are scaled down to it. none: never."""
    precision: Precision = "bf16"
    """Of the arithmetic: bf16, float32 or, as an experiment, fp8, in which linear maps of layers multiply 8-bit floats
    and all else is bf16. Weights and optimizer are float32 in all, and evaluation is, but with shard parameters."""
    compile: Literal["auto", "always", "never"] = "auto"
    """Make kernels of what layers do behind attention. auto: on a GPU, where it takes some seconds once; on a CPU they
    are no faster."""
    graphs: Graphs = "never"
    """always: on a GPU, record a pass forward and back once for each shape, and play it back. For packed rows, which
    have few shapes, in steps of some ten thousand tokens, which would wait for Python."""
    recompute: Literal["none", "attention", "layers"] = "none"
    """What is computed a second time on the way back, to hold less meanwhile: none, attention or layers, all but the
    last. Loss and gradient are the same bit for bit."""
    seed: int = Field(default=0, ge=0)
    """Names every draw of the run."""
    log_every: int = Field(default=20, ge=1)
    """Steps from line to line in metrics.jsonl."""
    evaluate_every: int = Field(default=1_000, ge=1)
    """Steps from one look at the held-out documents to the next; it stands in the next line that is logged."""
    held_out_sequences: int | None = Field(default=2_048, ge=1)
    """Held-out sequences looked at, the same each time. none: all."""
    save_every: int = Field(default=1_000, ge=1)
    """Steps from checkpoint to checkpoint."""
    keep: int = Field(default=2, ge=1)
    """Checkpoints kept."""

    @property
    def row_tokens(self) -> int | None:
        """Tokens of a packed row; None where sequences are not packed."""
        return self.batch_tokens and (self.micro_tokens or self.batch_tokens)

    @property
    def batch_rows(self) -> int | None:
        """Packed rows of a step; None where sequences are not packed."""
        return self.batch_tokens and self.batch_tokens // (self.micro_tokens or self.batch_tokens)

    def check_not_packed(self) -> None:
        """BadInput where sequences would be packed that have places of their own, in lanes or as answers of a task."""
        if self.batch_tokens:
            raise BadInput("training.batch_tokens packs sequences, and here these keep their places: leave it out")

    @model_validator(mode="after")
    def _whole_rows(self) -> "TrainingConfig":
        if self.micro_tokens and (not self.batch_tokens or self.batch_tokens % self.micro_tokens):
            raise BadInput(
                f"training.micro_tokens {self.micro_tokens} are the tokens of a packed row, and training.batch_tokens "
                f"{self.batch_tokens or 'none'} those of a step: let this be a multiple of that"
            )
        return self

    @model_validator(mode="after")
    def _as_it_is_cut(self) -> "TrainingConfig":
        if self.shard == "parameters" and (self.groups or self.graphs == "always"):
            raise BadInput(
                "training.shard parameters sums gradients in the library's order and gathers layers as they come: "
                "leave training.groups and training.graphs out, or take --training.shard optimizer"
            )
        return self

    def logs(self, done: int) -> bool:
        """Whether a line is written after `done` steps."""
        return done % self.log_every == 0 or done == self.steps

    def looks(self, done: int) -> bool:
        """Whether that line tells of the held-out documents: the first one at or after each `evaluate_every` steps."""
        line_before = (done - 1) // self.log_every * self.log_every
        return done // self.evaluate_every > line_before // self.evaluate_every or done == self.steps
