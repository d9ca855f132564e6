#!/usr/bin/env python3
"""Writes the reference values of test/golden/ (NAME.npz + NAME.json) with real TensorFlow and Keras.

Never run by ./dev test. To remake every family, or only those named:

    python3 -m venv ~/.cache/tapir/golden-venv
    ~/.cache/tapir/golden-venv/bin/pip install tensorflow-cpu==2.21.0 keras==3.15.1 numpy==2.4.6
    ~/.cache/tapir/golden-venv/bin/python test/golden/make_golden.py [conv pool ...]

Every case draws from its own seed (its name), so a new case leaves the bytes of the others alone.
README.md says what the fields mean.
"""
import json
import os
import sys
import zlib
from pathlib import Path

os.environ.update(CUDA_VISIBLE_DEVICES="", TF_CPP_MIN_LOG_LEVEL="3", TF_ENABLE_ONEDNN_OPTS="0",
                  KERAS_BACKEND="tensorflow", COLUMNS="80")
import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402
import keras  # noqa: E402

HERE = Path(__file__).resolve().parent
f32, f64 = np.float32, np.float64


class Family:
    """Cases of one family; fields become npz members `<case>.<field>`."""

    def __init__(self, name):
        self.name, self.cases, self.arrays = name, [], {}

    def rng(self, case):
        return np.random.default_rng(zlib.crc32(f"{self.name}/{case}".encode()))

    def add(self, case, op, attrs, fields=(), **extra):
        assert case not in [c["name"] for c in self.cases], f"{self.name}: case {case} named twice"
        self.cases.append({"name": case, "op": op, "attrs": attrs, **extra})
        for field, value in dict(fields).items():
            value = np.asarray(value)
            kind = {"f": f32, "i": np.int64, "u": np.int64, "b": np.bool_}[value.dtype.kind]
            self.arrays[f"{case}.{field}"] = np.asarray(value, dtype=kind, order="C")

    def save(self):
        rows = ",\n".join(json.dumps(c, allow_nan=False, ensure_ascii=False) for c in self.cases)
        (HERE / f"{self.name}.json").write_text(f"[\n{rows}\n]\n", encoding="utf-8")
        if self.arrays:
            np.savez_compressed(HERE / f"{self.name}.npz", **self.arrays)
        print(f"{self.name}: {len(self.cases)} cases, {len(self.arrays)} arrays")


def normal(rng, *shape):
    return rng.normal(size=shape).astype(f32)


def apart(rng, *shape):
    """Values at least 0.01 apart, so that a maximum has no ties."""
    n = int(np.prod(shape))
    return ((rng.permutation(n) - n / 2) * max(0.01, 4 / n)).astype(f32).reshape(shape)


def vjp(fn, args, rng=None, dy=None, dtype=f64, xla=False):
    """Value and gradients of fn at args, for a random dy when none is given. Returns (y, dy, [d args])."""
    args = [tf.constant(a, dtype) for a in args]
    run = (lambda f: tf.function(f, jit_compile=True)) if xla else (lambda f: f)
    y = run(lambda *a: fn(*a))(*args)
    if dy is None:
        dy = normal(rng, *y.shape)

    def backward(dy, *a):
        with tf.GradientTape() as tape:
            tape.watch(a)
            value = fn(*a)
        return tape.gradient(value, a, output_gradients=dy, unconnected_gradients="zero")

    return y.numpy(), dy, [tf.convert_to_tensor(g).numpy() for g in run(backward)(tf.constant(dy, y.dtype), *args)]


def with_grads(names, args, y, dy, grads):
    """Fields for arguments `names`: inputs, y, dy, and d<name> for each."""
    return {**dict(zip(names, args)), "y": y, "dy": dy, **{f"d{n}": g for n, g in zip(names, grads)}}


# ---- conv: f64 inside, XLA, checked against eager TensorFlow wherever eager has a kernel --------------------------

LAST = {1: "NWC", 2: "NHWC", 3: "NDHWC"}
FIRST = {1: "NCW", 2: "NCHW", 3: "NCDHW"}


def channels_last(fn, first):
    """Runs a channels-last fn on channels-first data: TensorFlow has no CPU kernels for the latter."""
    if not first:
        return fn

    def moved(x, *rest):
        n = x.shape.rank
        y = fn(tf.transpose(x, [0, *range(2, n), 1]), *rest)
        return tf.transpose(y, [0, n - 1, *range(1, n - 1)])
    return moved


