"""Data and fitted estimators that nobody refits."""

import os

os.environ["SCIPY_ARRAY_API"] = "1"  # read when SciPy is imported; one of the checks wants it

import numpy as np
import pytest
import sklearn

from skmask import RestrictedClassClassifier
from skmask.datasets import make_restricted_classification


@pytest.fixture(scope="module")
def data():
    """Sixty rows of four classes, two of them allowed in each row."""
    return make_restricted_classification(60, 5, 4, 2, random_state=0)


@pytest.fixture(scope="module")
def restricted(data):
    """A classifier fitted with the mask."""
    X, y, allowed = data
    return RestrictedClassClassifier((8,), epochs=3, random_state=0).fit(X, y, allowed=allowed)


@pytest.fixture
def routing():
    """Metadata routing switched on."""
    with sklearn.config_context(enable_metadata_routing=True):
        yield


@pytest.fixture
def rng():
    return np.random.default_rng(0)
