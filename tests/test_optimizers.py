"""Optimizers as templates: whatever Keras' own fit takes, read only, with keys that differ."""

import keras
import numpy as np
import pytest

from skmask import PrototypeClassifier, RestrictedClassClassifier
from skmask.engine import OPTIMIZERS, Job, Loss, State, Steps, train
from skmask.engine._order import epoch_order
from skmask.engine.tensorflow import OptimizerRecipe, custom_network, with_weights
from skmask.nn.losses import RestrictedCrossentropy
from skmask.nn.networks import mlp

schedules = keras.optimizers.schedules


class Halving(schedules.LearningRateSchedule):
    """Neither registered nor with a config."""

    def __init__(self, start):
        self.start = start

    def __call__(self, step):
        return self.start * keras.ops.power(0.5, keras.ops.cast(step, "float32") / 5)


class OnOneNumber(schedules.LearningRateSchedule):
    """Holds what is not plain."""

    def __init__(self, number):
        self.number = lambda: number

    def __call__(self, step):
        return self.number() + 0.0 * keras.ops.cast(step, "float32")


class Signs(keras.optimizers.Optimizer):
    """An optimizer whose config leaves out one of its arguments."""

    def __init__(self, learning_rate=0.01, power=0.0, **kwargs):
        super().__init__(learning_rate=learning_rate, **kwargs)
        self.power = power

    def update_step(self, gradient, variable, learning_rate):
        rate = keras.ops.cast(learning_rate, variable.dtype)
        step = keras.ops.sign(gradient) * keras.ops.abs(gradient) ** self.power
        self.assign_sub(variable, rate * step)


class NeedsMore(keras.optimizers.SGD):
    def __init__(self, more, **kwargs):
        super().__init__(**kwargs)


def powered():
    template = Signs(0.02)
    template.power = 0.5
    return template


def without_decay_of_biases():
    template = keras.optimizers.AdamW(0.02, weight_decay=0.5)
    template.exclude_from_weight_decay(var_names=["bias"])
    return template


TEMPLATES = {
    "schedule of Keras": lambda: keras.optimizers.SGD(schedules.ExponentialDecay(0.2, 4, 0.7)),
    "schedule of one's own": lambda: keras.optimizers.Adam(Halving(0.05)),
    "schedule with a function": lambda: keras.optimizers.Adam(OnOneNumber(0.05)),
    "function": lambda: keras.optimizers.SGD(lambda: 0.05),
    "class of one's own": lambda: Signs(power=0.3),
    "attribute set later": powered,
    "averaged weights": lambda: keras.optimizers.Adam(0.02, use_ema=True, ema_momentum=0.9),
    "scaled loss": lambda: keras.optimizers.Adam(0.02, loss_scale_factor=128.0),
    "loss scale": lambda: keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam(0.02)),
    "loss scale and schedule": lambda: keras.optimizers.LossScaleOptimizer(
        keras.optimizers.SGD(Halving(0.1)), dynamic_growth_steps=3
    ),
    "clipped": lambda: keras.optimizers.SGD(0.1, momentum=0.9, global_clipnorm=0.1),
    "biases not decayed": without_decay_of_biases,
}


def trained_by_keras(network, weights, columns, optimizer, epochs):
    model = with_weights(network, weights)
    model.compile(optimizer, RestrictedCrossentropy())
    for epoch in range(epochs):
        order = epoch_order(0, epoch, 64)
        model.fit(columns["X"][order], columns["y"][order], 16, shuffle=False, verbose=0)
    return model.get_weights()


@pytest.mark.parametrize("name", TEMPLATES)
def test_template_trains_as_it_does_in_keras(name, rng):
    columns = {
        "X": rng.normal(size=(64, 5)).astype("float32"),
        "y": rng.integers(3, size=64),
        "weight": np.ones(64, np.float32),
    }
    network = custom_network(mlp, (5,), 3)
    template = TEMPLATES[name]()
    job = Job(network, Loss("restricted_crossentropy"), Steps(template, batch_size=16), columns)
    weights = network.starting_weights(0)
    epochs = 1 if name == "averaged weights" else 3  # averages are set at the end of each fit
    state, _ = train(job, State(weights, None, 0), epochs=epochs)
    assert not template.built
    expected = trained_by_keras(network, weights, columns, template, epochs)
    for one, two in zip(state.weights, expected, strict=True):
        np.testing.assert_allclose(one, two, atol=1e-5)


