"""Machines: TensorFlow sessions of their own, so that closing one frees all it compiled."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from typing import Any

import numpy as np

from skmask.engine.tensorflow._names import (
    BaseResourceVariable,
    CallableOptions,
    func_graph,
    gradient_registry,
    keras,
    tf,
    without_chatter,
)
from skmask.engine.tensorflow._xla_cache import compiling

_v1 = tf.compat.v1

Compiled = Callable[..., list[np.ndarray]]

_n_traces = 0


def count_traces() -> int:
    """Return how many times a function of the engine was traced in this process."""
    return _n_traces


def note_trace() -> None:
    """Count one more trace: a call in a function's body runs only while it is traced."""
    global _n_traces
    _n_traces += 1


def _handle(variable: Any, number: int) -> Any:
    """Return a node for the session's variable of this number, in the graph being built."""
    return tf.raw_ops.VarHandleOp(
        dtype=variable.dtype, shape=variable.shape, shared_name=f"variable{number}"
    )


# One thread at a time: layers that a user's function closes over stand in many models.
making = threading.RLock()


@contextmanager
def without_values() -> Iterator[Any]:
    """Give no values to the Keras variables that are made in here, only initialisers.

    Yields Keras' scope, which knows the values that they are assigned.
    """
    with making, keras.StatelessScope(initialize_variables=False) as scope:
        yield scope


def first_value(variable: Any) -> np.ndarray:
    """Return the value that a variable has, or that its initialiser gives."""
    value = variable._value
    if value is None:
        value = variable._initializer(variable.shape, dtype=variable.dtype)
    return np.asarray(tf.convert_to_tensor(value))


@contextmanager
def standing_in(variables: Sequence[Any]) -> Iterator[None]:
    """Let Keras variables read and write the variables of the session whose graph is built."""
    before = [variable._value for variable in variables]
    for number, variable in enumerate(variables):
        variable._value = BaseResourceVariable(
            handle=_handle(variable, number),
            shape=variable.shape,
            dtype=tf.as_dtype(variable.dtype),
            trainable=variable.trainable,
            unique_id=f"variable{number}",
            handle_name=variable.name,  # by which an optimizer may leave it out
        )
    try:
        yield
    finally:
        for variable, value in zip(variables, before, strict=True):
            variable._value = value


