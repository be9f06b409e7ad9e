"""What a recipe promises besides numbers: types, refusals, and no number where there is none."""

import re

import numpy as np
import pytest
from recipes import truth
from recipes.modes import FRAMEWORKS, MODES, SECOND, call, derivative, module, recipes
from recipes.points import POINTS, Spectrum, general, hermitian
from recipes.problems import EACH_KIND, problem

from spectralgrad.theory.gauge import GaugeError

frameworks = pytest.mark.parametrize("framework", FRAMEWORKS)


def at(name, place):
    kind, _, _ = truth.DEFINED[name]
    (point,) = (p for p in POINTS if p.kind == kind and p.name == place)
    return point


def matrix_with(values, *, of=hermitian, sign=1):
    """In general position; the values are descending."""
    shape = () if of is hermitian else ((len(values),) * 2,)
    return of(Spectrum(tuple(values), sign=sign), *shape, 77, is_complex=False)


def eagerly(framework, mode, function, *arrays):
    """Where the numbers are known; as NumPy's array, in double precision if it is real."""
    with double(framework):
        found = MODES[framework].run(mode, function, *(eager(framework, x) for x in arrays))
    return as_numpy(framework, found)


def alone(framework, mode, *arrays):
    """Without the other modes, where these are compiled together."""
    return derivative(framework, mode, *arrays, together=(mode,))


def jitted(function):
    import jax

    return jax.jit(function, compiler_options={"xla_backend_optimization_level": 0})


def double(framework):
    if framework == "jax":
        import jax

        return jax.enable_x64(True)
    import contextlib

    return contextlib.nullcontext()


def eager(framework, x, dtype=None):
    of = module(framework)
    if framework == "jax":
        return of.asarray(x, dtype)
    x = MODES[framework].array(np.asarray(x))
    if dtype is None:
        return x
    match framework:
        case "torch":
            return x.to(dtype)
        case "tensorflow":
            return of.cast(x, dtype)
    return x.astype(dtype)


def as_numpy(framework, x):
    match framework:
        case "torch":
            x = x.detach()
            return (x.double() if not x.is_complex() else x).numpy()
        case "tensorflow":
            return (x if x.dtype.is_complex else module(framework).cast(x, "float64")).numpy()
    return np.asarray(x).astype(np.result_type(np.asarray(x).dtype, np.float32))


HALF = {"bfloat16": 2.0**-7, "float16": 2.0**-10}


# The rules are the same for all: of each kind one, and where it takes long, a few.
A_FEW = ("sqrtm", "projector, b", "polar")
SLOW = ("jax", "tensorflow")
KINDS = [
    *((framework, name) for framework in ("torch", "autograd") for name in EACH_KIND),
    *((framework, name) for framework in SLOW for name in ("trace_function", "sqrtm")),
]


@pytest.mark.parametrize(
    ("name", "framework", "dtype"),
    [
        *((name, "torch", d) for d in HALF for name in truth.DEFINED),
        *((name, f, d) for f in SLOW for d in HALF for name in A_FEW),
        *((name, "autograd", "float16") for name in EACH_KIND),
    ],
)
def test_half_precision(framework, dtype, name):
    """Computed in single precision: right to as many digits as the result has."""
    point = at(name, "regular")
    function, like = problem(framework, name, point)
    c = point.draw(truth.jet(name, point).value.shape, 3)
    kind = getattr(module(framework), dtype)
    arrays = [point.matrix, *point.directions, c, *like]
    modes = ("value", "reverse", "reverse over reverse")
    with double(framework):
        narrow = [eager(framework, x, kind) for x in arrays]
        if framework == "jax":
            found = MODES["jax"].compiled(function, modes)(*narrow)
        else:
            found = {mode: MODES[framework].run(mode, function, *narrow) for mode in modes}
    rounded = [as_numpy(framework, x).astype(float) for x in narrow]
    for mode, answer in found.items():
        assert answer.dtype == kind
        right = derivative("torch", mode, problem("torch", name, point)[0], *rounded)
        # A derivative of a gradient has passed through several roundings.
        error = np.linalg.norm(as_numpy(framework, answer) - right)
        allowed = 8 * HALF[dtype] * max(truth.jet(name, point).conditions)
        assert error <= allowed * np.linalg.norm(right), mode


