"""Trains one recipe in several precisions and draws what its loss makes of them.

    python scripts/precisions.py --corpus corpora/en             # runs/precisions, and precisions.svg in it
    python scripts/precisions.py --precision bf16 float32 --steps 5000

First weights, order and masks are the same in all, and evaluation is float32. Where a recipe drops values, they are not
the same ones. What is finished stays, what was stopped goes on: the same line draws anew.
"""

import argparse
import subprocess
import sys
from pathlib import Path
from typing import Any

from maskwright.lab.pictures import picture
from maskwright.training.metrics import read_metrics

COLOURS = ("#d97706", "#2563eb", "#059669")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, default=Path("corpora/en"), help="what is learned from")
    parser.add_argument("--recipe", default="quick", help="of maskwright pretrain")
    parser.add_argument("--size", default="tiny")
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--precision", nargs="+", default=["bf16", "float32", "fp8"], help="the first is compared with")
    parser.add_argument("--out", type=Path, default=Path("runs/precisions"), help="the folder of the runs")
    asked = parser.parse_args()
    for precision in asked.precision:
        train(asked, precision)
    curves = {name: read_metrics(asked.out / name) for name in asked.precision}
    file = asked.out / "precisions.svg"
    draw(curves, file)
    print(table(curves), f"\n{file}", sep="\n")


def train(asked: argparse.Namespace, precision: str) -> None:
    line = [
        sys.executable, "-m", "maskwright", "pretrain", asked.recipe, "--size", asked.size, "--corpus", asked.corpus,
        "--out", asked.out / precision, "--training.precision", precision, "--training.steps", asked.steps,
        "--training.log_every", 10, "--training.evaluate_every", 50, "--training.held_out_sequences", 512,
        "--training.save_every", 500, *(["--start.epochs", 1] if asked.recipe == "quick" else []),
    ]  # fmt: skip
    if code := subprocess.run([str(part) for part in line], check=False).returncode:
        sys.exit(code)


def held_out(entries: list[dict[str, Any]]) -> dict[int, float]:
    """Loss of masked words by step."""
    return {entry["step"]: entry["held_out"]["losses"]["mlm"] for entry in entries if "held_out" in entry}


def of_steps(entries: list[dict[str, Any]]) -> dict[int, float]:
    """The same of what was trained on."""
    return {entry["step"]: entry["losses"]["mlm"] for entry in entries}


def table(curves: dict[str, list[dict[str, Any]]]) -> str:
    """Markdown: where each ends, and how far it was from the first, at most and on average over the second half."""
    first = held_out(next(iter(curves.values())))
    rows = [
        "| precision | held-out loss at the end | least | farthest from the first, second half | mean |",
        "| --- " * 5 + "|",
    ]
    for name, entries in curves.items():
        looks = held_out(entries)
        late = [looks[step] - first[step] for step in sorted(looks.keys() & first.keys())]
        late = late[len(late) // 2 :]
        rows.append(
            f"| {name} | {looks[max(looks)]:.3f} | {min(looks.values()):.3f} | {max(map(abs, late)):.3f} | "
            f"{sum(late) / len(late):+.4f} |"
        )
    return "\n".join(rows)


def draw(curves: dict[str, list[dict[str, Any]]], file: Path) -> None:
    """Held-out losses over steps; beside them the distance of each line from the first, held out and in training."""
    first = next(iter(curves))
    with picture(file) as plt:
        _, (left, right) = plt.subplots(1, 2, figsize=(10, 3.6), layout="constrained")
        for place, (name, entries) in enumerate(curves.items()):
            looks, colour = held_out(entries), COLOURS[place % len(COLOURS)]
            dashes = {} if place == 0 else {"linestyle": (0, (4, 2 * place))}
            left.plot(list(looks), list(looks.values()), color=colour, linewidth=1.6, label=name, **dashes)
            for of, width, alpha in ((of_steps, 0.8, 0.35), (held_out, 1.4, 1.0)):
                own, others = of(entries), of(curves[first])
                steps = sorted(own.keys() & others.keys())
                gaps = [own[step] - others[step] for step in steps]
                right.plot(steps, gaps, color=colour, linewidth=width, alpha=alpha)
        left.set_ylabel("held-out loss of masked words, nats")
        left.legend(frameon=False)
        right.set_ylabel(f"less that of {first}; pale: in training")
        right.set_ylim(-0.3, 0.3)
        for panel in (left, right):
            panel.set_xlabel("steps")


if __name__ == "__main__":
    main()
