"""What the values of a pickle become: plain Python values, and descriptions of storages and tensors.

Nothing here holds numbers of a tensor: a description says where in the file they lie. It is checked
against the size of its storage when it is made, in Python's integers, which do not overflow.
"""

from dataclasses import dataclass
from math import prod
from typing import cast

from maskwright.errors import BadInput

MOST_AXES = 32  # numpy's limit has been 32 and is 64
LARGEST_INTEGER = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Element:
    """A type of number: its name in safetensors, and its bytes."""

    name: str
    size: int


RAW = Element("raw", 1)  # bytes whose type the tensor tells
# Name of torch's type of storage, without "Storage" -> element.
ELEMENTS = {
    "Double": Element("F64", 8),
    "Float": Element("F32", 4),
    "Half": Element("F16", 2),
    "BFloat16": Element("BF16", 2),
    "Long": Element("I64", 8),
    "Int": Element("I32", 4),
    "Short": Element("I16", 2),
    "Char": Element("I8", 1),
    "Byte": Element("U8", 1),
    "Bool": Element("BOOL", 1),
    "Untyped": RAW,
}
# Name of torch's dtype -> element.
TYPES = {
    "float64": ELEMENTS["Double"],
    "float32": ELEMENTS["Float"],
    "float16": ELEMENTS["Half"],
    "bfloat16": ELEMENTS["BFloat16"],
    "int64": ELEMENTS["Long"],
    "int32": ELEMENTS["Int"],
    "int16": ELEMENTS["Short"],
    "int8": ELEMENTS["Char"],
    "uint8": ELEMENTS["Byte"],
    "uint16": Element("U16", 2),
    "uint32": Element("U32", 4),
    "uint64": Element("U64", 8),
    "bool": ELEMENTS["Bool"],
}


class Ordered(dict[object, object]):
    """Stands for a collections.OrderedDict, whose attributes (torch's `_metadata`) are passed over."""


class Namespace(dict[object, object]):
    """Stands for an argparse.Namespace: its attributes."""


@dataclass(frozen=True, slots=True)
class Storage:
    """A run of numbers in the file.

    key      its name in the container
    start    the first of them, where it is a view of a longer storage
    count    how many
    """

    key: str
    element: Element
    start: int
    count: int


@dataclass(frozen=True, slots=True)
class TensorView:
    """A tensor: where its numbers lie in a storage. Offset and strides count elements."""

    key: str
    element: Element
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    @property
    def num_bytes(self) -> int:
        """Of its numbers, written one after the other."""
        return prod(self.shape) * self.element.size

    @property
    def is_contiguous(self) -> bool:
        """Whether its numbers lie one after the other already."""
        step = 1
        for size, stride in zip(reversed(self.shape), reversed(self.strides), strict=True):
            if size != 1 and stride != step:
                return 0 in self.shape
            step *= size
        return True


def tensor_view(
    storage: object, offset: object, shape: object, strides: object, element: Element | None = None
) -> TensorView:
    """A checked description; BadInput when any number of it would lie outside of its storage.

    element    the type of its numbers, if it is not that of the storage
    """
    if not isinstance(storage, Storage):
        raise BadInput(f"a tensor of {shown(storage)} instead of a storage: the file is damaged or crafted")
    sizes, steps = _whole_numbers(shape, "shape"), _whole_numbers(strides, "strides")
    (first,) = _whole_numbers((offset,), "offset")
    if len(sizes) != len(steps):
        raise BadInput(f"a tensor of {len(sizes)} axes with {len(steps)} strides: the file is damaged or crafted")
    if element is None:
        element, start, count = storage.element, storage.start, storage.count
        if element is RAW:
            raise BadInput("a tensor of bytes without a type: save it again with torch.save(model.state_dict(), ...)")
    elif storage.start or storage.element is not RAW:
        raise BadInput("a tensor has another type of numbers than its storage: the file is damaged or crafted")
    else:
        start, count = 0, storage.count // element.size
    last = first + sum((size - 1) * step for size, step in zip(sizes, steps, strict=True))
    if first > count or (0 not in sizes and last >= count):
        raise BadInput(
            f"a tensor reaches to number {max(first, last) + 1:,} of a storage of {count:,}: "
            "the file is damaged or crafted"
        )
    return TensorView(storage.key, element, start + first, sizes, steps)


def _whole_numbers(values: object, name: str) -> tuple[int, ...]:
    if not isinstance(values, (tuple, list)):
        raise BadInput(f"a tensor has {shown(values)} for its {name}: the file is damaged or crafted")
    numbers = cast("tuple[object, ...] | list[object]", values)
    if len(numbers) > MOST_AXES:
        raise BadInput(f"a tensor has {len(numbers):,} axes: more than {MOST_AXES} are not read")
    if not all(type(number) is int and 0 <= number <= LARGEST_INTEGER for number in numbers):
        raise BadInput(f"a tensor has {shown(values)} for its {name}: the file is damaged or crafted")
    return tuple(cast("list[int]", numbers))


def shown(value: object) -> str:
    r"""What a message says of a value from a file: one line, short, of letters that are harmless anywhere.

    >>> shown("a\n\u202eb"), shown({}), shown(7)
    ("'a\\n\\u202eb'", 'a dict', '7')
    """
    if isinstance(value, (str, bytes)):
        text = ascii(value[:80])
        return text if len(value) <= 80 else f"{text}..."
    if value is None or isinstance(value, (bool, float)):
        return str(value)
    if isinstance(value, int):
        return str(value) if abs(value) < 10**20 else f"an integer of {value.bit_length():,} bits"
    article = {"Ordered": "a dict", "TensorView": "a tensor", "Storage": "a storage", "Named": "a name"}
    return article.get(type(value).__name__, f"a {type(value).__name__}")
