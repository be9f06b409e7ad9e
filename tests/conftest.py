"""Settings and fixtures for all test files."""

import numpy as np
import pytest
from hypothesis import settings

# The first example pays for imports, and shared machines are slow at times.
settings.register_profile("spectralgrad", deadline=None, print_blob=True)
settings.load_profile("spectralgrad")


@pytest.fixture
def rng():
    return np.random.default_rng(20201107)
