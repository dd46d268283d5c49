"""Any finished model from its folder, whatever it is: config.json says which."""

from pathlib import Path

from maskwright.checkpoints.static_folder import model_type_of
from maskwright.errors import BadInput
from maskwright.inference import encoder
from maskwright.inference.encoder import Encoder
from maskwright.inference.static import StaticVectors, load_static

Loaded = Encoder | StaticVectors


def load(folder: str | Path, *, dtype: str = "float32", device: str = "cpu") -> Loaded:
    """See `maskwright.load`. Static vectors are read from a table on the CPU: `device` changes nothing for them."""
    if model_type_of(folder) == "word2vec":
        if dtype != "float32":
            raise BadInput(f"dtype {dtype}: {folder} is word2vec, whose vectors are float32: leave it out")
        return load_static(Path(folder))
    return encoder.load(folder, dtype=dtype, device=device)
