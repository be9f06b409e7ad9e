"""How each framework takes a first and a second derivative, all with one signature.

``derivative(framework, mode, function, a, e, f, c)`` of a function of one array gives for

    value                 F(A)
    forward               DF(A)[E]
    reverse               the gradient of Re⟨C, F⟩
    forward over forward  D²F(A)[E, F]
    reverse over forward  the gradient of Re⟨C, DF[E]⟩
    forward over reverse  the derivative along E of the gradient of Re⟨C, F⟩
    reverse over reverse  the gradient of Re⟨that gradient, E⟩

as an array of NumPy. Gradients satisfy df = Re Σ conj(G) dA. ``function`` takes and returns arrays
of the framework; a vector ``like`` may follow C, and is its second argument.
"""

import functools
import importlib

import numpy as np

from spectralgrad import frameworks

FRAMEWORKS = ("torch", "jax", "tensorflow", "autograd")
FIRST = ("forward", "reverse")
SECOND = (
    "forward over forward",
    "reverse over forward",
    "forward over reverse",
    "reverse over reverse",
)
ALL = ("value", *FIRST, *SECOND)


@functools.cache
def recipes(framework):
    with frameworks.quiet():
        return importlib.import_module(f"spectralgrad.recipes.{framework}")


class Framework:
    """A slope and a gradient of the framework make all modes."""

    def forward(self, function, e):
        """A function of A, whose value is DF(A)[E]."""
        raise NotImplementedError

    def gradient(self, function):
        """A function of A, whose value is the gradient of a real number."""
        raise NotImplementedError

    def real(self, x, y):
        """Re⟨X, Y⟩."""
        raise NotImplementedError

    def along(self, mode, function, e, f, c):
        """The function of A that a mode is."""
        paired = functools.partial(self.paired, c)
        match mode.split(" over "):
            case ["value"]:
                return function
            case ["forward"]:
                return self.forward(function, e)
            case ["reverse"]:
                return self.gradient(paired(function))
            case ["forward", "forward"]:
                return self.forward(self.forward(function, e), f)
            case ["reverse", "forward"]:
                return self.gradient(paired(self.forward(function, e)))
            case ["forward", "reverse"]:
                return self.forward(self.gradient(paired(function)), e)
            case ["reverse", "reverse"]:
                return self.gradient(self.paired(e, self.gradient(paired(function))))
        raise ValueError(mode)

    def paired(self, c, function):
        return lambda a: self.real(c, function(a))

    def derivative(self, mode, function, *arrays, together=ALL):
        return self.numpy(self.run(mode, function, *map(self.array, arrays)))

    def run(self, mode, function, a, e, f, c, *like):
        return self.along(mode, lambda a: function(a, *like), e, f, c)(a)

    def numpy(self, x):
        return np.asarray(x)


class Torch(Framework):
    """With ``torch.func``, which backward() twice agrees with (test_reverse_twice)."""

    def array(self, x):
        return recipes("torch").torch.tensor(x)

    def numpy(self, x):
        return x.detach().resolve_conj().numpy()

    def forward(self, function, e):
        import torch

        return lambda a: torch.func.jvp(function, (a,), (e,))[1]

    def gradient(self, function):
        import torch

        return torch.func.grad(function)

    def real(self, x, y):
        return (x.conj() * y).real.sum() if x.is_complex() else (x * y).sum()


class Jax(Framework):
    """Modes are compiled together, for all matrices of a shape: that takes most of the time."""

    def __init__(self):
        self.found = {}

    def array(self, x):
        return x

    def forward(self, function, e):
        import jax

        return lambda a: jax.jvp(function, (a,), (e,))[1]

    def gradient(self, function):
        import jax

        # JAX's gradients are conjugated.
        return lambda a: jax.grad(function)(a).conj()

    def real(self, x, y):
        import jax.numpy as jnp

        return jnp.sum((x.conj() * y).real)

    @functools.cache  # noqa: B019
    def compiled(self, function, modes):
        import jax

        def run(*arrays):
            return {mode: self.run(mode, function, *arrays) for mode in modes}

        return jax.jit(run, compiler_options={"xla_backend_optimization_level": 0})

    def derivative(self, mode, function, *arrays, together=ALL):
        import jax

        key = (function, together, *map(id, arrays))
        if key not in self.found:
            with jax.enable_x64(arrays[0].dtype.char in "dD"):
                # With the arrays, so that nothing else gets their identities.
                self.found[key] = self.compiled(function, together)(*arrays), arrays
        return np.asarray(self.found[key][0][mode])


class Tensorflow(Framework):
    def array(self, x):
        import tensorflow as tf

        return tf.constant(x)

    def forward(self, function, e):
        import tensorflow as tf

        def slope(a):
            with tf.autodiff.ForwardAccumulator(a, e) as forward:
                value = function(a)
            return forward.jvp(value)

        return slope

    def gradient(self, function):
        import tensorflow as tf

        def gradient(a):
            with tf.GradientTape() as tape:
                tape.watch(a)
                value = function(a)
            return tape.gradient(value, a)

        return gradient

    def real(self, x, y):
        import tensorflow as tf

        return tf.reduce_sum(tf.math.real(tf.math.conj(x) * y))


class Autograd(Framework):
    def array(self, x):
        return x

    def forward(self, function, e):
        import autograd

        return lambda a: autograd.make_jvp(function)(a)(e)[1]

    def gradient(self, function):
        import autograd
        import autograd.numpy as anp

        # autograd's gradients are conjugated.
        return lambda a: anp.conj(autograd.grad(function)(a))

    def real(self, x, y):
        import autograd.numpy as anp

        return anp.sum(anp.real(anp.conj(x) * y))


MODES = {"torch": Torch(), "jax": Jax(), "tensorflow": Tensorflow(), "autograd": Autograd()}


def derivative(framework, mode, function, *arrays, together=ALL):
    """Where modes are compiled, ``together`` says which are at once."""
    return MODES[framework].derivative(mode, function, *arrays, together=together)


def module(framework):
    """What the framework calls its functions of arrays."""
    names = {"jax": "jax.numpy", "autograd": "autograd.numpy"}
    return importlib.import_module(names.get(framework, framework))


def total(framework, x):
    of = module(framework)
    return (of.reduce_sum if framework == "tensorflow" else of.sum)(x)


def concatenate(framework, of, arrays):
    joined = of.concat if framework == "tensorflow" else of.concatenate
    return joined(arrays, -1)


@functools.cache
def call(framework, name, **options):
    """A recipe, as a function of one array and, for selected vectors, of another one, ``like``.

    With ", b" in its name the array is a stack of A and B.
    """
    function = getattr(recipes(framework), name.removesuffix(", b"))
    if name in ("function", "trace_function"):
        of = module(framework)
        return lambda a: function(a, of.sin, of.cos, lambda x: -of.sin(x))

    join = functools.partial(concatenate, framework, module(framework))

    def apply(a, *like):
        given = {"like": like[0], **options} if like else options
        if name.endswith(", b"):
            return function(a[..., 0, :, :], b=a[..., 1, :, :], **given)
        found = function(a, **given)
        return join(found) if name == "singular_vectors" else found

    return apply