@pytest.mark.parametrize("last", ["forward", "reverse"])
@pytest.mark.parametrize("mode", SECOND)
@pytest.mark.parametrize(("framework", "name"), [x for x in KINDS if x[1] != "nuclear_norm"])
def test_a_third_derivative_is_refused(framework, name, mode, last):
    """Or not finite, where a framework asks for it unasked; never a zero for what is none.

    The norms have one: it is the second derivative of their gradient.
    """
    point = at(name, "regular")
    function, like = problem(framework, name, point)
    modes = MODES[framework]
    c = np.ones(truth.jet(name, point).value.shape)
    with double(framework):
        a, e, f, c, *given = (
            eager(framework, x) for x in (point.matrix, *point.directions, c, *like)
        )
        second = modes.along(mode, lambda a: function(a, *given), e, f, c)
        outer = c if mode == "forward over forward" else e
        third = (
            modes.forward(second, e)
            if last == "forward"
            else modes.gradient(modes.paired(outer, second))
        )
        try:
            found = as_numpy(framework, jitted(third)(a) if framework == "jax" else third(a))
        except (NotImplementedError, TypeError) as refusal:
            assert re.search("third|d2f", str(refusal))
        else:
            assert not np.isfinite(found).any()


@pytest.mark.parametrize("name", ["function", "trace_function"])
@frameworks
def test_without_the_second_derivative_of_a_function_there_is_none(framework, name):
    of = module(framework)
    recipe = getattr(recipes(framework), name)
    a = matrix_with([3.0, 1.0, 1.0])
    c = np.ones(truth.jet(name, at(name, "tie")).value.shape)

    def without(a):
        return recipe(a, of.sin, of.cos)

    first, again = (
        alone(framework, "reverse", function, a, a, a, c)
        for function in (without, call(framework, name))
    )
    assert np.allclose(first, again, rtol=1e-12, atol=1e-14)
    for mode in SECOND:
        with pytest.raises(TypeError, match="d2f"):
            alone(framework, mode, without, a, a, a, c)


SQUARE, WIDE = np.diag([3.0, 2.0, 1.0]), np.ones((2, 5))
NONSENSE = [
    *(("powm", {"p": x}, TypeError) for x in (None, "2", 1j)),
    *(("powm", {"p": x}, ValueError) for x in (np.nan, np.inf)),
    *(("projector", {"rank": x}, ValueError) for x in (-1, 4, 1.5, True)),
    *(("eigenvector", {"index": x}, ValueError) for x in (3, -4, 0.5, True)),
    *(("singular_vectors", {"index": x}, ValueError) for x in (3, -4, 0.5)),
    *(("low_rank", {"rank": x}, ValueError) for x in (-1, 0.5, np.nan)),
    *(("soft_threshold", {"threshold": x}, ValueError) for x in (-0.5, np.inf, np.nan)),
    *(
        (name, {**options, "rtol": x}, ValueError)
        for x in (-1e-3, 1.0, np.nan)
        for name, options in {
            **{name: {} for name in ("sqrtm", "inv_sqrtm", "polar", "rotation", "pinv")},
            **{name: {} for name in ("null_vector", "nuclear_norm", "spectral_norm")},
            "powm": {"p": 0.5},
            "projector": {"rank": 1},
            "eigenvector": {"index": 1},
            "low_rank": {"rank": 1},
            "singular_vectors": {"index": 1},
        }.items()
    ),
    *((name, {"f": np.sin, "df": 1.0}, TypeError) for name in ("function", "trace_function")),
    *((name, {"f": np.sin}, TypeError) for name in ("function", "trace_function")),
]


def options_id(x):
    return " ".join(f"{k}={v}" for k, v in x.items() if k != "f") if isinstance(x, dict) else None


@pytest.mark.parametrize(("name", "options", "error"), NONSENSE, ids=options_id)
@frameworks
def test_options_that_mean_nothing(framework, name, options, error):
    """One line, at the call, that names the option."""
    option = list(options)[-1]
    with pytest.raises(error) as refused:
        getattr(recipes(framework), name)(eager(framework, SQUARE), **options)
    assert "\n" not in str(refused.value)
    assert option in str(refused.value) or "option" in str(refused.value) or option == "f"


