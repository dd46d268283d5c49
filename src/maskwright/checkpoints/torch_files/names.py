"""The names that torch's and fairseq's pickles hold, each with what stands in its place.

A pickle calls what it names. Here a name is text, looked up in this table and nowhere else; no module is
imported for it. What the table does not have is refused, as it is the way by which files run code.
"""

import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import cast

from maskwright.checkpoints.torch_files.inert import (
    ELEMENTS,
    TYPES,
    Element,
    Namespace,
    Ordered,
    TensorView,
    shown,
    tensor_view,
)
from maskwright.errors import BadInput

Arguments = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Named:
    """A name of the table.

    build      makes the value that stands for calling it; None for what is never called
    element    the type of numbers it means, if it is a type of storage or a dtype
    """

    name: str
    build: Callable[[Arguments], object] | None = None
    element: Element | None = None


def named(module: str, name: str) -> Named:
    """What stands for `module.name`; BadInput for all that this reader does not know."""
    full = f"{module}.{name}"
    if full in _KNOWN:
        return _KNOWN[full]
    raise BadInput(
        f"it wants to run {shown(full)[1:-1]}, and nothing in a file is ever run: "
        "dicts of tensors are read, as torch.save(model.state_dict(), ...) writes them"
    )


def called(what: object, arguments: object) -> object:
    """The value that stands for what a pickle calls; BadInput when it cannot be called."""
    if not isinstance(what, Named) or what.build is None or type(arguments) is not tuple:
        shows = what.name if isinstance(what, Named) else shown(what)
        raise BadInput(f"it calls {shows}, which is nothing to call: the file is damaged or crafted")
    return what.build(cast("Arguments", arguments))


def scalar(value: object) -> object:
    """`value`, if it may be a key or an item of a set: containers there could be nested without bound."""
    if value is not None and type(value) not in (str, int, float, bool, bytes):
        raise BadInput(f"{shown(value)} as a key: only text and numbers are read as keys")
    return value


def _tensor(arguments: Arguments) -> TensorView:
    """_rebuild_tensor_v2(storage, offset, size, stride, requires_grad, hooks, metadata), the older without the rest."""
    if not 4 <= len(arguments) <= 7:
        raise BadInput(f"a tensor of {len(arguments)} parts: torch writes 4 to 7")
    _no_metadata(arguments[6:])
    storage, offset, shape, strides = arguments[:4]
    return tensor_view(storage, offset, shape, strides)


def _typed_tensor(arguments: Arguments) -> TensorView:
    """_rebuild_tensor_v3(storage, offset, size, stride, requires_grad, hooks, dtype, metadata)."""
    if not 7 <= len(arguments) <= 8:
        raise BadInput(f"a tensor of {len(arguments)} parts: torch writes 7 or 8")
    _no_metadata(arguments[7:])
    storage, offset, shape, strides = arguments[:4]
    kind = arguments[6]
    if not isinstance(kind, Named) or kind.element is None:
        raise BadInput(f"a tensor has {shown(kind)} for its dtype: the file is damaged or crafted")
    return tensor_view(storage, offset, shape, strides, kind.element)


def _no_metadata(metadata: Arguments) -> None:
    if metadata and metadata[0]:  # negated or conjugated when it is read: the stored numbers are not its values
        raise BadInput("a tensor is a negated or conjugated view: save it again after tensor.resolve_neg()")


def _parameter(arguments: Arguments) -> object:
    """_rebuild_parameter(tensor, requires_grad, hooks)."""
    if not arguments or not isinstance(arguments[0], TensorView):
        raise BadInput("a parameter without a tensor: the file is damaged or crafted")
    return arguments[0]


def _ordered(arguments: Arguments) -> Ordered:
    """OrderedDict(), or, from Python 2, OrderedDict([[key, value], ...])."""
    made = Ordered()
    for pair in _items(arguments):
        if not isinstance(pair, (list, tuple)) or len(cast("list[object]", pair)) != 2:
            raise BadInput(f"an OrderedDict of {shown(pair)} instead of pairs: the file is damaged or crafted")
        key, value = cast("list[object]", pair)
        made[scalar(key)] = value
    return made


def _items(arguments: Arguments) -> Iterable[object]:
    if len(arguments) > 1 or (arguments and not isinstance(arguments[0], (list, tuple, set))):
        raise BadInput("a container made of something else than a list: the file is damaged or crafted")
    return cast("tuple[Iterable[object]]", arguments)[0] if arguments else ()


def _namespace(arguments: Arguments) -> Namespace:
    if arguments:
        raise BadInput("a Namespace with arguments: the file is damaged or crafted")
    return Namespace()


def _set(arguments: Arguments) -> set[object]:
    return {scalar(item) for item in _items(arguments)}


def _size(arguments: Arguments) -> tuple[object, ...]:
    return tuple(_items(arguments))


def _device(arguments: Arguments) -> str:
    """device("cuda", 0) -> "cuda:0"."""
    if not all(type(part) in (str, int) for part in arguments):
        raise BadInput("a device that has no name: the file is damaged or crafted")
    return ":".join(map(str, arguments))


def _encoded(arguments: Arguments) -> bytes:
    """bytes as protocol 2 has them: _codecs.encode(text, "latin1")."""
    if len(arguments) != 2 or not isinstance(arguments[0], str) or arguments[1] not in ("latin1", "latin-1"):
        raise BadInput("bytes that are no Latin-1: the file is damaged or crafted")
    return arguments[0].encode("latin-1")


@dataclass(frozen=True, slots=True)
class NumberKind:
    """Stands for a numpy.dtype: its code, such as f8."""

    code: str


_NUMBERS = {"f8": "<d", "f4": "<f", "i8": "<q", "i4": "<i", "b1": "<?"}


def _number_kind(arguments: Arguments) -> NumberKind:
    if not arguments or not isinstance(arguments[0], str) or arguments[0] not in _NUMBERS:
        raise BadInput(f"numbers of numpy's type {shown(arguments[0] if arguments else None)}: not read")
    return NumberKind(arguments[0])


def _number(arguments: Arguments) -> object:
    """scalar(dtype, bytes): a plain number."""
    if len(arguments) != 2 or not isinstance(arguments[0], NumberKind) or not isinstance(arguments[1], bytes):
        raise BadInput("a number of numpy's without its bytes: the file is damaged or crafted")
    code = _NUMBERS[arguments[0].code]
    if len(arguments[1]) != struct.calcsize(code):
        raise BadInput("a number of numpy's with too few or too many bytes: the file is damaged or crafted")
    return struct.unpack(code, arguments[1])[0]


_BUILDERS: dict[str, Callable[[Arguments], object]] = {
    "torch._utils._rebuild_tensor": _tensor,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_tensor_v3": _typed_tensor,
    "torch._utils._rebuild_parameter": _parameter,
    "collections.OrderedDict": _ordered,
    "argparse.Namespace": _namespace,
    "builtins.set": _set,
    "__builtin__.set": _set,
    "torch.Size": _size,
    "torch.device": _device,
    "_codecs.encode": _encoded,
    "numpy.dtype": _number_kind,
    "numpy.core.multiarray.scalar": _number,
    "numpy._core.multiarray.scalar": _number,
}
_KNOWN = {
    **{name: Named(name, build) for name, build in _BUILDERS.items()},
    **{f"torch.{kind}": Named(f"torch.{kind}", element=element) for kind, element in TYPES.items()},
    **{
        f"{module}.{kind}Storage": Named(f"{module}.{kind}Storage", element=element)
        for kind, element in ELEMENTS.items()
        for module in ("torch", "torch.cuda", "torch.storage")
    },
}
