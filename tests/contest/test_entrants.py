"""Those who enter the contest: their source is whole before anybody runs it."""

import builtins
import collections
import dis
import importlib

import pytest

from contest import compositions, points
from contest.entrants import FRAMEWORKS, OPERATIONS

KNOWN = compositions.everyone()
#: What a call may name besides what the setup defines.
GIVEN = {"A", "W", "k", "p"}


def codes(code):
    yield code
    for constant in code.co_consts:
        if hasattr(constant, "co_code"):
            yield from codes(constant)


def names(source, mode, *operations):
    """Names that a source reads or stores as global ones."""
    return {
        x.argval
        for code in codes(compile(source, "<entrant>", mode))
        for x in dis.get_instructions(code)
        if x.opname in operations
    }


@pytest.mark.parametrize("entrant", KNOWN.values(), ids=lambda x: f"{x.operation}, {x.name}")
def test_an_entrant_is_a_whole_program(entrant):
    """No name is used that is not defined: a NameError would stand in the table as its failure."""
    defined = names(entrant.setup, "exec", "STORE_NAME") | set(dir(builtins)) | {"__name__"}
    used = names(entrant.setup, "exec", "LOAD_GLOBAL", "LOAD_NAME")
    assert used <= defined
    assert names(entrant.call, "eval", "LOAD_GLOBAL", "LOAD_NAME") <= defined | GIVEN
    assert "A" in entrant.call
    assert entrant.operation in OPERATIONS
    assert entrant.framework in FRAMEWORKS


def test_nobody_enters_twice_under_one_name():
    """One of two would be lost."""
    modules = [importlib.import_module(f"contest.entrants.{x}") for x in compositions.MODULES]
    entered = [(x.operation, x.name) for m in modules for x in m.ENTRANTS]
    for module in modules:
        for one in getattr(module, "DECOMPOSITIONS", ()):
            entered += [(x.operation, x.name) for x in compositions.entrants(one)]
    assert [x for x, times in collections.Counter(entered).items() if times > 1] == []


def test_package_and_frameworks_enter_everywhere():
    for library in ("spectralgrad", "torch", "jax", "tensorflow-cpu", "autograd"):
        own = {x.operation for x in KNOWN.values() if x.library == library}
        assert own == set(OPERATIONS), library


def test_all_say_where_they_are_from():
    silent = [x.name for x in KNOWN.values() if x.library != "spectralgrad" and not x.source]
    assert silent == []


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_point_is_there_or_has_a_reason(operation):
    """A hole in the table is no oversight. The zeros of a rotation are its planar sets."""
    most = {*points.of("expm"), "scale 1e6", "scale 1e6, tie"}
    if operation == "rotation":
        most = most - {"zeros"} | {"planar", "mirrored"}
    assert most <= {*points.of(operation), *points.INAPPLICABLE.get(operation, ())}


def test_ties_are_what_they_are_called():
    """Exact ones have no rounding, so that what is near a tie is not taken for one."""
    for operation, kind in (("expm", "hermitian"), ("polar", "general"), ("rotation", "signed")):
        found = points.of(operation)["tie, exact"]
        assert (found * 32 == (found * 32).round()).all(), kind
        assert (points.of(operation)["single, tie"] == found).all(), kind