def conv(fam):
    def case(name, rank, x, w, strides=1, padding="same", dilations=1, groups=1, first=False, explicit=None):
        strides, dilations = [list(np.broadcast_to(v, rank).tolist()) for v in (strides, dilations)]
        attrs = dict(strides=strides, padding="explicit" if explicit else padding, dilations=dilations,
                     groups=groups, data_format=(FIRST if first else LAST)[rank])
        if explicit:
            attrs["explicit_paddings"] = explicit

        def plain(x, w):
            if explicit:
                x = tf.pad(x, [[0, 0], *explicit, [0, 0]])
            raw = (tf.nn.conv1d, tf.nn.conv2d, tf.nn.conv3d)[rank - 1]  # XLA runs every mix of options
            one = [] if rank == 1 else [1]
            return raw(x, w, one + strides + one, "VALID" if explicit else padding.upper(), LAST[rank],
                       one + dilations + one)
        emit(name, f"conv{rank}d", attrs, channels_last(plain, first), x, w)

    def transpose(name, rank, x, w, strides=1, padding="same", dilations=1, output_padding=None, first=False):
        strides, dilations = [list(np.broadcast_to(v, rank).tolist()) for v in (strides, dilations)]
        attrs = dict(strides=strides, padding=padding, dilations=dilations, data_format=(FIRST if first else LAST)[rank])
        if output_padding is not None:
            attrs["output_padding"] = output_padding

        def plain(x, w):
            return keras.ops.conv_transpose(x, w, strides, padding, output_padding, "channels_last", dilations)
        emit(name, f"conv{rank}d_transpose", attrs, channels_last(plain, first), x, w)

    def depthwise(name, x, w, strides=1, padding="same", dilations=1, first=False, pointwise=None):
        strides, dilations = [list(np.broadcast_to(v, 2).tolist()) for v in (strides, dilations)]
        attrs = dict(strides=strides, padding=padding, dilations=dilations, data_format="NCHW" if first else "NHWC")

        # As the grouped convolution it is: TensorFlow's own depthwise kernels want equal strides.
        def plain(x, w, pw=None):
            kh, kw, c, m = w.shape
            y = tf.nn.conv2d(x, tf.reshape(w, [kh, kw, 1, c * m]), strides, padding.upper(), "NHWC", dilations)
            return y if pw is None else tf.nn.conv2d(y, pw, 1, "VALID")

        def native(x, w, pw=None):
            s = [1, *strides, 1]
            if pw is None:
                return tf.nn.depthwise_conv2d(x, w, s, padding.upper(), "NHWC", dilations)
            return tf.nn.separable_conv2d(x, w, pw, s, padding.upper(), "NHWC", dilations)
        weights = [w] if pointwise is None else [w, pointwise]
        emit(name, "depthwise_conv2d" if pointwise is None else "separable_conv2d", attrs,
             channels_last(plain, first), x, *weights, eager=channels_last(native, first))

    def emit(name, op, attrs, fn, x, *weights, eager=None):
        rng = fam.rng(name)
        args = [normal(rng, *s) for s in (x, *weights)]
        y, dy, grads = vjp(fn, args, rng, xla=True)
        try:
            again, _, more = vjp(eager or fn, args, dy=dy)
        except (tf.errors.OpError, ValueError, NotImplementedError):
            conv.unchecked.append(name)
        else:
            for a, b in zip([y, *grads], [again, *more]):
                np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9, err_msg=name)
        names = ["x", "w", "pw"][:len(args)]
        fam.add(name, op, attrs, with_grads(names, args, y, dy, grads))

    conv.unchecked = []
    case("conv1d_same", 1, [2, 9, 3], [3, 3, 4])
    case("conv1d_valid", 1, [2, 9, 3], [4, 3, 2], padding="valid")
    case("conv1d_same_stride2", 1, [2, 10, 2], [3, 2, 3], strides=2)
    case("conv1d_valid_stride3", 1, [1, 11, 2], [2, 2, 3], strides=3, padding="valid")
    case("conv1d_dilation2", 1, [2, 11, 2], [3, 2, 3], dilations=2)
    case("conv1d_groups2", 1, [2, 8, 4], [3, 2, 6], groups=2)
    case("conv1d_first", 1, [2, 3, 9], [3, 3, 4], strides=2, first=True)

    case("conv2d_1x1", 2, [2, 5, 4, 3], [1, 1, 3, 5])
    case("conv2d_1x1_stride2", 2, [2, 5, 6, 3], [1, 1, 3, 4], strides=2)
    case("conv2d_same", 2, [2, 7, 5, 3], [3, 3, 3, 4])
    case("conv2d_valid", 2, [2, 7, 5, 3], [3, 3, 3, 4], padding="valid")
    case("conv2d_same_even_kernel", 2, [1, 6, 5, 2], [2, 4, 2, 3])
    case("conv2d_valid_unequal_kernel", 2, [2, 6, 9, 2], [2, 5, 2, 3], padding="valid")
    case("conv2d_same_stride2_odd", 2, [2, 7, 9, 2], [3, 3, 2, 3], strides=2)
    case("conv2d_same_stride2_even", 2, [2, 8, 6, 2], [3, 3, 2, 3], strides=2)
    case("conv2d_same_stride2_kernel5", 2, [1, 9, 8, 2], [5, 5, 2, 3], strides=2)
    case("conv2d_valid_stride2", 2, [2, 8, 7, 2], [3, 3, 2, 3], strides=2, padding="valid")
    case("conv2d_same_stride_2_3", 2, [1, 8, 10, 2], [3, 3, 2, 3], strides=[2, 3])
    case("conv2d_valid_stride_3_1", 2, [1, 9, 6, 2], [2, 3, 2, 3], strides=[3, 1], padding="valid")
    case("conv2d_stride_over_kernel", 2, [1, 9, 8, 2], [2, 2, 2, 3], strides=3)
    case("conv2d_stride_over_kernel_valid", 2, [1, 9, 8, 2], [2, 1, 2, 3], strides=[3, 2], padding="valid")
    case("conv2d_same_dilation2", 2, [1, 9, 7, 2], [3, 3, 2, 3], dilations=2)
    case("conv2d_valid_dilation_2_3", 2, [1, 9, 10, 2], [3, 3, 2, 3], dilations=[2, 3], padding="valid")
    case("conv2d_same_stride2_dilation2", 2, [1, 9, 8, 2], [3, 3, 2, 3], strides=2, dilations=2)
    case("conv2d_valid_stride_2_1_dilation_1_2", 2, [1, 8, 9, 2], [3, 3, 2, 3], strides=[2, 1], dilations=[1, 2],
         padding="valid")
    case("conv2d_groups2", 2, [2, 6, 5, 4], [3, 3, 2, 6], groups=2)
    case("conv2d_groups3_stride2", 2, [1, 7, 6, 6], [3, 2, 2, 9], strides=2, groups=3)
    case("conv2d_groups2_dilation2_valid", 2, [1, 8, 9, 4], [3, 3, 2, 4], dilations=2, groups=2, padding="valid")
    case("conv2d_groups_depthwise", 2, [1, 6, 7, 5], [3, 3, 1, 5], groups=5)
    case("conv2d_explicit", 2, [2, 6, 5, 2], [3, 3, 2, 3], explicit=[[1, 2], [0, 3]])
    case("conv2d_explicit_stride2", 2, [1, 7, 6, 2], [3, 2, 2, 3], strides=2, explicit=[[2, 0], [1, 2]])
    case("conv2d_kernel_over_input", 2, [1, 2, 3, 2], [5, 5, 2, 3])
    case("conv2d_first", 2, [2, 3, 7, 5], [3, 3, 3, 4], first=True)
    case("conv2d_first_stride2_valid", 2, [2, 3, 7, 6], [3, 2, 3, 4], strides=2, padding="valid", first=True)
    case("conv2d_first_groups2", 2, [1, 4, 5, 6], [3, 3, 2, 4], groups=2, first=True)
    case("conv2d_cnn_first_layer", 2, [1, 12, 11, 1], [3, 3, 1, 17], padding="valid")
    case("conv2d_many_channels", 2, [1, 4, 5, 17], [3, 3, 17, 19])

    case("conv3d_same", 3, [1, 4, 5, 3, 2], [3, 2, 3, 2, 3])
    case("conv3d_valid", 3, [1, 4, 5, 6, 2], [2, 3, 2, 2, 3], padding="valid")
    case("conv3d_same_stride2", 3, [1, 5, 4, 6, 2], [3, 3, 2, 2, 2], strides=2)
    case("conv3d_stride_1_2_3", 3, [1, 3, 5, 7, 2], [2, 2, 3, 2, 2], strides=[1, 2, 3], padding="valid")
    case("conv3d_dilation2", 3, [1, 5, 6, 5, 1], [2, 2, 3, 1, 2], dilations=2)
    case("conv3d_groups2", 3, [1, 3, 4, 5, 4], [2, 3, 2, 2, 4], groups=2)
    case("conv3d_first", 3, [1, 2, 4, 3, 5], [2, 3, 2, 2, 3], first=True)

    transpose("conv1d_transpose_same_stride2", 1, [2, 5, 3], [3, 4, 3], strides=2)
    transpose("conv1d_transpose_valid", 1, [2, 5, 3], [4, 2, 3], padding="valid")
    transpose("conv1d_transpose_valid_stride3", 1, [1, 4, 2], [2, 3, 2], strides=3, padding="valid")
    transpose("conv2d_transpose_same", 2, [2, 5, 4, 3], [3, 3, 2, 3])
    transpose("conv2d_transpose_valid", 2, [2, 5, 4, 3], [3, 2, 2, 3], padding="valid")
    transpose("conv2d_transpose_same_stride2", 2, [2, 4, 5, 3], [3, 3, 2, 3], strides=2)
    transpose("conv2d_transpose_valid_stride2", 2, [1, 4, 5, 3], [3, 3, 2, 3], strides=2, padding="valid")
    transpose("conv2d_transpose_same_stride_2_3", 2, [1, 3, 4, 2], [4, 3, 3, 2], strides=[2, 3])
    transpose("conv2d_transpose_even_kernel", 2, [1, 3, 4, 2], [4, 2, 3, 2], strides=2)
    transpose("conv2d_transpose_stride_over_kernel", 2, [1, 3, 4, 2], [2, 2, 3, 2], strides=3)
    transpose("conv2d_transpose_stride_over_kernel_valid", 2, [1, 3, 4, 2], [2, 1, 3, 2], strides=3, padding="valid")
    transpose("conv2d_transpose_dilation2", 2, [1, 4, 5, 2], [3, 3, 3, 2], dilations=2)
    transpose("conv2d_transpose_output_padding", 2, [1, 4, 3, 2], [3, 3, 3, 2], strides=2, output_padding=1)
    transpose("conv2d_transpose_output_padding_valid", 2, [1, 4, 3, 2], [3, 3, 3, 2], strides=2, padding="valid",
              output_padding=1)
    transpose("conv2d_transpose_first", 2, [1, 3, 4, 5], [3, 3, 2, 3], strides=2, first=True)
    transpose("conv3d_transpose_same_stride2", 3, [1, 2, 3, 4, 2], [3, 2, 3, 2, 2], strides=2)
    transpose("conv3d_transpose_valid", 3, [1, 2, 3, 4, 2], [2, 3, 2, 2, 2], padding="valid")

    depthwise("depthwise_same", [2, 6, 5, 3], [3, 3, 3, 1])
    depthwise("depthwise_multiplier2", [2, 6, 5, 3], [3, 2, 3, 2])
    depthwise("depthwise_valid_stride2", [1, 8, 7, 3], [3, 3, 3, 2], strides=2, padding="valid")
    depthwise("depthwise_same_stride_1_2", [1, 6, 7, 3], [3, 3, 3, 1], strides=[1, 2])
    depthwise("depthwise_dilation2", [1, 8, 7, 3], [3, 3, 3, 1], dilations=2)
    depthwise("depthwise_first", [1, 3, 6, 7], [3, 3, 3, 2], first=True)
    depthwise("separable_same", [2, 6, 5, 3], [3, 3, 3, 1], pointwise=[1, 1, 3, 4])
    depthwise("separable_multiplier2_stride2", [1, 7, 8, 3], [3, 3, 3, 2], strides=2, pointwise=[1, 1, 6, 5])
    depthwise("separable_valid_dilation2", [1, 8, 7, 2], [3, 2, 2, 2], padding="valid", dilations=2,
              pointwise=[1, 1, 4, 3])
    print("  without an eager kernel to compare with:", ", ".join(conv.unchecked))


