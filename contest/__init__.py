"""The contest: who differentiates functions of eigenvalues and singular values, and how well.

It is no part of the package, and is held from outside, in an environment of its own: `make contest`
runs `run`, which writes the data file that the chapter reads. `entrants` are source code; `points`
are the matrices, `truth` the derivatives in 130 digits, `differentiate` the way each framework
takes them, and `compositions` how an operation is written through a decomposition.
"""
