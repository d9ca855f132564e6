#!/usr/bin/env python3
"""Writes more_layers and functional (.npz, .json): layers of several inputs or outputs, recurrent ones, attention and the
rest; and a model of two inputs and two outputs that is trained.

Run as make_golden.py is (README.md). A case is called on `x0`, `x1`, ... and gives `y0`, `y1`, ...; `w0`, `w1`, ... are its
weights in Keras's order; `dx0`, `dw0`, ... the gradients of the sum of all `y * dy`. `after0`, ... are weights that a
training step changed. test/nn/more_layers_test.cpp says which layer of tapir a case is.
"""
import numpy as np
import tensorflow as tf

from make_golden import Family, keras, normal

k = keras.layers


def case(fam, name, layer, *shapes, call=None, kwargs=None, integer=None, training=False, positive=False, masks=()):
    """`call(layer, xs)` where a layer is not called on the list of its inputs; `masks`: boolean inputs at the end."""
    rng = fam.rng(name)
    xs = [rng.integers(0, integer, s) if integer else np.abs(normal(rng, *s)) if positive else normal(rng, *s) for s in shapes]
    xs += [np.asarray(m) for m in masks]
    xt = [tf.constant(x) for x in xs]
    kwargs = kwargs or {}
    if call is None:
        def call(layer, xs):
            return layer(xs[0] if len(xs) == 1 else xs, **kwargs)
    call(layer, xt)
    for v in layer.weights:
        if v.dtype == "float32":
            v.assign(normal(rng, *v.shape) * 0.4)
    before = [v.numpy() for v in layer.weights if v.dtype == "float32"]
    trained = [v.value for v in layer.trainable_weights]
    floating = [x for x in xt if x.dtype == tf.float32]
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(floating)
        tape.watch(trained)
        ys = call(layer, xt)
        ys = list(ys) if isinstance(ys, (list, tuple)) else [ys]
        dys = [normal(rng, *y.shape) for y in ys]
        total = tf.add_n([tf.reduce_sum(y * dy) for y, dy in zip(ys, dys)])
    zero = tf.UnconnectedGradients.ZERO
    fields = {f"x{i}": x for i, x in enumerate(xs)}
    fields |= {f"w{i}": w for i, w in enumerate(before)}
    fields |= {f"y{i}": y for i, y in enumerate(ys)} | {f"dy{i}": d for i, d in enumerate(dys)}
    # TensorFlow's gradient of a transformed image is another transform, which is not the derivative.
    transformed = isinstance(layer, (k.RandomRotation, k.RandomTranslation, k.RandomZoom))
    fields |= {f"dx{i}": tape.gradient(total, x, unconnected_gradients=zero)
               for i, x in enumerate(xt) if x.dtype == tf.float32 and not transformed}
    weights = [v for v in layer.weights if v.dtype == "float32"]
    if not training:
        fields |= {f"dw{i}": tf.convert_to_tensor(tape.gradient(total, v.value, unconnected_gradients=zero))
                   for i, v in enumerate(weights) if v.trainable}
    else:
        fields |= {f"after{i}": v.numpy() for i, v in enumerate(weights)}
    fam.add(name, type(layer).__name__, {}, fields, inputs=len(xs), outputs=len(ys), training=training, gradients=not training and not transformed,
            weights=[dict(path="/".join(v.path.split("/")[1:]), shape=list(v.shape), trainable=v.trainable) for v in weights])


