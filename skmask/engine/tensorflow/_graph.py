"""Graphs: the Keras graph of a network, with a key, a way to build it, and starting weights."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial
from typing import Any

import numpy as np

from skmask.engine._caches import Values
from skmask.engine._job import OwnNetwork
from skmask.engine._state import damaged
from skmask.engine.tensorflow._description import describe, is_of_keras
from skmask.engine.tensorflow._inputs import with_named_inputs
from skmask.engine.tensorflow._layers import numbers_per_row
from skmask.engine.tensorflow._machine import without_values
from skmask.engine.tensorflow._names import keras, note_use
from skmask.engine.tensorflow._settings import keras_settings
from skmask.engine.tensorflow._template import as_function
from skmask.networks import Network, Signature
from skmask.nn.layers import MemberMean
from skmask.nn.networks import built, masked

Builder = Callable[..., Any]

_SEED_STATE = "seed_generator_state"

_described = Values(capacity=64)


class Graph:
    """A network that can be built, told from others and given starting weights.

    Parameters
    ----------
    build : callable returning a `keras.Model` from inputs to logits.
    key : hashable, default=None
        Equal keys promise equal graphs. None: the network is asked to describe itself,
        and where it cannot, its programs are not shared.
    policy : str, default="float32"
        Name of the Keras dtype policy that it is built and computed under.
    penalised : sequence of bool, default=None
        Which weights the L2 penalty counts, states of seed generators not listed. None: none.
    takes_sparse : bool, default=False
        Whether `build(sparse=True)` returns a model of sparse inputs with the same weights.
    """

    def __init__(
        self,
        build: Builder,
        key: Hashable | None = None,
        policy: str = "float32",
        penalised: Sequence[bool] | None = None,
        takes_sparse: bool = False,
    ):
        self._build = build
        self.takes_sparse = takes_sparse
        self.policy = policy
        note_use()
        # In this scope variables stay unmade and so keep their initialisers; layers that
        # come with weights of their own (pretrained, shared) are seen with their values.
        with self.settings(), without_values() as scope:
            model = build()
            self._starts = [self._start(variable, scope) for variable in model.variables]
            if key is None:
                described = describe(model)
                key = None if described is None else (policy, described)
        self.weight_names = [variable.name for variable in model.variables]
        self.weight_dtypes = [str(variable.dtype) for variable in model.variables]
        self.weight_shapes = [tuple(variable.shape) for variable in model.variables]
        listed = iter(penalised or [])
        self.is_penalised = [
            name != _SEED_STATE and next(listed, False) for name in self.weight_names
        ]
        self.output_shape = model.output_shape
        self.n_numbers = numbers_per_row(model)
        self.input_dtype = str(model.inputs[0].dtype)
        # Type of losses and predictions.
        self.dtype = "float64" if model.output.dtype == "float64" else "float32"
        self.is_shareable = key is not None
        self.key: Hashable = object() if key is None else key

    @staticmethod
    def _start(variable: Any, scope: Any) -> tuple[Any, tuple[int, ...], str]:
        shape, dtype = tuple(variable.shape), variable.dtype
        value = scope.get_current_value(variable)
        if value is None and variable._initializer is None:
            value = variable.value
        if value is not None:
            return np.array(value), shape, dtype
        if variable.name == _SEED_STATE:
            return None, shape, dtype
        return variable._initializer, shape, dtype

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Graph) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)

    def settings(self, seed: int = 0) -> AbstractContextManager[None]:
        """Return a context with this network's settings of Keras, to build and to trace in."""
        return keras_settings(self.policy, seed)

    def build(self) -> Any:
        """Return a new `keras.Model`, its weights arbitrary."""
        note_use()
        with self.settings():
            return self._build()

    def outline(self, *, sparse: bool = False) -> Any:
        """Return a new `keras.Model` whose variables have no values: what is traced."""
        with self.settings(), without_values():
            return self._build(sparse=True) if sparse else self._build()

    def check_stored(self, weights: list[np.ndarray]) -> None:
        """Raise where weights that were stored cannot be those of this network."""
        shapes = [np.shape(weight) for weight in weights]
        if shapes != self.weight_shapes:
            raise damaged(f"weights of shapes {shapes} for a network of {self.weight_shapes}")
        types = [str(np.asarray(weight).dtype) for weight in weights]
        if types != self.weight_dtypes:
            raise damaged(f"weights of types {types} for a network of {self.weight_dtypes}")
        bad = [
            name
            for name, weight in zip(self.weight_names, weights, strict=True)
            if not np.isfinite(np.asarray(weight, np.float64)).all()
        ]
        if bad:
            raise damaged(f"weights that are not finite in {bad[0]!r}")

    def starting_weights(
        self, seed: int, known: Mapping[str, np.ndarray] | None = None
    ) -> list[np.ndarray]:
        """Return fresh values for `model.variables`, decided by `seed` but for those known.

        Parameters
        ----------
        seed : int
        known : mapping of str to ndarray, default=None
            Values of variables, by name.
        """
        note_use()
        rng = np.random.default_rng(seed)
        known = known or {}
        with self.settings(seed):
            return [
                np.asarray(known[name], start[2]) if name in known else _starting_value(*start, rng)
                for name, start in zip(self.weight_names, self._starts, strict=True)
            ]


