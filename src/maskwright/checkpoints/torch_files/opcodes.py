"""An interpreter of pickles that runs nothing: its only values are those of `inert` and plain Python ones.

It knows the opcodes that torch files are made of. pickletools cuts a pickle into opcodes and their
arguments, and interprets none of them; the meaning of each is here. Python's own unpickler is not used:
what it calls and what it assigns to is chosen by the file, and guards around it have had holes
(CVE-2025-32434, CVE-2026-24747).
"""

import pickletools
from collections.abc import Callable
from typing import cast

from maskwright.checkpoints.torch_files.inert import Namespace, Ordered, Storage, shown
from maskwright.checkpoints.torch_files.names import NumberKind, called, named, scalar
from maskwright.errors import BadInput

MOST_OPERATIONS = 1_000_000  # 1,000 layers need some 600,000
MOST_OPEN = 10_000  # values begun and not ended; pickles are written in batches of 1,000
LONGEST_LINE = 512  # names
LARGEST_PIECE = 16 * 2**20  # bytes of one argument
LARGEST_PICKLE = 64 * 2**20  # bytes; that of a model with 10,000 tensors has 2 MB

# A pickle refers to a storage by a tuple; the container knows where that lies.
FindStorage = Callable[[tuple[object, ...]], Storage]


class Pickle:
    """A part of a file that is read in order, as a file is; never beyond its end, and a bounded amount at once."""

    def __init__(self, data: memoryview, start: int, end: int) -> None:
        self._data = data
        self._at = start
        self._end = min(end, start + LARGEST_PICKLE)

    def tell(self) -> int:
        """The place in the file."""
        return self._at

    def read(self, size: int) -> bytes:
        """Exactly `size` bytes."""
        if not 0 <= size <= min(LARGEST_PIECE, self._end - self._at):
            raise BadInput(
                f"its pickle asks for {size:,} bytes where it has {self._end - self._at:,}: cut off or crafted"
            )
        self._at += size
        return bytes(self._data[self._at - size : self._at])

    def readline(self) -> bytes:
        """Bytes up to a line feed, which is among them."""
        line = bytes(self._data[self._at : min(self._end, self._at + LONGEST_LINE)])
        length = line.find(b"\n") + 1
        if not length:
            raise BadInput("its pickle has a name without an end: cut off or crafted")
        self._at += length
        return line[:length]


def interpreted(pickle: Pickle, find_storage: FindStorage) -> object:
    """The value of the pickle that begins where `pickle` stands; afterwards it stands behind it.

    Raises BadInput for a name or an opcode that torch files do not have, and for one that does not fit.
    ValueError, OverflowError, MemoryError and UnicodeError come from arguments that are damaged.
    """
    machine = _Machine(find_storage)
    for count, (opcode, argument, _) in enumerate(pickletools.genops(pickle)):  # pyright: ignore[reportArgumentType]
        if opcode.name == "STOP":
            return machine.result()
        if count >= MOST_OPERATIONS:
            raise BadInput(f"its pickle has more than {MOST_OPERATIONS:,} steps: no model's has")
        machine.step(opcode.name, argument)
    raise BadInput("its pickle has no end: cut off or crafted")