def more_layers(fam):
    keras.utils.clear_session()
    two = [3, 4], [3, 4]
    for op in "Add Subtract Multiply Average Maximum Minimum Concatenate".split():
        case(fam, op.lower(), getattr(k, op)(), *two)
    case(fam, "add_broadcast", k.Add(), [2, 3], [2, 4, 3])
    case(fam, "concatenate_axis1", k.Concatenate(axis=1), [2, 3, 2], [2, 1, 2])
    case(fam, "dot", k.Dot(axes=1), *two)
    case(fam, "dot_matrices", k.Dot(axes=(2, 1)), [2, 3, 4], [2, 4, 5])
    case(fam, "dot_normalized", k.Dot(axes=2, normalize=True), [2, 3, 4], [2, 5, 4])

    for name, cell in (("simple_rnn", k.SimpleRNN), ("lstm", k.LSTM), ("gru", k.GRU)):
        case(fam, name, cell(4), [2, 5, 3])
        case(fam, name + "_sequences_states", cell(4, return_sequences=True, return_state=True), [2, 5, 3])
        case(fam, name + "_backwards", cell(3, go_backwards=True, return_sequences=True, use_bias=False), [2, 4, 3])
        states = [[2, 3]] * (2 if name == "lstm" else 1)
        case(fam, name + "_initial_state", cell(3, activation="relu"), [2, 4, 2], *states,
             call=lambda layer, xs: layer(xs[0], initial_state=xs[1:]))
        case(fam, name + "_long", cell(3, return_sequences=True), [2, 40, 2])
    case(fam, "gru_reset_before", k.GRU(4, reset_after=False, return_state=True), [2, 5, 3])
    case(fam, "lstm_no_forget_bias", k.LSTM(3, unit_forget_bias=False, recurrent_activation="hard_sigmoid"), [2, 4, 3])
    for name, cell, n in (("simple_rnn_cell", k.SimpleRNNCell, 1), ("lstm_cell", k.LSTMCell, 2), ("gru_cell", k.GRUCell, 1)):
        def step(layer, xs):
            y, states = layer(xs[0], xs[1:])
            return [y, *(states if isinstance(states, (list, tuple)) else [states])]
        case(fam, name, cell(4), [3, 2], *[[3, 4]] * n, call=step)
    case(fam, "bidirectional", k.Bidirectional(k.LSTM(3, return_sequences=True)), [2, 5, 3])
    case(fam, "bidirectional_last", k.Bidirectional(k.GRU(3)), [2, 5, 3])
    case(fam, "bidirectional_sum", k.Bidirectional(k.SimpleRNN(3, return_state=True), merge_mode="sum"), [2, 5, 3])
    case(fam, "time_distributed", k.TimeDistributed(k.Dense(4, activation="relu")), [2, 5, 3])
    case(fam, "stacked_rnn", k.RNN(k.StackedRNNCells([k.LSTMCell(4), k.GRUCell(3)]), return_sequences=True), [2, 5, 3])

    def mha(layer, xs):
        return layer(*xs)
    case(fam, "mha_self", k.MultiHeadAttention(2, 3), [2, 4, 5], call=lambda l, xs: l(xs[0], xs[0]))
    case(fam, "mha_causal", k.MultiHeadAttention(2, 3, value_dim=4), [2, 4, 5],
         call=lambda l, xs: l(xs[0], xs[0], use_causal_mask=True))
    case(fam, "mha_cross", k.MultiHeadAttention(3, 2, output_shape=7, use_bias=False), [2, 4, 5], [2, 6, 3], call=mha)
    case(fam, "mha_key_scores", k.MultiHeadAttention(2, 3), [2, 4, 5], [2, 6, 3], [2, 6, 4],
         call=lambda l, xs: l(*xs, return_attention_scores=True))
    mask = np.random.default_rng(5).random((2, 4, 6)) < 0.6
    case(fam, "mha_mask", k.MultiHeadAttention(2, 3), [2, 4, 5], [2, 6, 3], [2, 6, 3], masks=[mask],
         call=lambda l, xs: l(*xs[:3], attention_mask=xs[3]))
    case(fam, "attention", k.Attention(), [2, 4, 5], [2, 6, 5])
    case(fam, "attention_scale_causal", k.Attention(use_scale=True), [2, 4, 5], [2, 4, 5],
         call=lambda l, xs: l(xs, use_causal_mask=True))
    case(fam, "additive_attention", k.AdditiveAttention(), [2, 4, 5], [2, 6, 5], [2, 6, 5])
    case(fam, "einsum_dense", k.EinsumDense("abc,cd->abd", output_shape=(None, 4), bias_axes="d"), [2, 3, 5])
    case(fam, "einsum_dense_ellipsis", k.EinsumDense("...x,xy->...y", output_shape=4, bias_axes="y", activation="relu"), [2, 3, 5])
    case(fam, "einsum_dense_two", k.EinsumDense("abc,cde->abde", output_shape=(None, 2, 3), bias_axes="de"), [2, 3, 5])

    case(fam, "unit_normalization", k.UnitNormalization(), [3, 4])
    case(fam, "unit_normalization_axes", k.UnitNormalization(axis=(1, 2)), [3, 4, 2])
    case(fam, "spectral_dense", k.SpectralNormalization(k.Dense(4), power_iterations=2), [3, 5],
         call=lambda l, xs: l(xs[0], training=True), training=True)
    case(fam, "spectral_conv", k.SpectralNormalization(k.Conv2D(3, 2)), [2, 4, 5, 2], call=lambda l, xs: l(xs[0], training=False))

    case(fam, "repeat_vector", k.RepeatVector(3), [2, 4])
    case(fam, "zero_padding1d", k.ZeroPadding1D((1, 2)), [2, 4, 3])
    case(fam, "zero_padding3d", k.ZeroPadding3D(((1, 0), (0, 2), (1, 1))), [1, 2, 3, 2, 2])
    case(fam, "cropping1d", k.Cropping1D((1, 2)), [2, 6, 3])
    case(fam, "cropping2d", k.Cropping2D(((1, 0), (2, 1))), [2, 4, 5, 3])
    case(fam, "cropping3d", k.Cropping3D(1), [1, 4, 3, 5, 2])
    case(fam, "up_sampling1d", k.UpSampling1D(3), [2, 4, 3])
    case(fam, "up_sampling3d", k.UpSampling3D((1, 2, 3)), [1, 2, 3, 2, 2])
    case(fam, "conv1d_transpose", k.Conv1DTranspose(3, 3, strides=2, padding="same", activation="tanh"), [2, 4, 2])
    case(fam, "conv3d_transpose", k.Conv3DTranspose(2, 2, strides=2), [1, 2, 3, 2, 2])
    case(fam, "depthwise_conv1d", k.DepthwiseConv1D(3, depth_multiplier=2, strides=2, padding="same"), [2, 7, 3])
    case(fam, "separable_conv1d", k.SeparableConv1D(4, 3, depth_multiplier=2, activation="relu"), [2, 7, 3])
    case(fam, "normalization", k.Normalization(mean=[1.0, 2.0, 3.0], variance=[4.0, 1.0, 0.25]), [4, 3])
    case(fam, "normalization_invert", k.Normalization(mean=0.5, variance=2.0, invert=True), [4, 3])
    case(fam, "resizing", k.Resizing(3, 5), [2, 4, 7, 2])
    case(fam, "resizing_nearest", k.Resizing(6, 5, interpolation="nearest"), [2, 4, 7, 2])
    case(fam, "center_crop", k.CenterCrop(3, 4), [2, 6, 7, 2])
    case(fam, "category_one_hot", k.CategoryEncoding(5, output_mode="one_hot"), [4], integer=5)
    case(fam, "category_multi_hot", k.CategoryEncoding(5, output_mode="multi_hot"), [4, 3], integer=5)
    case(fam, "category_count", k.CategoryEncoding(5, output_mode="count"), [4, 3], integer=5)
    case(fam, "discretization", k.Discretization([-1.0, 0.0, 0.5]), [3, 4])

    # Augmentation with one-sided ranges, so that nothing is left to chance.
    train = dict(training=True)
    for mode in ("reflect", "constant", "nearest", "wrap"):
        case(fam, f"rotation_{mode}", k.RandomRotation((0.1, 0.1), fill_mode=mode, fill_value=0.5), [2, 6, 5, 2], kwargs=train)
        case(fam, f"translation_{mode}", k.RandomTranslation((0.21, 0.21), (-0.3, -0.3), fill_mode=mode), [2, 6, 5, 2], kwargs=train)
        case(fam, f"zoom_{mode}", k.RandomZoom((0.2, 0.2), (-0.3, -0.3), fill_mode=mode), [2, 6, 5, 2], kwargs=train)
    case(fam, "rotation_nearest_pixel", k.RandomRotation((0.13, 0.13), interpolation="nearest"), [2, 6, 5, 2], kwargs=train)
    case(fam, "zoom_same", k.RandomZoom((0.25, 0.25)), [2, 6, 6, 2], kwargs=train)
    case(fam, "brightness", k.RandomBrightness((0.2, 0.2), value_range=(0.0, 1.0)), [2, 4, 4, 3], kwargs=train, positive=True)


