"""The mathematics: arrays in, arrays out. It imports nothing else of the package.

`arrays` says in which arrays one can compute, `spectrum` which values count as equal, `symmetric`
how a gradient with respect to a Hermitian matrix is written, and `gauge` what a decomposition
leaves open. `eigen` and `singular` hold the pullbacks, `second_basis` what both of them do,
`subgradient` the valid answers where there is no gradient, and `exact` what to hold all of them
against, in 50 digits. `krylov` finds a few eigenpairs or singular triplets of a matrix that no one
can decompose, and `large` differentiates them.
"""