def _starting_value(
    start: Any, shape: tuple[int, ...], dtype: str, rng: np.random.Generator
) -> np.ndarray:
    if isinstance(start, np.ndarray):
        return start.copy()
    if start is None:  # the state of a seed generator: its seed, and how often it was asked
        return np.array([rng.integers(2**31), 0], dtype=dtype)
    if isinstance(start, keras.initializers.Initializer):
        config = start.get_config()
        if "seed" in config and config["seed"] is None:
            config["seed"] = int(rng.integers(2**31))
            start = type(start).from_config(config)
    # Drawn in float32, so that a seed gives the same weights in both types.
    drawn = "float32" if dtype == "float64" else dtype
    return np.array(start(shape, dtype=drawn), dtype)


def with_weights(graph: Graph, weights: list[np.ndarray]) -> Any:
    """Return a new `keras.Model` of this graph with these weights."""
    note_use()
    model = graph.build()
    for variable, value in zip(model.variables, weights, strict=True):
        variable.assign(value)
    return model


def custom_network(
    network: Callable[[Any, int], Any],
    input_shape: tuple[int | None, ...],
    n_outputs: int,
    policy: str = "float32",
) -> Graph:
    """Return the network that a user's callable `(inputs, n_outputs) -> logits` makes."""
    return Graph(partial(_model, network, input_shape, n_outputs, policy), policy=policy)


def graph_of(network: Network | OwnNetwork, signature: Signature, dtype: str) -> Graph:
    """Return the graph of a network, if its outputs fit.

    Parameters
    ----------
    network : Network or OwnNetwork
    signature : Signature
    dtype : str
        Name of a Keras dtype policy.
    """
    if isinstance(network, OwnNetwork):
        return _own_graph(network, signature, dtype)
    settings = tuple(network.settings().items())
    key = type(network), settings, signature, dtype
    return _described.get(key, lambda: _described_graph(*key))


def _described_graph(
    kind: type[Network],
    settings: tuple[tuple[str, Hashable], ...],
    signature: Signature,
    dtype: str,
) -> Graph:
    """Return the graph of a described network."""
    network = kind(**dict(settings))

    def build(inputs: Any, n_outputs: int) -> Any:
        return built(network, inputs, signature)

    listed = network.weights(signature)
    graph = Graph(
        partial(_model, build, signature.input_shape, signature.n_outputs, dtype),
        key=(kind, settings, signature, dtype),
        policy=dtype,
        penalised=[weight.is_penalised for weight in listed],
        takes_sparse=network.takes_sparse,
    )
    named = zip(graph.weight_names, graph.weight_shapes, strict=True)
    found = [shape for name, shape in named if name != _SEED_STATE]
    if found != [weight.shape for weight in listed]:
        raise TypeError(
            f"network must list the weights of its Keras graph in their order, {found}; got "
            f"{[weight.shape for weight in listed]} from {kind.__name__}. Correct its method "
            "weights: in Keras layers farther from the outputs come first."
        )
    return graph


