"""Operations on matrices whose derivatives hold at ties, for each framework.

`rules` says what a rule is; `hermitian` and `singular` hold the formulas, written once, and
`selected` what is made of them; ``torch``, ``jax``, ``tensorflow`` and ``autograd`` make of each
the framework's own kind of function, as `catalogue` lists them. No framework is imported before
its module is. In all of them,

``matrix``
    is an array (..., m, n), real or complex: a matrix or a stack of them. Of a matrix that has to
    be Hermitian, (..., n, n), the Hermitian part counts. Half precision is computed in single.
``rtol``
    says which values are closer than can be told: those that differ by no more than rtol times the
    largest modulus count as equal, and those up to that as 0. By default it is
    `spectralgrad.theory.spectrum.default_rtol`.

There are first and second derivatives, in reverse and forward mode and in their compositions, as
far as a framework has these. A third derivative is a NotImplementedError; TensorFlow, which asks
for it unasked, gets NaN, and so it does where it overlooks gradients: in forward mode inside of
``tf.function``, and in ``tf.vectorized_map``, which no stack needs. PyTorch's ``torch.compile``
takes the operations as they are, except ``function`` and ``trace_function``, because a graph holds
no functions as options: compile ``torch.compiler.allow_in_graph`` of a function of the matrix.

An option is a number of Python, by place or by name, and gets no gradient. Where an operation has a
value and no derivative, a `spectralgrad.theory.gauge.GaugeError`, a ValueError, names the values,
as soon as a derivative is seen to be wanted; where numbers are not known, as under ``jit`` and on a
GPU, the derivative is NaN. Nothing in a rule moves data to the host; it was not tried on GPUs.

For a matrix too large to decompose there is ``eigsh``, of which `large` says what is different.
"""
