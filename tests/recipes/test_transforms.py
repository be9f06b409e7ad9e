"""Stacks, and what the frameworks make of a recipe: vmap, jit, scan, Hessians, graphs."""

import functools

import numpy as np
import pytest
from recipes import truth
from recipes.modes import ALL, FRAMEWORKS, MODES, call, derivative, module, recipes, total
from recipes.points import POINTS
from recipes.problems import EACH_KIND, problem

names = pytest.mark.parametrize("name", truth.DEFINED)
#: What compilers and graphs make of a rule with tables, a pair, a real one, and singular values.
FEW = ("trace_function", "sqrtm", "projector, b", "eigvalsh", "polar", "pinv")
few = pytest.mark.parametrize("name", FEW)


@functools.cache
def pair_of(name):
    """Two points with the same options, one of them tied."""
    kind = truth.DEFINED[name][0]
    by = {p.name: p for p in POINTS if p.kind == kind}
    return (
        [by["tie"], by["gap 1e-5"]]
        if name not in ("eigvalsh", "eigvalsh, b", "null_vector")
        else [
            by["regular"],
            by["rank 2" if name == "null_vector" else "graded" if kind != "pair" else "gap 1e-3"],
        ]
    )


@functools.cache
def arrays(name):
    """Matrices, directions and cotangents, each in a stack, and one ``like`` for all."""
    points = pair_of(name)
    like = problem("torch", name, points[0])[1]
    parts = [(p.matrix, *p.directions, p.draw(truth.jet(name, p).value.shape, 3)) for p in points]
    return [np.stack(x) for x in zip(*parts, strict=True)], like


@functools.cache
def one_by_one(name, mode):
    """What PyTorch gives for each matrix of the stack."""
    function, _ = problem("torch", name, pair_of(name)[0])
    stacks, like = arrays(name)
    return np.stack(
        [derivative("torch", mode, function, *x, *like) for x in zip(*stacks, strict=True)]
    )


def differ(found, right, allowed=1e-12):
    """Whether one of a stack does, relative to its norm."""
    return [
        x.shape != y.shape or not np.linalg.norm(x - y) <= allowed * np.linalg.norm(y)
        for x, y in zip(found, right, strict=True)
    ]


def wrong_modes(name, found_in, modes=ALL):
    return [m for m in modes if any(differ(found_in(m), one_by_one(name, m), 1e-10))]


@pytest.mark.parametrize(
    ("framework", "name"),
    [
        *((framework, name) for framework in ("torch", "autograd") for name in truth.DEFINED),
        *(("tensorflow", name) for name in EACH_KIND),
    ],
)
def test_batches(framework, name):
    """A stack is what its matrices are."""
    function, _ = problem(framework, name, pair_of(name)[0])
    stacks, like = arrays(name)
    # In TensorFlow, a forward pass through another one takes longer than all others.
    modes = ALL if framework != "tensorflow" else [m for m in ALL if not m.startswith("forward o")]
    assert not wrong_modes(
        name, lambda m: derivative(framework, m, function, *stacks, *like), modes
    )


@names
def test_vmap_of_pytorch(name):
    """Mapped over matrices, directions and cotangents."""
    import torch

    function, _ = problem("torch", name, pair_of(name)[0])
    stacks, like = arrays(name)
    of = MODES["torch"]
    given = [of.array(x) for x in stacks]

    def mapped(mode):
        run = torch.func.vmap(lambda *x: of.run(mode, function, *x, *map(of.array, like)))
        return run(*given).numpy()

    assert not wrong_modes(name, mapped)


@few
def test_batches_and_vmap_of_jax(name):
    """Compiled together."""
    import jax

    function, _ = problem("jax", name, pair_of(name)[0])
    stacks, like = arrays(name)

    def both(*stacks):
        def run(mode, *arrays):
            return MODES["jax"].run(mode, function, *arrays, *like)

        runs = {mode: functools.partial(run, mode) for mode in ALL}
        return {mode: (run(*stacks), jax.vmap(run)(*stacks)) for mode, run in runs.items()}

    with jax.enable_x64(True):
        options = {"xla_backend_optimization_level": 0}
        found = jax.jit(both, compiler_options=options)(*stacks)
    for way in (0, 1):
        assert not wrong_modes(name, lambda mode, way=way: np.asarray(found[mode][way]))


@pytest.mark.parametrize("way", ["hessian", "jacfwd twice", "backward twice"])
@names
def test_hessians_of_pytorch(name, way):
    import torch

    (point,) = pair_of(name)[:1]
    function, like = problem("torch", name, point)
    c = point.draw(truth.jet(name, point).value.shape, 3)
    given = (point.matrix, *point.directions, c, *like)
    right = derivative("torch", "reverse over reverse", function, *given)
    a, e, _, c, *like = map(torch.tensor, given)

    def loss(a):
        return (c * function(a, *like)).sum()

    if way == "backward twice":
        a.requires_grad_()
        (slope,) = torch.autograd.grad(loss(a), a, create_graph=True)
        (slope * e).sum().backward()
        found = a.grad
    else:
        jacfwd = torch.func.jacfwd
        hessian = torch.func.hessian(loss) if way == "hessian" else jacfwd(jacfwd(loss))
        found = torch.tensordot(hessian(a), e, a.dim())
    assert np.allclose(found, right, rtol=1e-11, atol=1e-11 * np.abs(right).max())


