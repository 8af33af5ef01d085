"""Costs of errors: checks of a matrix, and the costs of rows."""

from keras import ops

from skmask.nn._targets import class_numbers, is_by_number

__all__ = [
    "check_cost_matrix",
    "check_not_negative",
    "cost_of_prediction",
    "costs_of_rows",
]


def check_cost_matrix(cost_matrix):
    """Return a square matrix of finite costs as a list of lists."""
    rows = ops.convert_to_numpy(ops.convert_to_tensor(cost_matrix, "float32")).tolist()
    if not isinstance(rows, list) or any(
        not isinstance(row, list) or len(row) != len(rows) for row in rows
    ):
        raise ValueError(
            "cost_matrix must be square, (n_classes, n_classes); got shape "
            f"{ops.shape(ops.convert_to_tensor(cost_matrix))}. Rows are true classes, columns "
            "predicted ones."
        )
    if any(abs(cost) == float("inf") or cost != cost for row in rows for cost in row):
        raise ValueError(
            f"cost_matrix must hold finite numbers; got {rows}. Use a large cost for what must "
            "not happen."
        )
    return rows


def check_not_negative(cost_matrix):
    """Raise for weights that would turn a loss into a gain."""
    lowest = min(min(row) for row in cost_matrix)
    if lowest < 0:
        raise ValueError(
            "cost_matrix must not hold negative costs where they weigh a cross-entropy; got "
            f"{lowest}. Use ExpectedCost, or raise all costs of a row alike."
        )


def cost_of_prediction(y_true, logits, cost_matrix=None, costs=None):
    """Return C[y, argmax of the logits] of each row, shape (n,)."""
    costs = costs_of_rows(y_true, logits, cost_matrix, costs)
    predicted = ops.expand_dims(ops.argmax(logits, axis=-1), -1)
    return ops.squeeze(ops.take_along_axis(costs, predicted, axis=-1), axis=-1)


def costs_of_rows(y_true, logits, cost_matrix, costs):
    """Return the cost of each prediction for each row, shape and dtype of the logits."""
    if costs is not None:
        return ops.cast(costs, logits.dtype)
    cost_matrix = ops.cast(cost_matrix, logits.dtype)
    y_true = ops.convert_to_tensor(y_true)
    if is_by_number(y_true, logits):
        return ops.take(cost_matrix, class_numbers(y_true, logits), axis=0)
    return ops.matmul(ops.cast(y_true, logits.dtype), cost_matrix)