def _own_graph(network: OwnNetwork, signature: Signature, dtype: str) -> Graph:
    if network.inputs is None:
        function = _with_shape_in_errors(as_function(network.network))
    else:
        function = with_named_inputs(network.network, network.inputs)
    function = _with_checked_members(function, signature.are_labels)
    if network.takes_mask:
        function = partial(masked, network=function)
    made = custom_network(function, signature.input_shape, signature.n_outputs, dtype)
    if made.output_shape != signature.output_shape:
        raise ValueError(
            f"network must return logits of shape {signature.output_shape}; got "
            f"{made.output_shape}. End it with keras.layers.Dense(n_outputs), where n_outputs is "
            f"{signature.n_outputs} here, without softmax."
        )
    return made


def _with_checked_members(network: Callable[..., Any], are_labels: bool) -> Callable[..., Any]:
    """Return a network that is refused if it is the mean of members for another kind of y."""

    def called(*arguments: Any) -> Any:
        logits = network(*arguments)
        last = _last_operation(logits) if hasattr(logits, "_keras_history") else None
        if isinstance(last, MemberMean) and last.are_labels != are_labels:
            raise ValueError(
                f"network must end in MemberMean(are_labels={are_labels}) for this estimator; got "
                f"are_labels={last.are_labels}. Set it, because labels are not classes."
            )
        return logits

    return called


def _with_shape_in_errors(network: Callable[..., Any]) -> Callable[..., Any]:
    """Return a network whose errors, when it is called, tell the shape of its inputs."""

    def called(inputs: Any, *arguments: Any) -> Any:
        try:
            return network(inputs, *arguments)
        except Exception as error:
            error.add_note(
                f"network was called with inputs of shape {tuple(inputs.shape)}, as X has it."
            )
            raise

    return called


def _model(
    network: Callable[..., Any],
    input_shape: tuple[int | None, ...],
    n_outputs: int,
    policy: str,
    *,
    sparse: bool = False,
) -> Any:
    dtype = keras.dtype_policies.get(policy).variable_dtype
    inputs = keras.Input(input_shape, dtype=dtype, sparse=sparse)
    logits = network(inputs, n_outputs)
    _check_logits(logits)
    try:
        return keras.Model(inputs, logits)
    except ValueError as error:
        raise ValueError(
            "network must compute its logits from `inputs`; got logits that are not connected to "
            "them. Pass `inputs` through all layers, and make no other keras.Input."
        ) from error


def _check_logits(logits: Any) -> None:
    """Raise where a network returns something else than one Keras tensor of logits."""
    if isinstance(logits, dict | list | tuple):
        raise TypeError(
            f"network must return one Keras tensor; got {len(logits)} outputs in a "
            f"{type(logits).__name__}. Return the logits alone."
        )
    if not keras.backend.is_keras_tensor(logits):
        raise TypeError(
            f"network must return a Keras tensor; got {logits!r}. Return the logits, made from "
            "`inputs`."
        )
    if not keras.backend.is_float_dtype(logits.dtype):
        raise TypeError(
            f"network must return logits of a floating-point type; got {logits.dtype}. End it "
            "with keras.layers.Dense(n_outputs)."
        )
    squashed = _squashed_by(logits)
    if squashed:
        raise ValueError(
            f"network must return logits; got the probabilities that a last {squashed} makes of "
            "them. Leave it out."
        )


def _last_operation(logits: Any) -> Any:
    """Return the layer or operation that a tensor comes from, inside nested models, too."""
    history = logits._keras_history
    last = history.operation
    while isinstance(last, keras.Model) and getattr(last, "outputs", None):
        history = last.outputs[history.tensor_index]._keras_history
        last = history.operation
    return last


def _squashed_by(logits: Any) -> str | None:
    """Return the name of the function that turns logits into probabilities at the end, if any."""
    last = _last_operation(logits)
    last = last.layer if isinstance(last, keras.layers.TimeDistributed) else last
    for function in (keras.activations.softmax, keras.activations.sigmoid):
        name = function.__name__
        is_its_layer = is_of_keras(last) and type(last).__name__.lower() == name
        if is_its_layer or getattr(last, "activation", None) is function:
            return name
    return None