class _Machine:
    """A stack of values, the places of its marks, and a memo of values that recur."""

    def __init__(self, find_storage: FindStorage) -> None:
        self._find_storage = find_storage
        self._stack: list[object] = []
        self._marks: list[int] = []
        self._memo: dict[int, object] = {}

    def step(self, name: str, argument: object) -> None:
        """One opcode."""
        if name in _PUSHED:
            self._push(argument)
        elif name in _CONSTANTS:
            self._push(_CONSTANTS[name])
        elif (action := _ACTIONS.get(name)) is not None:
            action(self, argument)
        else:
            if name == "INST":
                self.name_in_line(argument)  # says what it would have run
            raise BadInput(
                f"its pickle has the opcode {name}, which torch does not write: crafted, or of another maker"
            )

    def result(self) -> object:
        """The one value that is left at the end."""
        value = self._pop()
        if self._stack or self._marks:
            raise BadInput("its pickle ends with values left over: damaged or crafted")
        return value

    def _push(self, value: object) -> None:
        if len(self._stack) >= MOST_OPEN:
            raise BadInput(f"its pickle holds more than {MOST_OPEN:,} values open at once: no model's does")
        if type(value) is int and value.bit_length() > 128:
            raise BadInput(f"its pickle has {shown(value)}: damaged or crafted")
        self._stack.append(value)

    def _pop(self) -> object:
        self._need(1)
        return self._stack.pop()

    def _top(self) -> object:
        self._need(1)
        return self._stack[-1]

    def _need(self, count: int) -> None:
        if len(self._stack) - (self._marks[-1] if self._marks else 0) < count:
            raise BadInput("its pickle takes values that are not there: damaged or crafted")

    def _since_mark(self) -> list[object]:
        if not self._marks:
            raise BadInput("its pickle ends a group that it did not begin: damaged or crafted")
        start = self._marks.pop()
        values = self._stack[start:]
        del self._stack[start:]
        return values

    def _last(self, count: int) -> list[object]:
        return [self._pop() for _ in range(count)][::-1]

    def mark(self, _: object) -> None:
        """MARK: a group begins."""
        if len(self._marks) >= MOST_OPEN:
            raise BadInput(f"its pickle holds more than {MOST_OPEN:,} groups open at once: no model's does")
        self._marks.append(len(self._stack))

    def put(self, argument: object) -> None:
        """BINPUT, MEMOIZE: note the value on top."""
        self._memo[argument if isinstance(argument, int) else len(self._memo)] = self._top()

    def get(self, argument: object) -> None:
        """BINGET: a noted value again."""
        if argument not in self._memo:
            raise BadInput(f"its pickle refers to value {shown(argument)}, which is not there: damaged or crafted")
        self._push(self._memo[cast("int", argument)])

    def name_in_line(self, argument: object) -> None:
        """GLOBAL: pickletools gives "module name"."""
        module, _, name = str(argument).partition(" ")
        self._push(named(module, name))

    def name_on_stack(self, _: object) -> None:
        """STACK_GLOBAL."""
        module, name = self._last(2)
        if not isinstance(module, str) or not isinstance(name, str):
            raise BadInput("its pickle names something by a value that is no text: crafted")
        self._push(named(module, name))

    def storage(self, _: object) -> None:
        """BINPERSID."""
        reference = self._pop()
        if type(reference) is not tuple:
            raise BadInput(f"its pickle refers to {shown(reference)} outside of itself: torch refers to storages")
        self._push(self._find_storage(cast("tuple[object, ...]", reference)))

    def call(self, _: object) -> None:
        """REDUCE, NEWOBJ."""
        what, arguments = self._last(2)
        self._push(called(what, arguments))

    def build(self, _: object) -> None:
        """BUILD: attributes of the object on top."""
        state, value = self._pop(), self._top()
        if isinstance(value, Namespace) and isinstance(state, dict):
            value.update(cast("dict[object, object]", state))
        elif not isinstance(value, (Ordered, NumberKind)):
            raise BadInput(f"its pickle sets attributes of {shown(value)}: crafted, or of another maker")

    def append(self, _: object) -> None:
        """APPEND."""
        self._extend([self._pop()])

    def appends(self, _: object) -> None:
        """APPENDS."""
        self._extend(self._since_mark())

    def _extend(self, items: list[object]) -> None:
        value = self._top()
        if not isinstance(value, list):
            raise BadInput(f"its pickle appends to {shown(value)}: crafted")
        cast("list[object]", value).extend(items)

    def set_item(self, _: object) -> None:
        """SETITEM."""
        self._update(self._last(2))

    def set_items(self, _: object) -> None:
        """SETITEMS."""
        self._update(self._since_mark())

    def _update(self, pairs: list[object]) -> None:
        value = self._top()
        if not isinstance(value, dict):
            raise BadInput(f"its pickle sets an item of {shown(value)}: crafted")
        if len(pairs) % 2:
            raise BadInput("its pickle has a key without a value: damaged or crafted")
        table = cast("dict[object, object]", value)
        for key, item in zip(pairs[::2], pairs[1::2], strict=True):
            table[scalar(key)] = item

    def add_items(self, _: object) -> None:
        """ADDITEMS."""
        items, value = self._since_mark(), self._top()
        if not isinstance(value, set):
            raise BadInput(f"its pickle adds items to {shown(value)}: crafted")
        cast("set[object]", value).update(scalar(item) for item in items)

    def tuple_since_mark(self, _: object) -> None:
        """TUPLE."""
        self._push(tuple(self._since_mark()))

    def new(self, container: type[list[object]] | type[dict[object, object]] | type[set[object]]) -> None:
        """EMPTY_LIST, EMPTY_DICT, EMPTY_SET: each time another."""
        self._push(container())

    def short_tuple(self, length: int) -> None:
        """TUPLE1 to TUPLE3."""
        self._push(tuple(self._last(length)))

    def nothing(self, _: object) -> None:
        """PROTO, FRAME: what they announce is not needed."""


# Opcodes whose argument is the value.
_PUSHED = frozenset(
    "BININT BININT1 BININT2 LONG1 LONG4 BINFLOAT BINUNICODE SHORT_BINUNICODE BINUNICODE8 "
    "BINSTRING SHORT_BINSTRING BINBYTES SHORT_BINBYTES BINBYTES8".split()
)
_CONSTANTS: dict[str, object] = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
_Action = Callable[[_Machine, object], None]
_ACTIONS: dict[str, _Action] = {
    "PROTO": _Machine.nothing,
    "FRAME": _Machine.nothing,
    "MARK": _Machine.mark,
    "BINPUT": _Machine.put,
    "LONG_BINPUT": _Machine.put,
    "MEMOIZE": _Machine.put,
    "BINGET": _Machine.get,
    "LONG_BINGET": _Machine.get,
    "EMPTY_DICT": lambda machine, _: machine.new(dict),
    "EMPTY_LIST": lambda machine, _: machine.new(list),
    "EMPTY_SET": lambda machine, _: machine.new(set),
    "TUPLE": _Machine.tuple_since_mark,
    "TUPLE1": lambda machine, _: machine.short_tuple(1),
    "TUPLE2": lambda machine, _: machine.short_tuple(2),
    "TUPLE3": lambda machine, _: machine.short_tuple(3),
    "APPEND": _Machine.append,
    "APPENDS": _Machine.appends,
    "SETITEM": _Machine.set_item,
    "SETITEMS": _Machine.set_items,
    "ADDITEMS": _Machine.add_items,
    "GLOBAL": _Machine.name_in_line,
    "STACK_GLOBAL": _Machine.name_on_stack,
    "BINPERSID": _Machine.storage,
    "REDUCE": _Machine.call,
    "NEWOBJ": _Machine.call,
    "BUILD": _Machine.build,
}