# ---- pool ----------------------------------------------------------------------------------------------------------

def pool(fam):
    def case(name, kind, rank, x, ksize, strides, padding, first=False, values=apart):
        ksize, strides = [list(np.broadcast_to(v, rank).tolist()) for v in (ksize, strides)]
        fn = getattr(tf.nn, f"{kind}_pool{rank}d")
        rng = fam.rng(name)
        x = values(rng, *x)
        y, dy, (dx,) = vjp(channels_last(lambda x: fn(x, ksize, strides, padding.upper(), LAST[rank]), first), [x],
                           rng, dtype=f32)
        fam.add(name, f"{kind}_pool{rank}d", dict(ksize=ksize, strides=strides, padding=padding,
                data_format=(FIRST if first else LAST)[rank]), dict(x=x, y=y, dy=dy, dx=dx))

    for kind in ("max", "avg"):
        case(f"{kind}1d_valid", kind, 1, [2, 9, 3], 2, 2, "valid")
        case(f"{kind}1d_same_overlap", kind, 1, [2, 9, 3], 4, 2, "same")
        case(f"{kind}2d_valid", kind, 2, [2, 7, 6, 3], 2, 2, "valid")
        case(f"{kind}2d_same", kind, 2, [2, 7, 5, 3], 2, 2, "same")
        case(f"{kind}2d_same_3x3_stride1", kind, 2, [1, 5, 6, 2], 3, 1, "same")
        case(f"{kind}2d_valid_overlap", kind, 2, [1, 8, 7, 2], 3, 2, "valid")
        case(f"{kind}2d_unequal", kind, 2, [1, 9, 8, 2], [2, 3], [1, 2], "same")
        case(f"{kind}2d_stride_over_window", kind, 2, [1, 9, 8, 2], 2, 3, "valid")
        case(f"{kind}2d_first", kind, 2, [1, 3, 7, 6], 3, 2, "same", first=True)
        case(f"{kind}3d_valid", kind, 3, [1, 4, 5, 6, 2], 2, 2, "valid")
        case(f"{kind}3d_same_unequal", kind, 3, [1, 5, 4, 3, 2], [3, 2, 2], [2, 1, 2], "same")
    case("max2d_same_all_negative", "max", 2, [1, 5, 5, 2], 3, 2, "same", values=lambda r, *s: apart(r, *s) - 9)
    case("max2d_ties", "max", 2, [1, 6, 6, 2], 3, 2, "valid",  # the first of equals takes the gradient
         values=lambda r, *s: r.integers(0, 3, s).astype(f32))

    for rank, shape in ((1, [2, 5, 3]), (2, [2, 5, 4, 3]), (3, [2, 3, 4, 2, 3])):
        for kind in ("Max", "Average"):
            for keepdims in (False, True):
                name = f"global_{kind.lower()}{rank}d" + ("_keepdims" if keepdims else "")
                layer = getattr(keras.layers, f"Global{kind}Pooling{rank}D")(keepdims=keepdims, dtype="float64")
                rng = fam.rng(name)
                x = apart(rng, *shape)
                y, dy, (dx,) = vjp(layer, [x], rng)
                fam.add(name, f"Global{kind}Pooling{rank}D", dict(keepdims=keepdims, data_format=LAST[rank]),
                        dict(x=x, y=y, dy=dy, dx=dx))


# ---- norm: Keras layers in f64 -------------------------------------------------------------------------------------

def norm(fam):
    def case(name, kind, shape, training=None, scale_x=1.0, shift_x=0.0, **options):
        layer = getattr(keras.layers, kind)(dtype="float64", **options)
        rng = fam.rng(name)
        x = (normal(rng, *shape) * scale_x + shift_x).astype(f32)
        layer.build(x.shape)
        start = {}
        for v in layer.weights:
            value = normal(rng, *v.shape) * 0.3 + (0.0 if v.name in ("beta", "moving_mean") else 1.0)
            start[v.name] = (np.abs(value) + 0.1 if v.name == "moving_variance" else value).astype(f32)
            v.assign(start[v.name])
        call = {} if training is None else {"training": training}
        xt = tf.constant(x, f64)
        names = [v.name.replace("scale", "gamma") for v in layer.trainable_variables]
        with tf.GradientTape() as tape:
            tape.watch(xt)
            y = layer(xt, **call)
        dy = normal(rng, *y.shape)
        grads = tape.gradient(y, [xt, *[v.value for v in layer.trainable_variables]],
                              output_gradients=tf.constant(dy, y.dtype))
        fields = {"x": x, **{k.replace("scale", "gamma"): v for k, v in start.items()}, "y": y, "dy": dy,
                  **{f"d{n}": g for n, g in zip(["x", *names], grads)}}
        if training:
            fields |= {f"new_{v.name}": v.numpy() for v in layer.non_trainable_variables if "moving" in v.name}
        keep = ("axis", "epsilon", "momentum", "center", "scale", "groups")
        attrs = {k: v for k, v in layer.get_config().items() if k in keep}
        attrs["axis"] = options.get("axis", -1)
        fam.add(name, kind, attrs | call, fields)

    for shape in ([6, 5], [3, 4, 5, 2]):
        rank = f"{len(shape)}d"
        case(f"batch_{rank}_training", "BatchNormalization", shape, True)
        case(f"batch_{rank}_inference", "BatchNormalization", shape, False)
    case("batch_axis1_training", "BatchNormalization", [3, 4, 5, 2], True, axis=1)
    case("batch_axis1_inference", "BatchNormalization", [3, 4, 5, 2], False, axis=1)
    case("batch_no_scale", "BatchNormalization", [4, 3, 5], True, scale=False)
    case("batch_no_center", "BatchNormalization", [4, 3, 5], True, center=False)
    case("batch_options", "BatchNormalization", [5, 3, 4], True, momentum=0.7, epsilon=1e-5)
    case("batch_large_mean", "BatchNormalization", [7, 3, 4], True, shift_x=100.0)
    case("layer_2d", "LayerNormalization", [4, 7])
    case("layer_3d", "LayerNormalization", [2, 3, 5])
    case("layer_axes", "LayerNormalization", [2, 3, 5, 4], axis=[2, 3])
    case("layer_axis1", "LayerNormalization", [2, 3, 5], axis=1)
    case("layer_no_scale_no_center", "LayerNormalization", [3, 5], scale=False, center=False)
    case("layer_epsilon", "LayerNormalization", [3, 5], epsilon=1e-6, scale_x=0.01)
    case("layer_large_mean", "LayerNormalization", [3, 9], shift_x=100.0)
    case("group_2", "GroupNormalization", [2, 3, 5, 4], groups=2)
    case("group_3_2d", "GroupNormalization", [4, 6], groups=3)
    case("group_instance", "GroupNormalization", [2, 4, 3, 5], groups=-1)
    case("group_one", "GroupNormalization", [2, 5, 4], groups=1)
    case("group_axis1", "GroupNormalization", [2, 4, 3, 5], groups=2, axis=1)
    case("rms_2d", "RMSNormalization", [4, 7])
    case("rms_3d", "RMSNormalization", [2, 3, 5])
    case("rms_tiny", "RMSNormalization", [3, 5], scale_x=1e-3)
    case("rms_epsilon", "RMSNormalization", [3, 5], epsilon=1e-2)


# ---- losses and metrics: Keras in f32 (their clipping at 1e-7 depends on it) ----------------------------------------

def probabilities(rng, *shape):
    e = np.exp(normal(rng, *shape))
    return (e / e.sum(-1, keepdims=True)).astype(f32)


def loss_case(fam, name, kind, y_true, y_pred, weights=None, **options):
    loss = getattr(keras.losses, kind)(**options)
    each = getattr(keras.losses, kind)(**{**options, "reduction": None})
    pred = tf.constant(y_pred)
    with tf.GradientTape() as tape:
        tape.watch(pred)
        value = loss(y_true, pred, sample_weight=weights)
    fields = dict(y_true=y_true, y_pred=y_pred, loss=value, dy_pred=tape.gradient(value, pred))
    fields["loss_each"] = each(y_true, pred, sample_weight=weights)
    if weights is not None:
        fields["sample_weight"] = weights
    fam.add(name, kind, options, fields)


