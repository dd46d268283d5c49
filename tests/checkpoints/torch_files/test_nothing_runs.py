"""Files that want to run something: refused by name, whatever way they take, and nothing is run."""

import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from tests.checkpoints.torch_files.crafted import (
    P,
    name,
    old,
    refused_by_reading,
    table,
    tensor,
    text,
    unreadable,
    words_or_file,
    zipped,
)

CONTAINERS: dict[str, Callable[[bytes], bytes]] = {"zip": zipped, "old": old, "bare": bytes}
GADGETS = """
    posix.system nt.system os.system os.popen builtins.eval builtins.exec builtins.getattr builtins.__import__
    builtins.open builtins.type builtins.map __builtin__.eval __builtin__.apply pip.main pip._internal.main
    torch.load torch.jit.load torch.hub.load torch.storage._load_from_bytes torch.utils.collect_env.run
    torch.jit.unsupported_tensor_ops.execWrapper torch._inductor.codecache.compile_file
    torch._dynamo.guards.GuardBuilder.get torch.fx.graph_module._deserialize_graph_module
    torch.distributed.rpc.PythonUDF torch.serialization._legacy_load torch.nn.parameter.Parameter
    torch._utils._rebuild_wrapper_subclass torch._utils._rebuild_tensor_v2.__globals__
    torch._tensor._rebuild_from_type_v2
    runpy.run_path runpy._run_code subprocess.Popen subprocess.check_output pickle.loads _pickle.loads dill.loads
    importlib.import_module operator.attrgetter operator.methodcaller functools.partial functools.reduce
    numpy.load numpy.f2py.crackfortran.getlincoef numpy.testing._private.utils.runstring ctypes.CDLL webbrowser.open
    socket.create_connection urllib.request.urlopen shutil.rmtree timeit.timeit pdb.run bdb.Bdb.run cProfile.run
    profile.Profile.run doctest.debug_script code.InteractiveInterpreter.runcode
    asyncio.unix_events._UnixSubprocessTransport
    marshal.loads types.CodeType types.FunctionType logging.config.listen venv.create ensurepip._run_pip pydoc.pipepager
    lib2to3.pgen2.grammar.Grammar.loads idlelib.pyshell.ModifiedInterpreter.runcode commands.getoutput
    copyreg._reconstructor copy_reg._reconstructor collections.OrderedDict.update collections.defaultdict
    collections.abc.OrderedDict argparse.ArgumentParser argparse.FileType
    transformers.models.bert.modeling_bert.BertModel
    __main__.Evil _codecs.lookup codecs.encode builtins.bytearray sys.modules
""".split()


@pytest.fixture
def canary(tmp_path: Path) -> Path:
    """What the gadgets would make. It lies elsewhere than the file, and is looked for at the end."""
    (tmp_path / "there").mkdir()
    return tmp_path / "there" / "canary"


@pytest.fixture
def here(tmp_path: Path) -> Path:
    (tmp_path / "here").mkdir()
    return tmp_path / "here"


class Runs:
    def __init__(self, what: Callable[..., Any], *arguments: object) -> None:
        self.call = (what, arguments)

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[object, ...]]:
        return self.call


class RunsEx(Runs):
    def __reduce_ex__(self, protocol: object) -> tuple[Callable[..., Any], tuple[object, ...]]:
        return self.call


def test_the_gadgets_of_these_tests_do_run_elsewhere(canary: Path) -> None:
    pickle.loads(pickle.dumps(Runs(os.system, f"touch {canary}")))
    assert canary.exists()


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("protocol", range(6))
def test_a_call_in_each_protocol(here: Path, canary: Path, protocol: int, container: str) -> None:
    content = pickle.dumps({"weight": Runs(os.system, f"touch {canary}")}, protocol)
    message = refused_by_reading(here, CONTAINERS[container](content))
    # What text there is in protocol 0, and a bare dict's first byte in 1, are no torch file's: refused before the name.
    if protocol == 0 or (protocol, container) == (1, "bare"):
        assert "wants to run" in message or "opcode" in message or "no file of torch.save" in message
    else:
        assert "wants to run posix.system" in message
    assert not canary.exists()


@pytest.mark.parametrize("make", [Runs, RunsEx])
@pytest.mark.parametrize("what", [eval, exec, os.system, pickle.loads, os.popen])
def test_calls_that_python_itself_writes(here: Path, canary: Path, make: type[Runs], what: Callable[..., Any]) -> None:
    orders: dict[object, object] = {
        eval: f"open({str(canary)!r}, 'w')",
        exec: f"open({str(canary)!r}, 'w')",
        pickle.loads: pickle.dumps(Runs(os.system, f"touch {canary}")),
    }
    content = pickle.dumps({"a": make(what, orders.get(what, f"touch {canary}"))}, 2)
    assert "wants to run" in refused_by_reading(here, zipped(content))
    assert not canary.exists()