@pytest.mark.parametrize("name", TEMPLATES)
def test_recipes_of_equal_templates_have_one_key(name):
    one, two = (OptimizerRecipe(TEMPLATES[name]()) for _ in range(2))
    assert one.name == two.name
    # What a function computes is unknown: each is its own.
    assert (one.key == two.key) == (name not in ("schedule with a function", "function"))
    template = TEMPLATES[name]()
    assert OptimizerRecipe(template).key == OptimizerRecipe(template).key
    assert OptimizerRecipe(template).learning_rate is None or "schedule" not in name


def test_keys_differ_where_optimizers_do():
    inner = keras.optimizers.SGD
    recipes = [
        *(OptimizerRecipe(make()) for make in TEMPLATES.values()),
        OptimizerRecipe(Signs(power=0.4)),
        OptimizerRecipe(keras.optimizers.Adam(Halving(0.06))),
        OptimizerRecipe(keras.optimizers.Adam(OnOneNumber(0.05))),
        OptimizerRecipe(keras.optimizers.AdamW(0.02, weight_decay=0.5)),
        OptimizerRecipe(keras.optimizers.LossScaleOptimizer(inner(momentum=0.1))),
        OptimizerRecipe(keras.optimizers.LossScaleOptimizer(inner(momentum=0.2))),
        OptimizerRecipe(keras.optimizers.SGD(schedules.ExponentialDecay(0.2, 4, 0.8))),
        OptimizerRecipe("sgd"),
        OptimizerRecipe("adam"),
    ]
    assert len({recipe.key for recipe in recipes}) == len(recipes)


def test_number_is_no_part_of_the_key():
    keys = {OptimizerRecipe("adam", rate).key for rate in (None, 0.1, 1)}
    assert len(keys) == 1
    templates = keras.optimizers.SGD(0.1), keras.optimizers.SGD(Halving(0.1))
    assert OptimizerRecipe(templates[0]).key == OptimizerRecipe(templates[1], 0.2).key


@pytest.mark.parametrize("name", TEMPLATES)
def test_number_wins_over_any_template(name):
    recipe = OptimizerRecipe(TEMPLATES[name](), 0.25)
    optimizer = recipe.build()
    assert recipe.learning_rate == float(optimizer.learning_rate) == 0.25


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_name_stands_for_the_optimizer_of_keras(name):
    optimizer = OptimizerRecipe(name).build()
    assert isinstance(optimizer, keras.optimizers.Optimizer)
    assert type(optimizer).__name__.lower() == name


def test_learning_rate_of_a_name_is_a_thousandth():
    assert OptimizerRecipe("sgd").learning_rate == 1e-3
    assert OptimizerRecipe(keras.optimizers.SGD()).learning_rate == pytest.approx(1e-2)


def test_search_over_the_learning_rate_of_a_template_compares_different_models(data):
    from sklearn.model_selection import GridSearchCV

    X, y, _ = data
    template = keras.optimizers.SGD(schedules.ExponentialDecay(0.2, 4, 0.7))
    clf = RestrictedClassClassifier((), optimizer=template, epochs=5, random_state=0)
    search = GridSearchCV(clf, {"learning_rate": [1e-9, 0.5]}, cv=2, error_score="raise")
    search.fit(X, y)
    assert search.cv_results_["mean_test_score"][0] != search.cv_results_["mean_test_score"][1]


@pytest.mark.parametrize("optimizer", [keras.optimizers.Adam, keras.optimizers.LossScaleOptimizer])
def test_class_of_optimizers_is_refused(data, optimizer):
    X, y, _ = data
    name = optimizer.__name__
    with pytest.raises(TypeError, match=rf"optimizer must be .* the class {name}\. Write {name}"):
        RestrictedClassClassifier(optimizer=optimizer).fit(X, y)


def test_optimizer_of_something_else_is_refused():
    with pytest.raises(TypeError, match=r"optimizer must be a name or an instance .* got 3\.5"):
        OptimizerRecipe(3.5)


def test_optimizer_that_cannot_be_made_anew_is_refused(data):
    X, y, _ = data
    with pytest.raises(TypeError, match=r"optimizer must be made anew .* got NeedsMore"):
        RestrictedClassClassifier(optimizer=NeedsMore(1)).fit(X, y)


def test_learning_rate_of_prototypes_may_be_left_out(data):
    X, y, _ = data
    few = {"solver": "adam", "epochs": 2, "random_state": 0}
    one = PrototypeClassifier(**few).fit(X, y)
    two = PrototypeClassifier(learning_rate=1e-3, **few).fit(X, y)
    assert one.history_ == two.history_