def losses(fam):
    def case(*args, **options):
        loss_case(fam, *args, **options)

    def draw(name, *shape):
        return normal(fam.rng(name), *shape)

    def signs(name, *shape):
        return np.where(fam.rng(name + "/true").random(shape) < 0.5, -1, 1).astype(f32)

    for name, kind in (("mean_squared_error", "MeanSquaredError"), ("mean_absolute_error", "MeanAbsoluteError"),
                       ("mean_absolute_percentage_error", "MeanAbsolutePercentageError"),
                       ("huber", "Huber"), ("log_cosh", "LogCosh"), ("cosine_similarity", "CosineSimilarity")):
        case(name, kind, draw(name + "/true", 5, 3), draw(name, 5, 3) * 2)
        case(f"{name}_3d", kind, draw(name + "/true3", 2, 3, 5), draw(name + "/3", 2, 3, 5) * 2)
        case(f"{name}_weighted", kind, draw(name + "/true", 5, 3), draw(name, 5, 3) * 2,
             weights=np.array([1, 0, 2, 0.5, 3], f32))
    case("mean_squared_error_sum", "MeanSquaredError", draw("sum/true", 5, 3), draw("sum", 5, 3), reduction="sum")
    case("mean_absolute_percentage_error_zero_true", "MeanAbsolutePercentageError",
         np.array([[0, 1], [-2, 0]], f32), np.array([[1e-3, 2], [1, 0]], f32))
    case("huber_delta_half", "Huber", draw("hd/true", 5, 3), draw("hd", 5, 3) * 2, delta=0.5)
    case("log_cosh_large", "LogCosh", np.zeros((2, 3), f32), np.array([[100, -200, 50], [0, 1e-3, -20]], f32))
    case("cosine_similarity_axis0", "CosineSimilarity", draw("cs/true", 5, 3), draw("cs", 5, 3), axis=0)
    case("mean_squared_logarithmic_error", "MeanSquaredLogarithmicError", np.abs(draw("msle/true", 5, 3)),
         np.abs(draw("msle", 5, 3)) * 3)
    case("mean_squared_logarithmic_error_negative", "MeanSquaredLogarithmicError",
         np.array([[0.5, 2], [0, 1]], f32), np.array([[-1, 3], [-0.2, 1]], f32))

    for name, kind in (("binary_crossentropy", "BinaryCrossentropy"),
                       ("binary_focal_crossentropy", "BinaryFocalCrossentropy")):
        rng = fam.rng(name)
        true, prob, logits = (rng.random((5, 3)) < 0.4).astype(f32), rng.random((5, 3)).astype(f32), normal(rng, 5, 3) * 3
        case(name, kind, true, prob)
        case(f"{name}_logits", kind, true, logits, from_logits=True)
        case(f"{name}_smoothing", kind, true, prob, label_smoothing=0.1)
        case(f"{name}_logits_smoothing", kind, true, logits, from_logits=True, label_smoothing=0.1)
        case(f"{name}_saturated", kind, np.array([[0, 1], [1, 0]], f32), np.array([[0, 1], [0, 1]], f32))
        case(f"{name}_logits_large", kind, np.array([[0, 1], [1, 0]], f32), np.array([[80, 90], [-100, -70]], f32),
             from_logits=True)
        case(f"{name}_weighted", kind, true, prob, weights=np.array([1, 0, 2, 0.5, 3], f32))
        if "Focal" in kind:
            case(f"{name}_gamma3", kind, true, prob, gamma=3.0)
            case(f"{name}_class_balancing", kind, true, prob, apply_class_balancing=True, alpha=0.3)
            case(f"{name}_logits_class_balancing", kind, true, logits, apply_class_balancing=True, from_logits=True)

    for name, kind in (("categorical_crossentropy", "CategoricalCrossentropy"),
                       ("categorical_focal_crossentropy", "CategoricalFocalCrossentropy")):
        rng = fam.rng(name)
        true = np.eye(4, dtype=f32)[rng.integers(0, 4, 5)]
        prob, logits = probabilities(rng, 5, 4), normal(rng, 5, 4) * 3
        case(name, kind, true, prob)
        case(f"{name}_unnormalised", kind, true, (prob * 3).astype(f32))
        case(f"{name}_soft_labels", kind, probabilities(rng, 5, 4), prob)
        case(f"{name}_logits", kind, true, logits, from_logits=True)
        case(f"{name}_smoothing", kind, true, prob, label_smoothing=0.1)
        case(f"{name}_logits_smoothing", kind, true, logits, from_logits=True, label_smoothing=0.1)
        case(f"{name}_saturated", kind, np.eye(3, dtype=f32), np.array([[1, 0, 0], [1, 0, 0], [0.5, 0, 0.5]], f32))
        case(f"{name}_logits_large", kind, np.eye(3, dtype=f32)[:2], np.array([[80, 90, -100], [-1e4, 3, 1e4]], f32),
             from_logits=True)
        case(f"{name}_weighted", kind, true, prob, weights=np.array([1, 0, 2, 0.5, 3], f32))
        case(f"{name}_3d", kind, np.eye(4, dtype=f32)[rng.integers(0, 4, (2, 3))], probabilities(rng, 2, 3, 4))

    kind, rng = "SparseCategoricalCrossentropy", fam.rng("sparse")
    true, prob, logits = rng.integers(0, 4, 5), probabilities(rng, 5, 4), normal(rng, 5, 4) * 3
    case("sparse_categorical_crossentropy", kind, true, prob)
    case("sparse_categorical_crossentropy_column", kind, true[:, None], prob)
    case("sparse_categorical_crossentropy_unnormalised", kind, true, (prob * 3).astype(f32))
    case("sparse_categorical_crossentropy_logits", kind, true, logits, from_logits=True)
    case("sparse_categorical_crossentropy_saturated", kind, np.array([0, 1, 1]),
         np.array([[1, 0, 0], [1, 0, 0], [0.5, 0, 0.5]], f32))
    case("sparse_categorical_crossentropy_ignore_class", kind, true, logits, from_logits=True, ignore_class=int(true[0]))
    case("sparse_categorical_crossentropy_weighted", kind, true, prob, weights=np.array([1, 0, 2, 0.5, 3], f32))
    case("sparse_categorical_crossentropy_3d", kind, rng.integers(0, 4, (2, 3)), probabilities(rng, 2, 3, 4))

    rng = fam.rng("others")
    case("kl_divergence", "KLDivergence", probabilities(rng, 5, 4), probabilities(rng, 5, 4))
    case("kl_divergence_zeros", "KLDivergence", np.array([[0, 1, 0], [0.5, 0.5, 0]], f32),
         np.array([[0, 0.2, 0.8], [1, 0, 0]], f32))
    case("poisson", "Poisson", rng.poisson(2.0, (5, 3)).astype(f32), (rng.random((5, 3)) * 3 + 0.1).astype(f32))
    case("poisson_zero", "Poisson", np.array([[0, 2]], f32), np.array([[0, 0]], f32))
    case("hinge", "Hinge", signs("hinge", 5, 3), normal(rng, 5, 3) * 2)
    case("hinge_labels01", "Hinge", (signs("hinge01", 5, 3) + 1) / 2, normal(rng, 5, 3) * 2)
    case("squared_hinge", "SquaredHinge", signs("shinge", 5, 3), normal(rng, 5, 3) * 2)
    case("squared_hinge_labels01", "SquaredHinge", (signs("shinge01", 5, 3) + 1) / 2, normal(rng, 5, 3) * 2)
    case("categorical_hinge", "CategoricalHinge", np.eye(4, dtype=f32)[rng.integers(0, 4, 5)], normal(rng, 5, 4))


def metric_case(fam, name, kind, make, weighted=False, **options):
    metric, rng, fields = getattr(keras.metrics, kind)(**options), fam.rng(name), {}
    for i in (1, 2):
        args = make(rng, 6 if i == 1 else 9)
        weights = np.round(rng.random(len(args[0])) * 2, 2).astype(f32) if weighted else None
        if weighted == "integer":
            weights = np.round(weights * 2)
        metric.update_state(*args, sample_weight=weights)
        names = ["values"] if len(args) == 1 else ["y_true", "y_pred"]
        fields |= {f"{n}{i}": a for n, a in zip(names, args)} | {f"result{i}": np.array(metric.result())}
        if weighted:
            fields[f"sample_weight{i}"] = weights
    fam.add(name, kind, options, fields)


