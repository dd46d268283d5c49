"""`maskwright generate`: let a model write on."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from maskwright.cli.results import AsJson, show

if TYPE_CHECKING:
    from maskwright.inference.generation import Generated


def generate(
    model: Path,
    prompt: str,
    /,
    *,
    max_tokens: Annotated[int, Parameter(name="--max-tokens")] = 50,
    samples: int = 1,
    temperature: float = 1.0,
    top_p: Annotated[float, Parameter(name="--top-p")] = 0.95,
    seed: int = 0,
    json: AsJson = False,
) -> None:
    """Let a model write on from a prompt.

    A GPT was made for it. A BERT can be asked too, for one [MASK] after another at the
    end of the text: beside a GPT of the same size one sees that it was not.

    Args:
        model: A model folder: one of ours, or a Hugging Face one.
        prompt: The beginning of the text.
        max_tokens: The most tokens that are written.
        samples: How many continuations.
        temperature: 0 takes the likeliest token each time; 1 draws as learned.
        top_p: Draw from the likeliest tokens that together have this share.
        seed: Another one gives others.

    Examples:
        maskwright generate runs/gpt-tiny/model "It was a dark night"
        maskwright generate runs/gpt-tiny/model "话说天下大势" --samples 3 --json
        maskwright generate runs/my-bert/model "It was" --temperature 0
    """
    from maskwright.inference.loading import load

    found = load(model).generate(
        prompt, max_tokens=max_tokens, samples=samples, temperature=temperature, top_p=top_p, seed=seed
    )
    show([one._asdict() for one in found], json=json, text=lambda: "\n\n".join(map(_for_people, found)))


def _for_people(one: "Generated") -> str:
    each = sum(one.log_probability) / max(1, len(one.log_probability))
    told = f"{len(one.tokens)} tokens, {-each:.2f} nats each{', ended' if one.ended else ''}"
    return f"{one.text}\n  ({told})"