def functional(fam):
    """Two inputs, a shared layer, two outputs, three epochs of fit."""
    keras.utils.clear_session()
    rng = fam.rng("fit")
    a, b = keras.Input((4,), name="a"), keras.Input((4,), name="b")
    shared = k.Dense(5, activation="tanh")
    h = k.Add()([shared(a), shared(b)])
    model = keras.Model([a, b], [k.Dense(1, name="value")(h), k.Dense(3, activation="softmax", name="kind")(h)])
    for v in model.weights:
        v.assign(normal(rng, *v.shape) * 0.4)
    x, z = normal(rng, 12, 4), normal(rng, 12, 4)
    y, c, weight = normal(rng, 12, 1), rng.integers(0, 3, 12), np.abs(normal(rng, 12))
    fields = {"a": x, "b": z, "value": y, "kind": c, "weight": weight} | {f"w{i}": v.numpy() for i, v in enumerate(model.weights)}
    model.compile("sgd", ["mse", "sparse_categorical_crossentropy"], loss_weights=[1.0, 0.5], metrics=[["mae"], ["accuracy"]])
    history = model.fit([x, z], [y, c], epochs=3, batch_size=4, shuffle=False, verbose=0, sample_weight=weight).history
    after = model.predict([x, z], verbose=0)
    fields |= {f"after{i}": v.numpy() for i, v in enumerate(model.weights)} | {"y0": after[0], "y1": after[1]}
    fam.add("fit", "fit", {}, fields, history=history, evaluated=model.evaluate([x, z], [y, c], verbose=0, return_dict=True))


if __name__ == "__main__":
    for make in (more_layers, functional):
        family = Family(make.__name__)
        make(family)
        family.save()