def metrics(fam):
    def case(*args, **options):
        metric_case(fam, *args, **options)

    def real(rng, n):
        return normal(rng, n, 3), normal(rng, n, 3)

    def binary(rng, n):
        true = (rng.random((n, 1)) < 0.5).astype(f32)
        return true, np.clip(rng.random((n, 1)) * 0.7 + true * 0.3, 0, 1).astype(f32)

    def one_hot(rng, n):
        return np.eye(5, dtype=f32)[rng.integers(0, 5, n)], probabilities(rng, n, 5)

    def sparse(rng, n):
        return rng.integers(0, 5, n), probabilities(rng, n, 5)

    def labels(rng, n):
        return rng.integers(0, 3, n).astype(f32), rng.integers(0, 3, n).astype(f32)

    case("mean", "Mean", lambda r, n: [normal(r, n)])
    case("mean_weighted", "Mean", lambda r, n: [normal(r, n)], weighted=True)
    for weighted, tail in ((False, ""), (True, "_weighted")):
        case("mean_squared_error" + tail, "MeanSquaredError", real, weighted)
        case("mean_absolute_error" + tail, "MeanAbsoluteError", real, weighted)
        case("root_mean_squared_error" + tail, "RootMeanSquaredError", real, weighted)
        case("accuracy" + tail, "Accuracy", labels, weighted)
        case("binary_accuracy" + tail, "BinaryAccuracy", binary, weighted)
        case("categorical_accuracy" + tail, "CategoricalAccuracy", one_hot, weighted)
        case("sparse_categorical_accuracy" + tail, "SparseCategoricalAccuracy", sparse, weighted)
        case("top_k_categorical_accuracy" + tail, "TopKCategoricalAccuracy", one_hot, weighted, k=2)
        case("sparse_top_k_categorical_accuracy" + tail, "SparseTopKCategoricalAccuracy", sparse, weighted, k=3)
        case("precision" + tail, "Precision", binary, weighted)
        case("recall" + tail, "Recall", binary, weighted)
        case("auc" + tail, "AUC", binary, weighted)
    case("binary_accuracy_threshold", "BinaryAccuracy", binary, threshold=0.7)
    case("sparse_categorical_accuracy_column", "SparseCategoricalAccuracy", lambda r, n: (r.integers(0, 5, (n, 1)),
         probabilities(r, n, 5)))
    case("sparse_categorical_accuracy_ties", "SparseCategoricalAccuracy",
         lambda r, n: (r.integers(0, 5, n), r.integers(0, 2, (n, 5)).astype(f32)))
    case("top_k_ties", "SparseTopKCategoricalAccuracy",
         lambda r, n: (r.integers(0, 5, n), r.integers(0, 2, (n, 5)).astype(f32)), k=2)
    case("precision_thresholds", "Precision", binary, thresholds=[0.2, 0.5, 0.8])
    case("recall_thresholds", "Recall", binary, thresholds=[0.2, 0.5, 0.8])
    case("precision_no_positive", "Precision", lambda r, n: (np.ones((n, 1), f32), np.zeros((n, 1), f32)))
    case("precision_multi_label", "Precision", lambda r, n: ((r.random((n, 4)) < 0.4).astype(f32),
         r.random((n, 4)).astype(f32)))
    case("auc_pr", "AUC", binary, curve="PR")
    case("auc_thresholds_20", "AUC", binary, num_thresholds=20)
    case("auc_logits", "AUC", lambda r, n: (binary(r, n)[0], normal(r, n, 1) * 3), from_logits=True)
    case("auc_ends", "AUC", lambda r, n: ((r.random((n, 1)) < 0.5).astype(f32), r.integers(0, 2, (n, 1)).astype(f32)))


# ---- optimizers: Keras in f32, 10 steps ---------------------------------------------------------------------------

def optimizers(fam):
    keep = ("learning_rate", "momentum", "nesterov", "beta_1", "beta_2", "epsilon", "amsgrad", "rho", "centered",
            "initial_accumulator_value", "weight_decay", "clipnorm", "clipvalue", "global_clipnorm")

    def case(name, kind, **options):
        rng = fam.rng("steps")  # the same start and gradients for all
        start = [normal(rng, 3, 4), normal(rng, 5)]
        grads = [normal(rng, 10, 3, 4) * 2, normal(rng, 10, 5) * 0.3]
        grads[1][:, 2] = 0  # one element never has a gradient
        variables = [keras.Variable(v) for v in start]
        optimizer = getattr(keras.optimizers, kind)(**options)
        after = [[], []]
        for step in range(10):
            optimizer.apply([tf.constant(g[step]) for g in grads], variables)
            for i in (0, 1):
                after[i].append(variables[i].numpy().copy())
        config = optimizer.get_config()
        attrs = {k: float(f"{config[k]:.7g}") if isinstance(config[k], float) else config[k]
                 for k in keep if config.get(k) is not None}
        fields = {f"{field}{i}": v[i] for field, v in (("start_", start), ("grads_", grads), ("after_", after))
                  for i in (0, 1)}
        fam.add(name, kind, attrs, fields)

    case("sgd", "SGD")
    case("sgd_momentum", "SGD", learning_rate=0.1, momentum=0.9)
    case("sgd_nesterov", "SGD", learning_rate=0.1, momentum=0.9, nesterov=True)
    case("adam", "Adam")
    case("adam_fast", "Adam", learning_rate=0.1, beta_1=0.8, beta_2=0.95, epsilon=1e-3)
    case("adam_amsgrad", "Adam", learning_rate=0.05, amsgrad=True, beta_2=0.9)
    case("adamw", "AdamW")
    case("adamw_decay", "AdamW", learning_rate=0.05, weight_decay=0.1)
    case("adamw_amsgrad", "AdamW", learning_rate=0.05, weight_decay=0.1, amsgrad=True, beta_2=0.9)
    case("rmsprop", "RMSprop")
    case("rmsprop_momentum", "RMSprop", learning_rate=0.01, momentum=0.9)
    case("rmsprop_centered", "RMSprop", learning_rate=0.01, centered=True)
    case("rmsprop_centered_momentum", "RMSprop", learning_rate=0.01, rho=0.8, momentum=0.5, centered=True)
    case("adagrad", "Adagrad")
    case("adagrad_fast", "Adagrad", learning_rate=0.5, initial_accumulator_value=0.01)
    for kind, options in (("SGD", dict(learning_rate=0.1, momentum=0.9)), ("Adam", dict(learning_rate=0.05)),
                          ("RMSprop", dict(learning_rate=0.01)), ("Adagrad", dict(learning_rate=0.1))):
        for more in (dict(clipnorm=1.0), dict(clipvalue=0.5), dict(global_clipnorm=1.5), dict(weight_decay=0.05)):
            case(f"{kind.lower()}_{next(iter(more))}", kind, **options, **more)
    case("adamw_clipnorm", "AdamW", learning_rate=0.05, weight_decay=0.1, clipnorm=1.0)


# ---- initializers: JSON only ---------------------------------------------------------------------------------------

def initializers(fam):
    """What each distribution promises, checked here against samples drawn by Keras."""
    TRUNCATED_STD = 0.87962566103423978  # of a unit normal cut at two sigmas

    def fans(shape):
        if len(shape) == 1:
            return shape[0], shape[0]
        field = int(np.prod(shape[:-2]))
        return shape[-2] * field, shape[-1] * field

    def case(kind, shape, options={}, mean=0.0, std=None, bound=None):
        config = getattr(keras.initializers, kind)(**options).get_config()
        attrs = {k: v for k, v in config.items() if k not in ("seed",)} | {"shape": shape}
        fan_in, fan_out = fans(shape)
        draws = np.stack([np.asarray(getattr(keras.initializers, kind)(seed=s, **options)(shape)) for s in range(40)])
        n = draws.size
        assert abs(draws.mean() - mean) < 5 * std / n**0.5, (kind, shape, draws.mean())
        assert abs(draws.std() / std - 1) < 5 / n**0.5, (kind, shape, draws.std(), std)
        assert bound is None or np.abs(draws - mean).max() <= bound * (1 + 1e-6), (kind, shape, bound)
        assert bound is None or n < 4000 or np.abs(draws - mean).max() > 0.97 * bound, (kind, shape, bound)
        name = f"{kind}_{'x'.join(map(str, shape))}" + "".join(f"_{k}{v}" for k, v in options.items()).replace(".", "p")
        fam.add(name, kind, attrs, expected=dict(
            mean=mean, std=std, min=None if bound is None else mean - bound, max=None if bound is None else mean + bound,
            fan_in=fan_in, fan_out=fan_out))

    shapes = ([20, 30], [3, 3, 8, 16], [3, 5, 12], [2, 3, 2, 4, 6], [50])
    for shape in shapes:
        fan_in, fan_out = fans(shape)
        for who, scale in (("Glorot", 2 / (fan_in + fan_out)), ("He", 2 / fan_in), ("Lecun", 1 / fan_in)):
            std = scale**0.5
            case(f"{who}Uniform", shape, std=std, bound=(3 * scale)**0.5)
            case(f"{who}Normal", shape, std=std, bound=2 * std / TRUNCATED_STD)
    case("TruncatedNormal", [40, 30], std=0.05 * TRUNCATED_STD, bound=0.1)
    case("TruncatedNormal", [40, 30], dict(mean=1.0, stddev=0.2), mean=1.0, std=0.2 * TRUNCATED_STD, bound=0.4)
    case("RandomNormal", [40, 30], std=0.05)
    case("RandomUniform", [40, 30], std=0.05 / 3**0.5, bound=0.05)
    case("RandomUniform", [40, 30], dict(minval=-1.0, maxval=3.0), mean=1.0, std=4 / 12**0.5, bound=2.0)
    for shape, gain in (([6, 4], 1.0), ([4, 6], 1.0), ([3, 3, 4, 5], 1.0), ([5, 5], 2.0)):
        value = np.asarray(keras.initializers.Orthogonal(gain=gain, seed=1)(shape)).reshape(-1, shape[-1])
        gram = value.T @ value if value.shape[0] >= value.shape[1] else value @ value.T
        np.testing.assert_allclose(gram, gain**2 * np.eye(len(gram)), atol=1e-5)
        fam.add(f"Orthogonal_{'x'.join(map(str, shape))}_gain{gain:.0f}", "Orthogonal", dict(gain=gain, shape=shape),
                expected=dict(orthogonal=True, rows_or_columns="columns" if value.shape[0] >= value.shape[1] else "rows",
                              gram_diagonal=gain**2))
    for kind, value in (("Zeros", 0.0), ("Ones", 1.0)):
        fam.add(kind, kind, dict(shape=[3, 5]), expected=dict(mean=value, std=0.0, min=value, max=value))