SHAPES = {
    "a rectangular one for a Hermitian one": ("sqrtm", np.ones((2, 3)), {}, "2 × 3"),
    "a rectangular rotation": ("rotation", np.ones((4, 3)), {}, "4 × 3"),
    "a complex rotation": ("rotation", np.eye(3) * 1j, {}, "complex"),
    "a vector": ("polar", np.ones(3), {}, r"shape \(3,\)"),
    "like of another length": ("eigenvector", SQUARE, {"index": 1, "like": np.ones(4)}, "like"),
    "like for v": ("singular_vectors", np.eye(4, 3), {"index": 1, "like": np.ones(4)}, "like"),
    "like of a null vector": ("null_vector", np.eye(4, 3), {"like": np.ones(4)}, "like"),
    "a complex like": ("eigenvector", SQUARE, {"index": 1, "like": np.ones(3) * 1j}, "complex"),
    "like that says nothing": (
        "eigenvector",
        SQUARE,
        {"index": 0, "like": SQUARE[0]},
        "orthogonal",
    ),
    "values of no square": ("eigvalsh", WIDE, {}, "2 × 5"),
    "a vector of no square": ("eigenvector", WIDE, {"index": 0}, "2 × 5"),
    "b of another type": ("eigvalsh", SQUARE, {"b": np.eye(3) * 1j}, "same dtype"),
    "b of another size": ("projector", SQUARE, {"rank": 1, "b": np.eye(2)}, "2 × 2"),
}


@pytest.mark.parametrize("case", SHAPES)
@frameworks
def test_shapes_that_do_not_fit(framework, case):
    name, matrix, options, said = SHAPES[case]
    given = {k: eager(framework, v) if k in ("like", "b") else v for k, v in options.items()}
    with pytest.raises(ValueError, match=said):
        getattr(recipes(framework), name)(eager(framework, matrix), **given)


#: Values, descending, of which two that have to be apart are equal; what the message says.
CLOSED = {
    "projector": ({"rank": 2}, [3.0, 1.0, 1.0], r"λ₂ = 1 and λ₁ = .*the ranks 1 and 3"),
    "low_rank": ({"rank": 2}, [3.0, 1.0, 1.0], r"σ₂ = 1 and σ₃ = .*the ranks 1 and 3"),
    "eigenvector": ({"index": 0}, [3.0, 1.0, 1.0], r"λ₂ = 1 and λ₁ = "),
    "singular_vectors": ({"index": 1}, [3.0, 1.0, 1.0], r"σ₂ = 1 and σ₃ = "),
    "null_vector": ({}, [3.0, 1.0, 1.0], r"σ₂ = 1 and σ₃ = "),
    "polar": ({}, [3.0, 1.0, 0.0], "σ₃ = .*counts as 0"),
    "rotation": ({}, [3.0, 1.0, 1.0], "σ₂ = 1 and σ₃ = "),
}


def closed_problem(framework, name):
    options, values, said = CLOSED[name]
    of = hermitian if name in ("projector", "eigenvector") else general
    # With a negative determinant, σ₂ − σ₃ has to be above 0.
    matrix = matrix_with(values, of=of, sign=-1 if name == "rotation" else 1)
    return call(framework, name, **options), matrix, said


@pytest.mark.parametrize("mode", ["forward", "reverse"])
@pytest.mark.parametrize(
    ("framework", "name"),
    # JAX compiles each step where nothing is compiled at once.
    [(f, x) for f in FRAMEWORKS for x in (("projector", "polar") if f == "jax" else CLOSED)],
)
def test_a_cut_through_a_tie_is_told(framework, name, mode):
    """Where the numbers are known, though rounding has parted the values."""
    function, a, said = closed_problem(framework, name)
    c = np.ones({"eigenvector": 3, "null_vector": 3, "singular_vectors": 6}.get(name, (3, 3)))
    with pytest.raises(GaugeError, match=said.replace("= 1 ", r"= (1|0\.9+|1\.0+\d*) ")) as told:
        eagerly(framework, mode, function, a, a, a, c)
    assert "\n" not in str(told.value)
    # In a stack it is told which of the matrices that is.
    stack = np.stack([a + np.diag([1.0, 2.0, 5.0]), a])
    where = re.escape("matrix [1] of the stack")
    with pytest.raises(GaugeError, match=where):
        eagerly(framework, mode, function, stack, stack, stack, np.stack([c, c]))


@pytest.mark.parametrize(
    ("framework", "name"),
    [
        *(("torch", name) for name in CLOSED),
        *((framework, name) for framework in SLOW for name in ("projector", "polar")),
    ],
)
def test_a_cut_through_a_tie_is_nan_where_nobody_knows(framework, name):
    """Under jit, vmap and tf.function; a derivative of the size 1/gap would look like one."""
    function, a, _ = closed_problem(framework, name)
    found = unknown(framework, lambda a: total(framework, function(a)), a)
    assert np.isnan(found).all()


