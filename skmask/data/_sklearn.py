"""."""
from skmask.data._validation import (  # noqa: F401
    StrOptions,
    HasMethods,
    InvalidParameterError,
    validate_parameter_constraints,
    AttrsDict,
    ParamsDict,
)