# ---- elementwise: f32 as TensorFlow gives it, and the same in f64 rounded to f32 -----------------------------------

def elementwise(fam):
    a, m, special = keras.activations, tf.math, [np.nan, np.inf, -np.inf, 0.0, -0.0, 1e-40, -1e-40, 1e-30, -1e-30, 1e-7,
                    -1e-7, 1.0, -1.0, 15.0, -15.0, 88.0, -88.0, 89.0, -89.0, -104.0, 1e4, -1e4, 1e19, -1e19, 3e38, -3e38]
    points = np.concatenate([np.linspace(-6, 6, 25), [1e-3, -1e-3, 0.1, -0.1, 0.7, -1.7, 2.3, 7.0, -7.0, 9.5, -9.5, 20.0, -20.0]])
    functions = {
        "relu": a.relu, "relu6": a.relu6, "leaky_relu": a.leaky_relu, "elu": a.elu, "selu": a.selu,
        "gelu": lambda x: a.gelu(x, approximate=False), "gelu_tanh": lambda x: a.gelu(x, approximate=True),
        "silu": a.silu, "mish": a.mish, "softplus": a.softplus, "softsign": a.softsign, "sigmoid": a.sigmoid,
        "log_sigmoid": a.log_sigmoid, "hard_sigmoid": a.hard_sigmoid, "hard_silu": a.hard_silu, "tanh": a.tanh,
        "exponential": a.exponential, "erf": m.erf, "erfinv": m.erfinv, "lgamma": m.lgamma, "digamma": m.digamma,
        "log1p": m.log1p, "expm1": m.expm1, "rsqrt": m.rsqrt}
    attrs = {"leaky_relu": {"negative_slope": 0.2}, "elu": {"alpha": 1.0}, "gelu": {"approximate": False},
             "gelu_tanh": {"approximate": True}}
    domain = {
        "erfinv": np.concatenate([np.linspace(-0.9, 0.9, 13), [0.05, -1e-3, 0.99, -0.99, 0.9999, -0.99999, 1e-6]]),
        "lgamma": np.array([1e-3, 0.1, 0.5, 0.9, 1, 1.1, 1.4616, 1.9, 2, 2.1, 3, 5.5, 10, 33.3, 100, 1e4, -0.5, -0.1, -1.5,
                            -2.3, -7.7]),
        "digamma": np.array([1e-3, 0.1, 0.5, 0.9, 1, 1.4616, 2, 3, 5.5, 10, 33.3, 100, 1e4, -0.5, -0.1, -1.5, -2.3, -7.7]),
        "log1p": np.array([-0.999, -0.9, -0.5, -0.1, -1e-3, -1e-7, 0, 1e-7, 1e-3, 0.1, 0.5, 1, 5, 100, 1e6]),
        "rsqrt": np.array([1e-6, 1e-3, 0.1, 0.5, 1, 2, 3, 10, 1e3, 1e6])}
    domain_special = {"lgamma": [0.0, -0.0, -1.0, -2.0, -1e6, np.inf, -np.inf, np.nan, 1e-30, -1e-30, 1e30, 3e38],
                      "digamma": [0.0, -0.0, -1.0, -2.0, np.inf, -np.inf, np.nan, 1e-30, 1e30],
                      "erfinv": [1.0, -1.0, 0.0, -0.0, 1.5, -2.0, np.nan, np.inf, -np.inf, 1e-30],
                      "log1p": [-1.0, -2.0, 0.0, -0.0, np.inf, -np.inf, np.nan, 1e-30, 3e38]}

    def both(name, op, attrs, fn, names, args, dy=None):
        args = [np.asarray(v, f32) for v in args]
        y, dy, grads = vjp(fn, args, fam.rng(name), dy=dy, dtype=f32)
        y_ref, _, grads_ref = vjp(fn, args, dy=dy)
        with np.errstate(all="ignore"):
            fields = {**dict(zip(names, args)), "y": y, "dy": dy, "y_ref": y_ref.astype(f32)}
            fields |= {f"d{n}": g for n, g in zip(names, grads)}
            fields |= {f"d{n}_ref": g.astype(f32) for n, g in zip(names, grads_ref)}
        fam.add(name, op, attrs, fields)

    for op, fn in functions.items():
        x, edge = np.asarray(domain.get(op, points), f32), np.asarray(domain_special.get(op, special), f32)
        both(op, op.removesuffix("_tanh"), attrs.get(op, {}), fn, ["x"], [x], np.ones_like(x))
        both(f"{op}_special", op.removesuffix("_tanh"), attrs.get(op, {}), fn, ["x"], [edge], np.ones_like(edge))
    both("leaky_relu_slope", "leaky_relu", {"negative_slope": 0.01}, lambda x: a.leaky_relu(x, 0.01), ["x"], [points],
         np.ones(points.shape, f32))
    both("elu_alpha", "elu", {"alpha": 0.3}, lambda x: a.elu(x, 0.3), ["x"], [points], np.ones(points.shape, f32))

    grid = np.array([0, -0.0, 1, -1, 0.5, 3, -7, 20, -90, 100, 1e-7, 3e38, np.inf, -np.inf, np.nan], f32)
    x1, x2 = [v.ravel() for v in np.meshgrid(grid, grid, indexing="ij")]
    both("logaddexp", "logaddexp", {}, keras.ops.logaddexp, ["x1", "x2"], [x1, x2], np.ones_like(x1))

    rows = normal(fam.rng("rows"), 4, 5, 3) * 3
    edges = [[1e4, -1e4, 0], [88, 89, 90], [-np.inf, 0, 1], [3e38, 3e38, -3e38], [np.nan, 0, 1], [np.inf, 0, 1],
             [-np.inf, -np.inf, -np.inf], [7, 7, 7]]
    for op, fn in (("softmax", a.softmax), ("log_softmax", a.log_softmax)):
        both(op, op, {"axis": -1}, fn, ["x"], [rows])
        both(f"{op}_axis1", op, {"axis": 1}, lambda x: fn(x, axis=1), ["x"], [rows])
        both(f"{op}_special", op, {"axis": -1}, fn, ["x"], [edges])


# ---- ops: resize, pad, blocks, cumulative, indexing, einsum, cross entropy with logits -----------------------------