class Machine:
    """A session that holds the values of Keras variables and runs functions on them.

    TensorFlow keeps every function that it ran or compiled eagerly until the process ends: some
    megabytes for each. What a session compiled goes with the session. Functions are traced
    outside of it, as Keras expects, and their graphs are moved in.

    Parameters
    ----------
    variables : sequence of keras.Variable
        Their own values are neither read nor set.
    rewrites : bool, default=True
        Whether TensorFlow rewrites the graphs before it runs them. XLA does its own rewriting:
        for what it compiles, TensorFlow's costs a tenth of a second and changes nothing.
    """

    def __init__(self, variables: Sequence[Any], *, rewrites: bool = True):
        self._variables = list(variables)
        self._n_held = 0
        self._graph = _v1.Graph()
        with self._graph.as_default():
            handles = [_handle(variable, k) for k, variable in enumerate(variables)]
            given = [_v1.placeholder(variable.dtype, variable.shape) for variable in variables]
            assigned = [
                tf.raw_ops.AssignVariableOp(resource=handle, value=value)
                for handle, value in zip(handles, given, strict=True)
            ]
            self._reads = [
                tf.raw_ops.ReadVariableOp(resource=handle, dtype=variable.dtype)
                for handle, variable in zip(handles, variables, strict=True)
            ]
        threads = tf.config.threading
        settings = _v1.ConfigProto(
            intra_op_parallelism_threads=threads.get_intra_op_parallelism_threads(),
            inter_op_parallelism_threads=-1,  # in the thread that calls: none to wake
        )
        settings.graph_options.rewrite_options.disable_meta_optimizer = not rewrites
        with without_chatter():
            self._session = _v1.Session(graph=self._graph, config=settings)
        self._types = [np.dtype(variable.dtype) for variable in variables]
        self._kept: dict[tuple[Any, ...], Compiled] = {}
        self._set: Any = self._callable(given, [], assigned) if variables else None

    def _callable(self, given: Sequence[Any], wanted: Sequence[Any], done: Sequence[Any]) -> Any:
        """Return a function of arrays for some nodes, to the values of others.

        Not by `make_callable`, which takes ten times as long as a row.
        """
        if not wanted and not done:
            return lambda *_: []
        options = CallableOptions()
        options.feed.extend(tensor.name for tensor in given)
        options.fetch.extend(tensor.name for tensor in wanted)
        options.target.extend(operation.name for operation in done)
        return self._session._make_callable_from_options(options)

    def load(self, values: Sequence[Any]) -> None:
        """Set every variable."""
        pairs = zip(values, self._types, strict=True)
        self._set(*(np.asarray(value, dtype) for value, dtype in pairs))

    def reader(self, part: slice) -> Compiled:
        """Return a function that returns the values of some of the variables."""
        return self._callable([], self._reads[part], [])

    def call(
        self,
        traced: Callable[..., Any],
        inputs: tuple[Any, ...],
        *,
        xla: bool,
        settings: Callable[[], AbstractContextManager[None]],
    ) -> list[np.ndarray]:
        """Call a function that is kept for inputs of these shapes and types.

        Parameters
        ----------
        traced, inputs, xla
            As in `function`, the inputs ndarrays.
        settings : callable returning a context to trace in
        """
        arrays = tf.nest.flatten(inputs)
        key = traced.__name__, xla, *((array.shape, array.dtype) for array in arrays)
        if key in self._kept:
            return self._kept[key](*inputs)
        with settings():
            run = self.function(traced, inputs, xla=xla)
        # XLA announces its first compilation.
        with without_chatter(), compiling() if xla else nullcontext():
            results = run(*inputs)
        self._kept[key] = run
        return results

    def function(self, traced: Callable[..., Any], inputs: tuple[Any, ...], *, xla: bool) -> Any:
        """Return a function traced for inputs like these, which runs in this session.

        Parameters
        ----------
        traced : callable of tensors, returning one tensor or a list
            May read and write the variables.
        inputs : tuple of ndarrays or TensorSpecs, or of mappings and sequences of them
        xla : bool
            Whether to compile it with XLA.

        Returns
        -------
        callable
            Takes ndarrays of the same structure, shapes and types, returns a list of ndarrays.
            From several threads at once, where it does not write to variables.
        """
        inner: Any = tf.function(traced, jit_compile=True, autograph=False) if xla else traced

        def outer(*tensors: Any) -> Any:
            note_trace()
            with standing_in(self._variables):
                return inner(*tensors)

        specs = tf.nest.map_structure(lambda array: tf.TensorSpec(array.shape, array.dtype), inputs)
        with making:
            graph = tf.function(outer, autograph=False).get_concrete_function(*specs).graph
        run = self._moved_in(graph, len(tf.nest.flatten(inputs)))
        compiled = inner._list_all_concrete_functions() if xla else []
        _release([graph, *(function.graph for function in compiled)])
        return lambda *arrays: run(*tf.nest.flatten(arrays))

    def _moved_in(self, graph: Any, n_inputs: int) -> Compiled:
        """Return a function of the first inputs of a graph, with a copy of it in the session."""
        definition = graph.as_graph_def()
        held = [(inside, _content(outside, definition)) for outside, inside in graph.captures]
        with self._graph.as_default():
            given = [_v1.placeholder(t.dtype, t.shape) for t in graph.inputs[:n_inputs]]
            known = {t.name: new for t, new in zip(graph.inputs, given, strict=False)}
            for inside, content in held:
                known[inside.name] = self._held(*content)
            outputs = tf.graph_util.import_graph_def(
                definition,
                input_map=known,
                return_elements=[tensor.name for tensor in graph.outputs],
                name="",
            )
        return self._callable(given, outputs, [])

    def _held(self, kind: str, *content: Any) -> Any:
        """Return a node for what a network holds, in the graph that is being built."""
        if kind == "constant":
            return tf.constant(*content)
        self._n_held += 1
        name = f"held{self._n_held}"
        if kind == "variable":
            (value,) = content
            held = tf.raw_ops.VarHandleOp(dtype=value.dtype, shape=value.shape, shared_name=name)
            filled = tf.raw_ops.AssignVariableOp(resource=held, value=value)
        else:
            keys, values = map(tf.constant, content)
            held = tf.raw_ops.HashTableV2(
                key_dtype=keys.dtype, value_dtype=values.dtype, shared_name=name
            )
            filled = tf.raw_ops.LookupTableImportV2(table_handle=held, keys=keys, values=values)
        self._callable([], [], [filled])()
        return held

    def close(self) -> None:
        """Free the variables and all that was compiled."""
        self._session.close()