def total(framework, x):
    of = module(framework)
    return (of.reduce_sum if framework == "tensorflow" else of.sum)(x)


def unknown(framework, function, a):
    """The gradient of a real function where the numbers are not known."""
    modes = MODES[framework]
    match framework:
        case "torch":
            import torch

            return torch.func.vmap(torch.func.grad(function))(torch.tensor(a)[None]).numpy()[0]
        case "jax":
            import jax

            with jax.enable_x64(True):
                return np.asarray(jax.jit(jax.grad(function))(a))
    return module(framework).function(modes.gradient(function))(modes.array(a)).numpy()


NOWHERE = {
    "sqrtm": ({}, [2.0, 1.0, -1.0]),
    "inv_sqrtm": ({}, [2.0, 1.0, -1.0]),
    "powm": ({"p": 0.5}, [2.0, 1.0, -1.0]),
    "logm": ({}, [2.0, 1.0, -1.0]),
}


@pytest.mark.parametrize("mode", ["value", "forward", "reverse", *SECOND])
@pytest.mark.parametrize(
    ("framework", "name"),
    [(f, name) for f in FRAMEWORKS for name in (("sqrtm", "logm") if f in SLOW else NOWHERE)],
)
def test_there_is_no_root_of_a_negative_eigenvalue(framework, name, mode):
    options, values = NOWHERE[name]
    a, c = matrix_with(values), np.ones((3, 3))
    with np.errstate(all="ignore"):
        found = derivative(framework, mode, call(framework, name, **options), a, a, a, c)
    assert not np.isfinite(found).any()


@pytest.mark.parametrize("mode", SECOND)
@pytest.mark.parametrize(
    ("name", "values"), [("spectral_norm", [2.0, 2.0, 1.0]), ("nuclear_norm", [2.0, 1.0, 0.0])]
)
@frameworks
def test_a_norm_has_no_second_derivative_at_a_kink(framework, name, values, mode):
    """Though its first derivative is then the smallest subgradient."""
    a = matrix_with(values, of=general)
    try:
        arrays = a, np.ones((3, 3)), a, np.array(1.0)
        found = derivative(framework, mode, call(framework, name), *arrays)
    except GaugeError:
        return
    assert not np.isfinite(found).any()


@pytest.mark.parametrize("mode", SECOND)
@frameworks
def test_tied_eigenvalues_have_no_second_derivative(framework, mode):
    """The first has one of its own."""
    a, e, f = matrix_with([3.0, 1.0, 1.0]), *np.random.default_rng(1).standard_normal((2, 3, 3))
    values, with_ties = call(framework, "eigvalsh"), np.array([1.0, 0.0, 0.0])
    assert not np.isfinite(derivative(framework, mode, values, a, e, f, with_ties)).all()


@pytest.mark.parametrize("mode", ["forward", "reverse"])
@frameworks
def test_a_symmetric_sum_of_tied_eigenvalues(framework, mode):
    """Σ λ³ of Σ λᵢ³ has the gradient 3 A²."""
    a, e = matrix_with([3.0, 1.0, 1.0]), np.random.default_rng(1).standard_normal((3, 3))
    values = call(framework, "eigvalsh")
    found = eagerly(
        framework, mode, lambda a: total(framework, values(a) ** 3), a, e, e, np.array(1.0)
    )
    right = 3 * a @ a
    right = np.sum(right * e) if mode == "forward" else right
    assert np.allclose(found, right, rtol=1e-13, atol=1e-13)


@frameworks
def test_without_like_a_vector_is_that_of_the_decomposition(framework):
    """And its derivatives are those with itself as like: the phase does not turn."""
    point = at("eigenvector", "tie, complex")
    index = {"index": 2}
    free = call(framework, "eigenvector", **index)
    zeros = np.zeros(3, complex)
    arrays = (point.matrix, *point.directions, zeros)
    v = alone(framework, "value", free, *arrays)
    for mode in ("forward", "forward over forward")[: 1 if framework in SLOW else 2]:
        free_one, towards = (alone(framework, mode, free, *arrays, *x) for x in ((), (v,)))
        assert np.allclose(free_one, towards, rtol=1e-10, atol=1e-12)
