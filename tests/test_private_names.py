"""Private names of scikit-learn, Keras and TensorFlow that the package uses, with reasons."""

import ast
from pathlib import Path

ROOT = Path(__file__).parents[1] / "skmask"
SKLEARN = "data/_sklearn.py"
ENGINE = "engine/tensorflow/"

# Imports, by the file that they stand in.
IMPORTS = {
    (SKLEARN, "sklearn.utils._indexing._get_column_indices"): "columns as ColumnTransformer's",
    (SKLEARN, "sklearn.utils._indexing._safe_indexing"): "rows of containers of any kind",
    (SKLEARN, "sklearn.utils._param_validation.HasMethods"): "constraints of parameters",
    (SKLEARN, "sklearn.utils._param_validation.Interval"): "constraints of parameters",
    (SKLEARN, "sklearn.utils._param_validation.InvalidParameterError"): "its error",
    (SKLEARN, "sklearn.utils._param_validation.StrOptions"): "constraints of parameters",
    (SKLEARN, "sklearn.utils._param_validation.validate_parameter_constraints"): "their check",
    (SKLEARN, "sklearn.utils._repr_html.fitted_attributes.AttrsDict"): "HTML of attributes",
    (SKLEARN, "sklearn.utils._repr_html.params.ParamsDict"): "HTML of parameters",
    (f"{ENGINE}_description.py", "keras.src.utils.naming"): "default names of layers, for keys",
    (f"{ENGINE}_settings.py", "keras.src.backend.common.global_state"): "settings of a thread",
    (f"{ENGINE}_settings.py", "keras.src.backend.config"): "the float type of a thread",
    (f"{ENGINE}_settings.py", "keras.src.random.seed_generator"): "seeds of a thread",
    (f"{ENGINE}_names.py", "tensorflow.core.protobuf.config_pb2.CallableOptions"): "fast calls",
    (f"{ENGINE}_names.py", "tensorflow.python.client.pywrap_tf_session"): "reads XLA's flags",
    (f"{ENGINE}_names.py", "tensorflow.python.framework.func_graph"): "frees traced graphs",
    (f"{ENGINE}_names.py", "tensorflow.python.framework.ops.gradient_registry"): "frees gradients",
    (
        f"{ENGINE}_names.py",
        "tensorflow.python.ops.resource_variable_ops.BaseResourceVariable",
    ): "variables of a session",
}
# Attributes of their objects.
ATTRIBUTES = {
    "_FLOATX": "Keras' float type",
    "_get_variable_index": "number of a variable among those of an optimizer",
    "_flatten_layers": "layers of a Keras model, those of its models included",
    "_handle_data": "type of the variable behind a handle",
    "_inbound_nodes": "shapes that a function of Keras tensors was called with",
    "_init_callback_context": "scikit-learn's callbacks, for authors of estimators",
    "_initializer": "initialiser of a Keras variable without a value",
    "_keras_history": "operation that made a Keras tensor",
    "_learning_rate": "a schedule, which the public attribute hides",
    "_list_all_concrete_functions": "graphs that are to be freed",
    "_make_callable_from_options": "calls a session ten times faster than make_callable",
    "_momentums": "first moments of Adam, which its fused step takes",
    "_registry": "gradients that are to be forgotten",
    "_velocities": "second moments of Adam, which its fused step takes",
    "_validate_params": "scikit-learn's check of parameters, for authors of estimators",
}


def trees():
    for path in sorted(ROOT.rglob("*.py")):
        yield path.relative_to(ROOT).as_posix(), ast.parse(path.read_text())


def imported(node):
    if isinstance(node, ast.ImportFrom):
        return [f"{node.module}.{alias.name}" for alias in node.names]
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    is_text = isinstance(node, ast.Constant) and isinstance(node.value, str)
    return [node.value] if is_text and node.value.startswith("keras.src") else []


def is_private(name):
    if name.split(".")[0] not in ("sklearn", "keras", "tensorflow"):
        return False
    inner = ("keras.src", "tensorflow.python", "tensorflow.core")
    return name.startswith(inner) or any(part.startswith("_") for part in name.split("."))


def names_of_the_package():
    """Return all names that the package gives to anything."""
    names = set()
    for path, tree in trees():
        names.add(Path(path).stem)
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                names.add(node.name)
            elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
                names.add(node.attr)
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                names.add(node.id)
            elif isinstance(node, ast.arg):
                names.add(node.arg)
    return names


def test_private_imports_are_those_listed():
    found = {
        (path, name)
        for path, tree in trees()
        for node in ast.walk(tree)
        for name in imported(node)
        if is_private(name)
    }
    assert found == {*IMPORTS}


def test_private_attributes_are_those_listed():
    own = names_of_the_package()
    found = {
        node.attr
        for _, tree in trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr.startswith("_")
        if not node.attr.startswith("__") and node.attr not in own
    }
    assert found == {*ATTRIBUTES}


def test_private_names_stand_in_one_place_for_each_library():
    for path, name in IMPORTS:
        assert path == SKLEARN if name.startswith("sklearn") else path.startswith(ENGINE)