@pytest.mark.parametrize("gadget", GADGETS)
def test_names_are_refused_before_anything_is_made_of_them(gadget: str) -> None:
    module, _, what = gadget.rpartition(".")
    content = zipped(P + table({"a": tensor(), "b": name(module, what) + text("true") + b"\x85R"}) + b".")
    assert f"it wants to run {gadget}, and nothing in a file is ever run" in unreadable(content)


def pushed(*names: str) -> bytes:
    return b"".join(b"\x8c" + bytes([len(one)]) + one.encode() for one in names)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"\x80\x04" + pushed("posix", "system") + b"\x93" + pushed("true") + b"\x85R.", "wants to run posix.system"),
        # The names are noted first, with others over them, and taken from the memo.
        (
            b"\x80\x04"
            + pushed("posix")
            + b"\x94"
            + pushed("system")
            + b"\x94"
            + b"h\x00h\x01\x93"
            + pushed("x")
            + b"\x85R.",
            "wants to run posix.system",
        ),
        (b"\x80\x04" + pushed("os", "path.os.system") + b"\x93.", "wants to run os.path.os.system"),
        (b"\x80\x04" + pushed("torch", "FloatStorage\nposix\nsystem") + b"\x93.", "wants to run"),
        (b"\x80\x04K\x01K\x02\x93.", "by a value that is no text"),
        (P + b"(iposix\nsystem\n.", "wants to run posix.system"),
        (P + b"(icollections\nOrderedDict\n.", "the opcode INST"),
        (P + b"(cposix\nsystem\n" + text("true") + b"o.", "wants to run posix.system"),
        (P + b"(ccollections\nOrderedDict\no.", "the opcode OBJ"),
        (P + b"\x82\x01.", "the opcode EXT1"),
        (P + b"\x83\x01\x01.", "the opcode EXT2"),
        (P + b"Pabc\n.", "the opcode PERSID"),
        (b"\x80\x05\x97.", "the opcode NEXT_BUFFER"),
        (b"\x80\x04" + name("argparse", "Namespace") + b")}\x92.", "the opcode NEWOBJ_EX"),
        (P + b"}2.", "the opcode DUP"),
        (P + text("posix.system") + b"Q.", "outside of itself"),
        (P + b"(" + text("module") + name("torch", "FloatStorage") + b"NNtQ.", "refers to 'module'"),
        (P + b"(tQ.", "refers to nothing"),
    ],
    ids=words_or_file,
)
def test_other_ways_to_a_name(here: Path, content: bytes, words: str) -> None:
    assert words in refused_by_reading(here, zipped(content))
    assert words in refused_by_reading(here, old(content)) or "refers" in words


def test_a_pickle_within_a_pickle(here: Path, canary: Path) -> None:
    inner = pickle.dumps(Runs(os.system, f"touch {canary}"), 4)
    call = name("torch.storage", "_load_from_bytes") + b"(B" + len(inner).to_bytes(4, "little") + inner + b"tR"
    message = refused_by_reading(here, zipped(P + table({"a": call}) + b"."))
    assert "wants to run torch.storage._load_from_bytes" in message and not canary.exists()


@pytest.mark.parametrize("old_format", [False, True])
@pytest.mark.parametrize(
    ("value", "words"),
    [
        (nn.Linear(2, 2), "wants to run torch.nn.modules.linear.Linear"),
        ({"a": torch.ones(2, 2).to_sparse()}, "wants to run torch._utils._rebuild_sparse_tensor"),
        ({"a": torch.ones(2, dtype=torch.complex64)}, "wants to run torch.ComplexFloatStorage"),
        ({"a": torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.qint8)}, "wants to run torch._utils._rebuild_qt"),
        ({"a": torch.ones(2, device="meta")}, "wants to run torch._utils._rebuild_meta_tensor"),
        ({"a": torch._neg_view(torch.ones(2))}, "negated or conjugated view"),
        (torch.ones(2), "it holds a tensor where a dict"),
        ([torch.ones(2)], "it holds a list where a dict"),
        ({"a": 1, "b": {"c": torch.ones(1)}}, "a dict of 2 items without a tensor among them"),
        ({}, "a dict of 0 items"),
    ],
    ids=words_or_file,
)
def test_what_torch_itself_saves_and_is_no_dict_of_plain_tensors(
    here: Path, value: object, words: str, old_format: bool
) -> None:
    path = here / "pytorch_model.bin"
    torch.save(value, path, _use_new_zipfile_serialization=not old_format)
    assert words in refused_by_reading(here, path.read_bytes())
