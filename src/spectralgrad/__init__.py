"""The gradients of eigenvalues and singular values: which one is right."""

__version__ = "0.1.0"