def _content(outside: Any, definition: Any) -> tuple[Any, ...]:
    """Return the kind and the content of what a network holds: "constant", "variable", "table".

    Parameters
    ----------
    outside : eager tensor
        A handle where it is a variable that Keras does not know, or a table.
    definition : definition of the graph that takes it
    """
    if outside.dtype != tf.resource:
        return "constant", outside.numpy()
    if outside._handle_data is not None:
        (of_variable,) = outside._handle_data.shape_and_type
        read = tf.raw_ops.ReadVariableOp(resource=outside, dtype=of_variable.dtype)
        return "variable", read.numpy()
    bodies = [definition.node, *(function.node_def for function in definition.library.function)]
    finds = [node.attr for body in bodies for node in body if node.op == "LookupTableFindV2"]
    for types in sorted({(find["Tin"].type, find["Tout"].type) for find in finds}):
        with suppress(tf.errors.InvalidArgumentError):  # those of another table
            content = tf.raw_ops.LookupTableExportV2(
                table_handle=outside, Tkeys=types[0], Tvalues=types[1]
            )
            return "table", *(part.numpy() for part in content)
    raise TypeError(
        "network must hold nothing but tensors, variables and lookup tables of TensorFlow; got "
        "another resource. Use a layer of Keras."
    )


def released(compiled: Any) -> None:
    """Free the graphs that a function was traced into, once a machine has a copy."""
    _release([function.graph for function in compiled._list_all_concrete_functions()])


def _release(graphs: Sequence[Any]) -> None:
    """Free graphs that were traced, and those of the loops in them.

    Tensors and operations of a graph refer to it from C++, where Python's garbage collector
    does not see it.
    """
    found: list[Any] = []
    waiting = list(graphs)
    while waiting:
        graph = waiting.pop()
        if any(graph is other for other in found):
            continue
        found.append(graph)
        for operation in graph.get_operations():
            for name in ("_cond_graph", "_body_graph", "_true_graph", "_false_graph"):
                inner = getattr(operation, name, None)
                if inner is not None:
                    waiting.append(inner)
    _forget_gradients(found)
    for graph in found:
        func_graph.dismantle_func_graph(graph)
    for graph in found:
        graph.inputs, graph.outputs, graph.control_outputs = [], [], []
        graph.structured_outputs = graph.structured_input_signature = None
        graph._while = graph._function_captures = None


def _forget_gradients(graphs: Sequence[Any]) -> None:
    """Take the gradients that these graphs registered out of TensorFlow's registry.

    There each function with a gradient of its own (`tf.custom_gradient`) stays for ever, and
    with it the graph that it was traced in.
    """
    for graph in graphs:
        for operation in graph.get_operations():
            if operation.type == "IdentityN":
                with suppress(ValueError):  # a plain one
                    name = operation.get_attr("_gradient_op_type").decode()
                    gradient_registry._registry.pop(name, None)
