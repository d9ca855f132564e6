#!/usr/bin/env python3
"""Writes the family mixed_precision: LossScaleOptimizer step by step, and models of Keras 3 under mixed dtype policies (README.md)."""
from make_golden import Family, f32, keras, normal, np, tf

L = keras.layers


def mixed_precision(fam):
    def steps(name, make, **options):
        rng = fam.rng(name)
        start, gradients = normal(rng, 3, 2), normal(rng, 12, 3, 2)
        v = keras.Variable(start, name="v")
        optimizer = keras.optimizers.LossScaleOptimizer(make(), **options)
        optimizer.build([v])
        after, scales, iterations, losses = [], [], [], []
        for i, g in enumerate(gradients):
            losses.append(np.array(optimizer.scale_loss(tf.constant(2.0))))
            scaled = g * optimizer.dynamic_scale.numpy()
            if i in (3, 8, 9):
                scaled[1, 0] = np.inf if i == 3 else np.nan
            optimizer.apply([tf.constant(scaled)], [v])
            after.append(v.numpy()), scales.append(optimizer.dynamic_scale.numpy())
            iterations.append(optimizer.iterations.numpy())
        fam.add(name, "LossScaleOptimizer", options, dict(start=start, gradients=gradients, after=np.stack(after), scales=np.array(scales, f32),
                                                          iterations=np.array(iterations), losses=np.array(losses, f32)))

    steps("sgd", lambda: keras.optimizers.SGD(0.1, momentum=0.9))
    steps("adam", lambda: keras.optimizers.Adam(0.1), initial_scale=64.0, dynamic_growth_steps=2)
    steps("adam_one", lambda: keras.optimizers.Adam(0.1, clipnorm=0.5), initial_scale=4.0, dynamic_growth_steps=1)

    def model(name, layers, x):
        for policy in ("mixed_float16", "mixed_bfloat16"):
            rng = fam.rng(name)
            keras.config.set_dtype_policy(policy)
            net = keras.Sequential(layers())
            net(x)
            for v in net.weights:
                v.assign(np.abs(normal(rng, *v.shape)) * 0.5 + 0.5 if "variance" in v.path else normal(rng, *v.shape) * 0.3)
            fields = {"x": x} | {f"w{i}": v.numpy() for i, v in enumerate(net.weights)}
            with tf.GradientTape() as tape:
                y = net(x, training="normal" in name)
                true = normal(rng, *y.shape)
                loss = keras.losses.MeanSquaredError()(true, y)
            gradients = tape.gradient(loss, net.trainable_weights)
            fields |= {f"d{i}": tf.convert_to_tensor(g) for i, g in enumerate(gradients)}
            fields |= dict(y=tf.cast(y, "float32"), y_true=true, loss=loss)
            fam.add(f"{name}_{policy}", "model", dict(policy=policy), fields, dtype=y.dtype.name,
                    weights=[v.dtype for v in net.weights], computes=[layer.compute_dtype for layer in net.layers])
        keras.config.set_dtype_policy("float32")

    rng = fam.rng("inputs")
    rows, image, series = normal(rng, 4, 5), normal(rng, 2, 6, 6, 3), normal(rng, 3, 5, 4)
    ids = np.array([[1, 2, 0, 0], [3, 4, 5, 0], [6, 1, 2, 7]])
    model("dense", lambda: [L.Dense(8, activation="relu"), L.Dense(3)], rows)
    model("dense_then_float32", lambda: [L.Dense(8, activation="tanh"), L.Dense(3), L.Activation("softmax", dtype="float32")], rows)
    model("normalized", lambda: [L.Dense(6), L.BatchNormalization(), L.LayerNormalization(), L.Dense(3)], rows)
    model("conv", lambda: [L.Conv2D(4, 3, activation="relu"), L.MaxPooling2D(2), L.Flatten(), L.Dense(3)], image)
    model("lstm", lambda: [L.LSTM(6, return_sequences=True), L.GRU(4)], series)
    model("masked", lambda: [L.Embedding(8, 4, mask_zero=True), L.Bidirectional(L.LSTM(3, return_sequences=True)), L.GlobalAveragePooling1D()], ids)


if __name__ == "__main__":
    family = Family("mixed_precision")
    mixed_precision(family)
    family.save()
