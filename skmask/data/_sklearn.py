from skmask.data._validation import StrOptions, HasMethods, InvalidParameterError, validate_parameter_constraints, AttrsDict, ParamsDict
