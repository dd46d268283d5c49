"""Any finished model from its folder, whatever it is: config.json says which."""

from pathlib import Path

from maskwright.checkpoints.static_folder import model_type_of
from maskwright.errors import BadInput
from maskwright.inference import encoder_loading
from maskwright.inference.bag_of_words import BagOfWords, load_bag_of_words
from maskwright.inference.elmo import ElmoEncoder, load_elmo
from maskwright.inference.encoder import Encoder
from maskwright.inference.graphs.encoder import GraphEncoder
from maskwright.inference.graphs.loading import graph_at, load_graph
from maskwright.inference.static import StaticVectors, load_static

STATIC = ("word2vec", "bag_of_words")
"""Names of models that are no network."""
Loaded = Encoder | GraphEncoder | ElmoEncoder | StaticVectors | BagOfWords


def load(
    folder: str | Path, *, adapter: str | Path | None = None, dtype: str = "float32", device: str = "cpu"
) -> Loaded:
    """See `maskwright.load`. Static vectors and bags of words stay on the CPU: `device` changes nothing for them."""
    if (graph := graph_at(folder)) is not None:
        if adapter is not None:
            raise BadInput(f"{graph} is an exported graph, whose weights are fixed: load the model's folder")
        return load_graph(graph, dtype=dtype, device=device)
    kind = model_type_of(folder)
    if kind not in (*STATIC, "elmo"):
        return encoder_loading.load(folder, adapter=adapter, dtype=dtype, device=device)
    if adapter is not None:
        raise BadInput(f"{folder} is {kind}, and adapters change Transformers: leave adapter out")
    if kind == "elmo":
        if dtype not in encoder_loading.DTYPES:
            raise BadInput(f"dtype {dtype!r}: there are {', '.join(encoder_loading.DTYPES)}")
        return load_elmo(Path(folder), dtype=encoder_loading.DTYPES[dtype], device=encoder_loading.device_of(device))
    if dtype != "float32":
        raise BadInput(f"dtype {dtype}: {folder} is {kind}, which computes no other numbers than float32: leave it out")
    return load_static(Path(folder)) if kind == "word2vec" else load_bag_of_words(Path(folder))