@pytest.mark.parametrize("name", ["trace_function", "polar"])
def test_hessians_of_jax(name):
    """jax.hessian, jax.linearize, and a scan with remat, all under jit."""
    import jax
    import jax.numpy as jnp

    (point,) = pair_of(name)[:1]
    function, like = problem("jax", name, point)
    c = point.draw(truth.jet(name, point).value.shape, 3)
    a, (e, _) = point.matrix, point.directions

    def loss(a):
        return jnp.sum(c * function(a, *like))

    def scanned(a):
        step = jax.checkpoint(lambda total, x: (total + loss(x), None))
        return jax.lax.scan(step, 0.0, jnp.stack([a, a]))[0]

    @functools.partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})
    def found(a):
        _, along = jax.linearize(loss, a)
        return jnp.tensordot(jax.hessian(loss)(a), e, a.ndim), along(e), jax.grad(scanned)(a) / 2

    second, first = (one_by_one(name, m)[0] for m in ("reverse over reverse", "reverse"))
    with jax.enable_x64(True):
        hessian, slope, twice = map(np.asarray, found(a))
    assert np.allclose(hessian, second, rtol=1e-11, atol=1e-11 * np.abs(second).max())
    assert np.allclose(slope, np.sum(first * e), rtol=1e-11, atol=1e-11)
    assert np.allclose(twice, first, rtol=1e-11, atol=1e-11 * np.abs(first).max())


def of_first_point(name):
    import torch

    (point,) = pair_of(name)[:1]
    function, like = problem("torch", name, point)
    a, *like = map(torch.tensor, (point.matrix, *like))
    torch._dynamo.reset()
    return (lambda a: function(a, *like)), a


def compiles(function, a):
    """Without a break in the graph, with and without a gradient."""
    import torch

    compiled = torch.compile(function, backend="aot_eager", fullgraph=True)
    assert torch.allclose(compiled(a), function(a), rtol=1e-12, atol=1e-12)
    b, d = (a.clone().requires_grad_() for _ in range(2))
    compiled(b).sum().backward()
    function(d).sum().backward()
    assert torch.allclose(b.grad, d.grad, rtol=1e-11, atol=1e-11)


OF_FUNCTIONS = ("function", "trace_function")


@pytest.mark.parametrize("name", [n for n in truth.DEFINED if n not in OF_FUNCTIONS])
def test_torch_compile(name):
    compiles(*of_first_point(name))


@pytest.mark.parametrize("name", OF_FUNCTIONS)
def test_torch_compile_takes_no_function_as_an_argument(name):
    """Unless it is told not to look into what has it."""
    import torch

    function, a = of_first_point(name)
    with pytest.raises(torch._dynamo.exc.TorchDynamoException):
        torch.compile(function, backend="aot_eager", fullgraph=True)(a)

    def allowed(a):
        return function(a)

    torch.compiler.allow_in_graph(allowed)
    torch._dynamo.reset()
    compiles(lambda a: 2 * allowed(a), a)


@pytest.mark.parametrize("mode", ["reverse", "forward", "reverse over reverse"])
@few
def test_tensorflow_in_a_graph(name, mode):
    """Of stacks of which nobody knows how many matrices they hold.

    Forward mode overlooks a custom gradient in a graph: not finite, and never a silent 0.
    """
    tf = module("tensorflow")
    function, _ = problem("tensorflow", name, pair_of(name)[0])
    stacks, like = arrays(name)
    signature = [tf.TensorSpec([None, *x.shape[1:]], x.dtype) for x in stacks]

    @tf.function(input_signature=signature)
    def run(a, e, f, c):
        return MODES["tensorflow"].run(mode, function, a, e, f, c, *map(tf.constant, like))

    found = run(*map(tf.constant, stacks)).numpy()
    if mode == "forward":
        assert not np.isfinite(found).any()
    else:
        assert not any(differ(found, one_by_one(name, mode), 1e-10))


@pytest.mark.parametrize("shape", [(4, 3), (3, 4)], ids=str)
@pytest.mark.parametrize("name", ["low_rank", "singular_vectors"])
def test_second_derivatives_of_a_stack_of_rectangular_matrices(name, shape):
    """What the places of the values alone tell is told for each matrix of a stack."""
    of = recipes("torch")

    def function(a):
        if name == "low_rank":
            return of.low_rank(a, 2)
        u, v = of.singular_vectors(a, 1)
        return u[..., :, None] * v[..., None, :]

    arrays = np.random.default_rng(0).standard_normal((4, 2, *shape))
    found = derivative("torch", "reverse over reverse", function, *arrays)
    each = [
        derivative("torch", "reverse over reverse", function, *x) for x in arrays.swapaxes(0, 1)
    ]
    assert found == pytest.approx(np.stack(each), rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (0, 2, 3)])
def test_what_has_no_entries_has_derivatives_of_its_shape(framework, shape):
    """Where a first singular value or a first matrix is asked for, there is none."""
    a, stack, modes = np.zeros(shape), np.zeros(shape[:-2]), ("reverse", "reverse over reverse")
    cotangents = {"polar": a, "pinv": a.swapaxes(-1, -2), "spectral_norm": stack}
    for name, c in cotangents.items():
        function = call(framework, name)
        found = [derivative(framework, x, function, a, a, a, c, together=modes) for x in modes]
        assert [x.shape for x in found] == [shape, shape], name
    of = recipes(framework).invariant_svd(lambda u, s, vh: total(framework, s * s))
    found = derivative(framework, "reverse", of, a, a, a, stack, together=modes[:1])
    assert found.shape == shape
