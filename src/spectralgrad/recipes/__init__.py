"""Operations on matrices whose gradients hold at ties, for each framework.

`rules` holds the formulas, written once; ``torch``, ``jax``, ``tensorflow`` and ``autograd`` make
of each the framework's own kind of function. No framework is imported before its module is.
"""
