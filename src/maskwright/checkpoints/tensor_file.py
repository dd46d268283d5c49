"""One safetensors file, out and in: the only form in which tensors lie on disk here.

What the safetensors library leaves open is settled in this file: its files can be read by their
owner alone (mode 0600), its errors are not OSErrors, and it refuses tensors that are not contiguous.
"""

import errno
import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import (
    load_file,  # pyright: ignore[reportUnknownVariableType]
    save_file,  # pyright: ignore[reportUnknownVariableType]
)

from maskwright.errors import BadInput, MaskwrightError

Shapes = Mapping[str, tuple[torch.dtype, tuple[int, ...]]]
"""The tensors there are: name -> type and shape."""


def write_tensors(
    path: str | Path, tensors: Mapping[str, torch.Tensor], metadata: dict[str, str] | None = None
) -> None:
    """Writes `tensors` (any device, any strides) to `path`; not yet durable, see `durable.staged_folder`.

    Tensors that overlap in memory raise MaskwrightError: saved twice, they could part on loading.
    A full disk and its like raise OSError naming `path`.
    """
    path = Path(path)
    path.touch()  # its mode is what the umask makes of it; asking for the umask would set it, for all threads
    mode = stat.S_IMODE(path.stat().st_mode)
    try:
        save_file({name: tensor.detach().contiguous() for name, tensor in tensors.items()}, path, metadata)
    except SafetensorError as error:
        code = re.search(r"os error (\d+)", str(error))
        number = int(code.group(1)) if code else errno.EIO
        raise OSError(number, os.strerror(number), str(path)) from error
    except RuntimeError as error:
        if "share memory" not in str(error):
            raise
        names = re.search(r"\[.*\]", str(error))
        raise MaskwrightError(
            f"{path}: tensors that share memory cannot be saved apart ({names.group() if names else error}): "
            "save one of them"
        ) from error
    path.chmod(mode)


def read_tensors(path: str | Path) -> dict[str, torch.Tensor]:
    """The tensors of a safetensors file, on the CPU; BadInput says what is wrong with it."""
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise BadInput(f"{path}: not a readable safetensors file ({error})") from error


def read_tensors_of(path: Path, wanted: Shapes, asked_by: str) -> dict[str, torch.Tensor]:
    """The tensors of a file that are all there, of these types and shapes, and finite; BadInput names one that is not.

    asked_by   the file that asks for them
    """
    found = read_tensors(path)
    for name in (*wanted, *found):
        if name not in found:
            raise BadInput(f"{path}: the tensor {name} is missing; the folder is not whole")
        if name not in wanted:
            raise BadInput(f"{path}: the tensor {name} has no place in this model")
        kept, (dtype, shape) = found[name], wanted[name]
        if kept.dtype != dtype or tuple(kept.shape) != shape:
            raise BadInput(
                f"{path}: {name} is {str(kept.dtype).removeprefix('torch.')} {tuple(kept.shape)}, and "
                f"{asked_by} asks for {str(dtype).removeprefix('torch.')} {shape}"
            )
        if not torch.isfinite(kept).all():
            raise BadInput(f"{path}: {name} holds numbers that are not finite")
    return found


def num_bytes(tensors: Mapping[str, torch.Tensor]) -> int:
    """How many bytes `write_tensors` would write, within a few."""
    return sum(t.numel() * t.element_size() + 128 + len(name) for name, t in tensors.items()) + 64
