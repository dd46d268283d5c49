"""Any finished model from its folder, whatever it is: config.json says which."""

from pathlib import Path

from maskwright.checkpoints.elmo_folder import is_elmo
from maskwright.errors import BadInput
from maskwright.inference import encoder
from maskwright.inference.elmo import ElmoEncoder, load_elmo
from maskwright.inference.encoder import Encoder

Loaded = Encoder | ElmoEncoder


def load(folder: str | Path, *, dtype: str = "float32", device: str = "cpu") -> Loaded:
    """See `maskwright.load`."""
    if not is_elmo(Path(folder)):
        return encoder.load(folder, dtype=dtype, device=device)
    if dtype not in encoder.DTYPES:
        raise BadInput(f"dtype {dtype!r}: there are {', '.join(encoder.DTYPES)}")
    return load_elmo(Path(folder), dtype=encoder.DTYPES[dtype], device=encoder.device_of(device))