def ops(fam):
    def case(name, op, attrs, fn, names, args, extra={}, dtype=f64):
        y, dy, grads = vjp(fn, args, fam.rng(name + "/dy"), dtype=dtype)
        fam.add(name, op, attrs, with_grads(names, args, y, dy, grads) | extra)

    def draw(name, *shape):
        return normal(fam.rng(name), *shape)

    for method in ("nearest", "bilinear"):
        for name, shape, size in (("up", [2, 3, 4, 2], [7, 9]), ("up_double", [1, 3, 5, 2], [6, 10]),
                                  ("down", [2, 7, 9, 2], [3, 4]), ("down_half", [1, 6, 8, 2], [3, 4]),
                                  ("mixed", [1, 5, 3, 3], [3, 8]), ("same", [1, 3, 4, 2], [3, 4]),
                                  ("to_one", [1, 5, 4, 2], [1, 1]), ("from_one", [1, 1, 1, 3], [3, 2])):
            x = draw(f"{method}{name}", *shape)
            # f32: the sampling positions are computed in f32 whatever the image's type
            case(f"resize_{method}_{name}", "resize", dict(method=method, size=size),
                 lambda x: tf.image.resize(x, size, method), ["x"], [x], dtype=f32)

    for mode in ("constant", "reflect", "symmetric"):
        for name, shape, paddings in (("1d", [5], [[2, 3]]), ("2d", [4, 3], [[1, 2], [2, 0]]),
                                      ("4d", [2, 3, 4, 2], [[0, 0], [2, 1], [1, 3], [0, 0]])):
            value = 1.5 if mode == "constant" else 0.0
            case(f"pad_{mode}_{name}", "pad", dict(paddings=paddings, mode=mode, constant_values=value),
                 lambda x: tf.pad(x, paddings, mode.upper(), tf.cast(value, x.dtype)), ["x"], [draw(f"pad{name}", *shape)])

    for name, shape, block in (("2", [2, 4, 6, 3], 2), ("3", [1, 6, 3, 2], 3)):
        case(f"space_to_depth_{name}", "space_to_depth", dict(block_size=block),
             lambda x: tf.nn.space_to_depth(x, block), ["x"], [draw(f"s2d{name}", *shape)], dtype=f32)
    for name, shape, block in (("2", [2, 3, 2, 12], 2), ("3", [1, 2, 3, 18], 3)):
        case(f"depth_to_space_{name}", "depth_to_space", dict(block_size=block),
             lambda x: tf.nn.depth_to_space(x, block), ["x"], [draw(f"d2s{name}", *shape)], dtype=f32)

    for axis in (0, 1, -1):
        for exclusive in (False, True):
            for reverse in (False, True):
                tail = f"axis{axis}" + "_exclusive" * exclusive + "_reverse" * reverse
                attrs = dict(axis=axis, exclusive=exclusive, reverse=reverse)
                for op, fn in (("cumsum", tf.cumsum), ("cumprod", tf.math.cumprod)):
                    case(f"{op}_{tail}".replace("-1", "_last"), op, attrs, lambda x: fn(x, axis, exclusive, reverse),
                         ["x"], [draw("cum", 3, 4, 2)])

    for name, indices, depth, options in (
            ("1d", [0, 2, 1], 4, {}), ("out_of_range", [-1, 3, 4, 1], 4, {}), ("2d_axis0", [[0, 2], [1, 1]], 3, {"axis": 0}),
            ("2d_axis1", [[0, 2, 1], [1, 1, 0]], 4, {"axis": 1}), ("values", [1, 0], 3, {"on_value": 5.0, "off_value": -1.0})):
        fam.add(f"one_hot_{name}", "one_hot", dict(depth=depth, **options),
                dict(indices=np.array(indices), y=tf.one_hot(indices, depth, **options)))

    for name, x, k in (("1d", apart(fam.rng("topk1"), 7), 3), ("3d", apart(fam.rng("topk3"), 2, 3, 6), 2),
                       ("ties", np.array([[1, 3, 3, 2, 3], [0, 0, 0, 0, 0]], f32), 3), ("all", apart(fam.rng("topka"), 4), 4)):
        case(f"top_k_{name}", "top_k", dict(k=k), lambda x: tf.math.top_k(x, k)[0], ["x"], [x],
             {"indices": tf.math.top_k(x, k)[1]})

    for name, shape, indices, batch_dims in (
            ("rows", [4, 3], [[2], [0], [2]], 0), ("elements", [4, 3], [[2, 1], [0, 0], [2, 1]], 0),
            ("blocks", [2, 3, 4], [[[0, 1]], [[1, 2]]], 0), ("batch", [2, 3, 4], [[[0], [2]], [[1], [1]]], 1)):
        indices = np.array(indices, np.int64)
        case(f"gather_nd_{name}", "gather_nd", dict(batch_dims=batch_dims),
             lambda x: tf.gather_nd(x, indices, batch_dims), ["x"], [draw(f"gather{name}", *shape)], {"indices": indices})

    places = {"rows": ([5, 3], [[3], [0], [3]], [3, 3]), "elements": ([4, 3], [[2, 1], [0, 0], [2, 1], [3, 2]], [4]),
              "blocks": ([2, 3, 4], [[[0, 1]], [[1, 2]]], [2, 1, 4])}
    for name, (shape, indices, updates) in places.items():
        indices = np.array(indices, np.int64)
        base, new = draw(f"scatter_base_{name}", *shape), draw(f"scatter_new_{name}", *updates)
        case(f"scatter_nd_{name}", "scatter_nd", dict(shape=shape), lambda u: tf.scatter_nd(indices, u, shape), ["updates"],
             [new], {"indices": indices})
        for mode, fn in (("add", tf.tensor_scatter_nd_add), ("min", tf.tensor_scatter_nd_min),
                         ("max", tf.tensor_scatter_nd_max), ("update", tf.tensor_scatter_nd_update)):
            if mode == "update":  # which of two updates to one place wins is nobody's promise
                keep = {"rows": [1, 2], "elements": [0, 1, 3], "blocks": [0, 1]}[name]
                at, values = indices[keep], new[keep]
            else:
                at, values = indices, new
            case(f"scatter_nd_{mode}_{name}", f"tensor_scatter_nd_{mode}", {}, lambda x, u: fn(x, at, u), ["x", "updates"],
                 [base, values], {"indices": at})

    for name, equation, *shapes in (
            ("matmul", "ij,jk->ik", [3, 4], [4, 5]), ("batched", "bij,bjk->bik", [2, 3, 4], [2, 4, 5]),
            ("transposed", "bij,bkj->bik", [2, 3, 4], [2, 5, 4]), ("transpose", "ij->ji", [3, 4]), ("diagonal", "ii->i", [4, 4]),
            ("trace", "ii->", [4, 4]), ("sum", "ij->", [3, 4]), ("row_sum", "ij->i", [3, 4]), ("dot", "i,i->", [5], [5]),
            ("full", "ij,ij->", [3, 4], [3, 4]), ("outer", "i,j->ij", [3], [5]), ("attention", "bqhd,bkhd->bhqk", [2, 3, 2, 4], [2, 5, 2, 4]),
            ("ellipsis", "...ij,...jk->...ik", [2, 1, 3, 4], [5, 4, 2]), ("implicit", "ij,jk", [3, 4], [4, 2]),
            ("three", "ij,jk,kl->il", [2, 3], [3, 4], [4, 5]), ("bilinear", "bi,ijk,bk->bj", [2, 3], [3, 4, 5], [2, 5]),
            ("sum_one_side", "ij,k->i", [3, 4], [5]), ("hadamard_order", "abc,cb->ca", [2, 3, 4], [4, 3])):
        args = [draw(f"einsum{name}{i}", *s) for i, s in enumerate(shapes)]
        case(f"einsum_{name}", "einsum", dict(equation=equation), lambda *v: tf.einsum(equation, *v),
             ["a", "b", "c"][:len(args)], args)

    big = np.array([[1000, -1000, 0, 3], [-1e4, -1e4, -1e4, -1e4], [80, 90, 100, 110], [0, 1e-7, 0, 0], [3e38, 0, -3e38, 1]], f32)
    for name, logits in (("", draw("xent", 5, 4) * 3), ("_3d", draw("xent3", 2, 3, 4)), ("_large", big)):
        rng = fam.rng("labels" + name)
        dense, sparse = probabilities(rng, *logits.shape), rng.integers(0, 4, logits.shape[:-1])
        case(f"softmax_xent{name}", "softmax_cross_entropy_with_logits", {"axis": -1},
             lambda l, x: tf.nn.softmax_cross_entropy_with_logits(l, x), ["labels", "logits"], [dense, logits], dtype=f32)
        case(f"sparse_softmax_xent{name}", "sparse_softmax_cross_entropy_with_logits", {},
             lambda x: tf.nn.sparse_softmax_cross_entropy_with_logits(sparse, x), ["logits"], [logits], {"labels": sparse},
             dtype=f32)
        case(f"sigmoid_xent{name}", "sigmoid_cross_entropy_with_logits", {},
             lambda l, x: tf.nn.sigmoid_cross_entropy_with_logits(l, x), ["labels", "logits"], [dense, logits], dtype=f32)
    labels, logits = probabilities(fam.rng("axis"), 3, 5), draw("axis/x", 3, 5)
    case("softmax_xent_axis0", "softmax_cross_entropy_with_logits", {"axis": 0},
         lambda l, x: tf.nn.softmax_cross_entropy_with_logits(l, x, axis=0), ["labels", "logits"], [labels, logits])


