"""LSTM and GRU over time as pure functions, and a gradient that takes real steps only."""

from keras import ops

__all__ = ["N_GATES", "last_state", "scan"]

N_GATES = {"lstm": 4, "gru": 3}
_N_KEPT = 5  # arrays that a step's gradient takes


def scan(cell, inputs, kernel, bias, mask, *, reverse=False, training=False):
    """Return the hidden states of an LSTM or GRU, 0 behind the last real step.

    The loops end with the last step that is real in any row, so that a batch of short
    sequences costs what they need, however long the padding is.

    Parameters
    ----------
    cell : {"lstm", "gru"}
        With Keras' order of gates; the GRU with its reset gate behind the product.
    inputs : tensor of shape (n_steps, n, n_gates * units)
        The input's share in the gates.
    kernel : tensor of shape (units, n_gates * units)
    bias : tensor of shape (n_gates * units,)
        Added to the product of state and kernel.
    mask : tensor of 0 and 1, of the dtype of `inputs`, of shape (n_steps, n)
        Where it is 0 the state stays what it is.
    reverse : bool, default=False
        Go from the last step to the first.
    training : bool, default=False
        Take a gradient of our own, that of `kernel` over all steps at once.

    Returns
    -------
    tensor of shape (n_steps, n, units)
    """
    # As tensors of their own: a gradient of one's own must not meet variables.
    kernel, bias = ops.convert_to_tensor(kernel) * 1, ops.convert_to_tensor(bias) * 1
    real = ops.expand_dims(mask, -1)
    n_run = _n_steps_to_run(mask)
    step, step_back = (_lstm, _lstm_back) if cell == "lstm" else (_gru, _gru_back)

    def number(k):
        return n_run - 1 - k if reverse else k

    def run(inputs, kernel, bias, n_kept):
        """Return the state after each step, and of what it was made as much as asked for."""
        nothing = ops.zeros_like(inputs[..., : kernel.shape[0]])
        start = ops.zeros_like(nothing[0])

        def advance(k, product, h, c, *kept):
            t = number(k)
            new_h, new_c, of_step = step(_at(inputs, t), product + bias, h, c)
            m = _at(real, t)
            h, c = h + m * (new_h - h), c + m * (new_c - c)
            return k + 1, h, c, *_put(kept, t, [h, *of_step[:n_kept]])

        def body(k, h, *others):
            return advance(k, ops.matmul(h, kernel), h, *others)

        # The first step by itself: its product is 0.
        product = ops.zeros_like(inputs[0])
        first = advance(_number(0), product, start, start, *[nothing] * (1 + n_kept))
        _, _, _, *kept = ops.while_loop(lambda k, *_: k < n_run, body, first)
        return kept

    @ops.custom_gradient
    def with_gradient(inputs, kernel, bias):
        states, *kept = run(inputs, kernel, bias, _N_KEPT)

        def gradient(*args, upstream=None):
            of_states = args[0] if upstream is None else upstream
            nothing = ops.zeros_like(states)
            start, turned = nothing[0], ops.transpose(kernel)

            def go_back(k, of_h, of_c, *blocks):
                t = number(n_run - 1 - k)
                m = _at(real, t)
                of_h = of_h + _at(of_states, t)
                new, to_h, to_c = step_back([_at(values, t) for values in kept], m * of_h, m * of_c)
                of_h, of_c = (1 - m) * of_h + to_h, (1 - m) * of_c + to_c
                return new, (k + 1, of_h, of_c, *_put(blocks, t, new))

            def body(*values):
                new, (k, of_h, *others) = go_back(*values)
                return k, of_h + ops.matmul(_of_product(cell, new), turned), *others

            last = ops.while_loop(
                lambda k, *_: k < n_run - 1, body, (_number(0), start, start, *[nothing] * 4)
            )
            _, (_, _, _, *blocks) = go_back(*last)  # no state is before the first
            of_product = ops.reshape(_of_product(cell, blocks), (-1, kernel.shape[1]))
            before = ops.reshape(_shifted(states, start, reverse), (-1, kernel.shape[0]))
            of_kernel = ops.matmul(ops.transpose(before), of_product)
            of_inputs = ops.concatenate(blocks[: N_GATES[cell]], axis=-1)
            return of_inputs, of_kernel, ops.sum(of_product, axis=0)

        return states, gradient

    return with_gradient(inputs, kernel, bias) if training else run(inputs, kernel, bias, 0)[0]


