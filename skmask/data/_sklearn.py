"""The private names of scikit-learn that the package uses: no other module imports any."""

from sklearn.utils._indexing import _get_column_indices as column_numbers
from sklearn.utils._indexing import _safe_indexing as part_of
from sklearn.utils._param_validation import (
    HasMethods,
    InvalidParameterError,
    StrOptions,
    validate_parameter_constraints,
)
from sklearn.utils._param_validation import Interval as AnyInterval
from sklearn.utils._repr_html.fitted_attributes import AttrsDict
from sklearn.utils._repr_html.params import ParamsDict

__all__ = [
    "AnyInterval",
    "AttrsDict",
    "HasMethods",
    "InvalidParameterError",
    "ParamsDict",
    "StrOptions",
    "column_numbers",
    "part_of",
    "validate_parameter_constraints",
]