# ---- layers: Keras layers and models in f32, weights in Keras's order -----------------------------------------------

def summary(model):
    lines = []
    model.summary(print_fn=lambda text, **_: lines.append(text))
    return "\n".join(lines)


def layers(fam):
    def shuffle_weights(rng, weights):
        for v in weights:
            v.assign(normal(rng, *v.shape) * 0.4 + (1.0 if v.name in ("gamma", "moving_variance") else 0.0))
            if v.name == "moving_variance":
                v.assign(np.abs(v.numpy()) + 0.1)

    def config(layer):
        skip = ("name", "trainable", "dtype", "activity_regularizer", "kernel_regularizer", "bias_regularizer", "seed")
        found = {k: v for k, v in layer.get_config().items() if k not in skip and "constraint" not in k
                 and "regularizer" not in k and v is not None}
        return {k: v["class_name"] if isinstance(v, dict) and "class_name" in v else v for k, v in found.items()}

    def case(name, layer, shape, integer=None):
        rng = fam.rng(name)
        x = rng.integers(0, integer, shape) if integer else normal(rng, *shape)
        layer.build(x.shape)
        shuffle_weights(rng, layer.weights)
        xt = tf.constant(x)
        trained = [v.value for v in layer.trainable_variables]
        with tf.GradientTape() as tape:
            tape.watch(xt if not integer else trained)
            y = layer(xt)
        dy = normal(rng, *y.shape)
        grads = tape.gradient(y, trained + ([] if integer else [xt]), output_gradients=dy)
        names = [v.name for v in layer.trainable_variables] + ([] if integer else ["x"])
        fields = {"x": x, **{v.name: v.numpy() for v in layer.weights}, "y": y, "dy": dy}
        fields |= {f"d{n}": tf.convert_to_tensor(g) for n, g in zip(names, grads)}
        fam.add(name, type(layer).__name__, config(layer), fields,
                weights=[dict(name=v.name, shape=list(v.shape), trainable=v.trainable) for v in layer.weights],
                layer_name=layer.name, count_params=layer.count_params(),
                compute_output_shape=list(layer.compute_output_shape((None, *shape[1:]))))

    keras.utils.clear_session()
    k = keras.layers
    case("dense", k.Dense(5), [3, 4])
    case("dense_3d_relu", k.Dense(5, activation="relu"), [2, 3, 4])
    case("dense_softmax_no_bias", k.Dense(4, activation="softmax", use_bias=False), [3, 6])
    case("conv1d_causal", k.Conv1D(3, 3, dilation_rate=2, padding="causal"), [2, 7, 2])
    case("conv2d_relu", k.Conv2D(4, (3, 2), activation="relu"), [2, 6, 5, 3])
    case("conv2d_same_strides_gelu", k.Conv2D(3, 3, strides=2, padding="same", activation="gelu"), [1, 7, 6, 2])
    case("conv2d_groups_no_bias", k.Conv2D(4, 3, groups=2, use_bias=False), [1, 5, 6, 4])
    case("conv3d_tanh", k.Conv3D(3, 2, activation="tanh"), [1, 3, 4, 5, 2])
    case("conv2d_transpose", k.Conv2DTranspose(3, 3, strides=2, padding="same", activation="sigmoid"), [1, 3, 4, 2])
    case("depthwise_conv2d", k.DepthwiseConv2D(3, depth_multiplier=2, activation="relu"), [1, 6, 5, 3])
    case("separable_conv2d", k.SeparableConv2D(4, 3, depth_multiplier=2, activation="relu"), [1, 6, 5, 3])
    case("embedding", k.Embedding(7, 3), [4, 5], integer=7)
    case("up_sampling2d_nearest", k.UpSampling2D((2, 3)), [1, 3, 4, 2])
    case("up_sampling2d_bilinear", k.UpSampling2D(2, interpolation="bilinear"), [1, 3, 4, 2])
    case("zero_padding2d", k.ZeroPadding2D(((1, 2), (0, 3))), [1, 3, 4, 2])
    case("batch_normalization", k.BatchNormalization(), [4, 3])
    case("layer_normalization", k.LayerNormalization(), [4, 3])
    case("permute", k.Permute((3, 1, 2)), [2, 3, 4, 5])
    case("reshape", k.Reshape((-1, 6)), [2, 3, 4])
    case("rescaling", k.Rescaling(1 / 127.5, offset=-1.0), [2, 3])
    case("relu_options", k.ReLU(max_value=1.5, negative_slope=0.1, threshold=0.2), [3, 5])
    case("leaky_relu", k.LeakyReLU(), [3, 5])
    case("softmax", k.Softmax(axis=1), [2, 3, 4])

    def cnn(shape, filters, classes):
        keras.utils.clear_session()
        return keras.Sequential([keras.Input(shape), k.Conv2D(filters, (3, 3), activation="relu"), k.MaxPooling2D(),
                                 k.Flatten(), k.Dense(classes, activation="softmax")])

    model = cnn((28, 28, 1), 32, 10)
    before = summary(model)
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.train_on_batch(np.zeros((2, 28, 28, 1), f32), np.zeros(2))
    keras.utils.clear_session()
    unbuilt = keras.Sequential([k.Conv2D(32, (3, 3), activation="relu"), k.MaxPooling2D(), k.Flatten(), k.Dense(10)])
    other = keras.Sequential([keras.Input((8, 8, 3)), k.Conv2D(4, 3, use_bias=False), k.BatchNormalization(), k.ReLU(),
                              k.Conv2D(4, 3), k.BatchNormalization(), k.Dropout(0.5), k.GlobalAveragePooling2D(),
                              k.Dense(2)], name="two_blocks")
    fam.add("cnn_summary", "summary", dict(input_shape=[28, 28, 1]), text=before)
    fam.add("cnn_summary_trained", "summary", dict(input_shape=[28, 28, 1], optimizer="adam"), text=summary(model))
    fam.add("cnn_summary_unbuilt", "summary", {}, text=summary(unbuilt))
    fam.add("two_blocks_summary", "summary", dict(input_shape=[8, 8, 3]), text=summary(other))

    for optimizer in ("adam", "sgd"):  # whole training steps: after[i] is every weight, flattened, after batch i
        model, rng = cnn((9, 8, 1), 4, 3), fam.rng("train")
        shuffle_weights(rng, model.weights)
        model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
        x, labels = normal(rng, 5, 6, 9, 8, 1), rng.integers(0, 3, (5, 6))
        start = [v.numpy() for v in model.weights]
        names = [v.path.replace("/", "_") for v in model.weights]
        fields = {"x": x, "labels": labels, **dict(zip(names, start)), "y": model.predict_on_batch(x[0])}
        losses, accuracies, after = [], [], []
        for batch, label in zip(x, labels):
            model.reset_metrics()  # or the loss is the running mean
            result = model.train_on_batch(batch, label, return_dict=True)
            losses.append(float(result["loss"])), accuracies.append(float(result["accuracy"]))
            after.append(np.concatenate([v.numpy().ravel() for v in model.trainable_variables]))
        fam.add(f"train_{optimizer}", "fit", dict(optimizer=optimizer, loss="sparse_categorical_crossentropy", filters=4,
                classes=3), fields | dict(losses=losses, accuracies=accuracies, after=np.stack(after)),
                weights=[dict(name=n, shape=list(v.shape)) for n, v in zip(names, start)])


FAMILIES = [conv, pool, norm, losses, metrics, optimizers, initializers, elementwise, ops, layers]

if __name__ == "__main__":
    known = {f.__name__: f for f in FAMILIES}
    for unknown in set(sys.argv[1:]) - set(known):
        sys.exit(f"make_golden: no family '{unknown}'. Families: {', '.join(known)}.")
    print(f"tensorflow {tf.__version__}, keras {keras.__version__}, numpy {np.__version__}")
    for wanted in sys.argv[1:] or known:
        family = Family(wanted)
        known[wanted](family)
        family.save()