def last_state(states, mask, *, reverse=False):
    """Return the state behind the last step that was taken, (n, units)."""
    return states[0] if reverse else _at(states, _n_steps_to_run(mask) - 1)


def _n_steps_to_run(mask):
    """Return the number, 1 at least, of the last step that is real in any row, from 1."""
    numbers = ops.arange(1, ops.shape(mask)[0] + 1, dtype="int32")
    return ops.maximum(ops.max(numbers * ops.cast(ops.max(mask, axis=1), "int32")), 1)


def _number(value):
    return ops.convert_to_tensor(value, dtype="int32")


def _at(values, t):
    # Not a slice: XLA would compile anew for each value that `t` depends on.
    return ops.take(values, t, axis=0)


def _put(arrays, t, new):
    """Return arrays of three axes with something new at t in each."""
    return [
        ops.scatter_update(array, ops.reshape(t, (1, 1)), ops.expand_dims(values, 0))
        for array, values in zip(arrays, new, strict=True)
    ]


def _shifted(states, start, reverse):
    """Return the state before each step."""
    start = ops.expand_dims(start, 0)
    if reverse:
        return ops.concatenate([states[1:], start], axis=0)
    return ops.concatenate([start, states[:-1]], axis=0)


def _lstm(inputs, product, h, c):
    """Return the state after a step, and what its gradient takes."""
    i, f, g, o = ops.split(inputs + product, 4, axis=-1)
    i, f, g, o = ops.sigmoid(i), ops.sigmoid(f), ops.tanh(g), ops.sigmoid(o)
    new_c = f * c + i * g
    return o * ops.tanh(new_c), new_c, [i, f, g, o, c]


def _lstm_back(kept, of_h, of_c):
    """Return the gradients of the gates, and of the state before but for the product."""
    i, f, g, o, c = kept
    tanh_c = ops.tanh(f * c + i * g)
    of_c = of_c + of_h * o * (1 - tanh_c * tanh_c)
    blocks = [
        of_c * g * i * (1 - i),
        of_c * c * f * (1 - f),
        of_c * i * (1 - g * g),
        of_h * tanh_c * o * (1 - o),
    ]
    return blocks, ops.zeros_like(of_h), of_c * f


def _gru(inputs, product, h, c):
    """Return the state after a step, of which the second part is not used, and as `_lstm`."""
    of_input, of_product = ops.split(inputs, 3, axis=-1), ops.split(product, 3, axis=-1)
    z, r = (ops.sigmoid(a + b) for a, b in zip(of_input[:2], of_product[:2], strict=True))
    g = ops.tanh(of_input[2] + r * of_product[2])
    return z * h + (1 - z) * g, c, [z, r, g, of_product[2], h]


def _gru_back(kept, of_h, of_c):
    """Return the gradients of z, r, the candidate and its product, and as `_lstm_back`."""
    z, r, g, product, h = kept
    of_g = of_h * (1 - z) * (1 - g * g)
    blocks = [of_h * (h - g) * z * (1 - z), of_g * product * r * (1 - r), of_g, of_g * r]
    return blocks, of_h * z, of_c


def _of_product(cell, blocks):
    """Return the gradient of the product of state and kernel."""
    return ops.concatenate(blocks if cell == "lstm" else [*blocks[:2], blocks[3]], axis=-1)
