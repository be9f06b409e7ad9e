"""Operations on matrices whose gradients hold at ties, for each framework.

`rules` says what a rule is; `hermitian` and `singular` hold the formulas, written once; ``torch``,
``jax``, ``tensorflow`` and ``autograd`` make of each the framework's own kind of function. No
framework is imported before its module is. In all of them,

``matrix``
    is an array (..., m, n), real or complex: a matrix or a stack of them. Of a matrix that has to
    be Hermitian, (..., n, n), the Hermitian part counts.
``rtol``
    says which values are closer than can be told: those that differ by no more than rtol times the
    largest modulus count as equal, and singular values up to that count as 0. By default it is
    `spectralgrad.theory.spectrum.default_rtol`.

An option is a number of Python, by place or by name, and gets no gradient. Where an operation has a
value and no gradient, the reverse pass raises `spectralgrad.theory.gauge.GaugeError`, a ValueError
that names the values; where numbers are not known, as under ``jit``, the gradient is NaN.
"""
