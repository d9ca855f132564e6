#!/usr/bin/env python3
"""Writes the family masking: small models of Keras 3 whose masks flow from Masking or Embedding to the loss (README.md)."""
from make_golden import Family, f32, keras, normal, np, tf

L = keras.layers


def padded(rng, n, steps, features, value=0.0):
    """Sequences of several lengths; one has a hole in its middle, one begins with padding, one is whole."""
    x = normal(rng, n, steps, features)
    x[0, steps // 2:] = value
    x[1, 1] = value
    x[2, :2] = value
    return x


def words(rng, n, steps):
    x = rng.integers(1, 9, (n, steps))
    x[0, steps // 2:] = 0
    x[1, 1] = 0
    x[2, :2] = 0
    return x


def masking(fam):
    def case(name, model, inputs, training=False):
        rng = fam.rng(name)
        inputs = inputs if isinstance(inputs, list) else [inputs]
        model(inputs if len(inputs) > 1 else inputs[0])
        for v in model.weights:
            v.assign(np.abs(normal(rng, *v.shape)) * 0.5 + 0.5 if "variance" in v.path else normal(rng, *v.shape) * 0.5)
        fields = {f"x{i}": x for i, x in enumerate(inputs)} | {f"w{i}": v.numpy() for i, v in enumerate(model.weights)}
        with tf.GradientTape() as tape:
            y = model(inputs if len(inputs) > 1 else inputs[0], training=training)
            true, weight = normal(rng, *y.shape), np.array([0.5, 2.0, 1.0, 1.5], f32)
            loss = keras.losses.MeanSquaredError()(true, y)
        gradients = tape.gradient(loss, model.trainable_weights)
        metric = keras.metrics.MeanSquaredError()
        metric.update_state(true, y)
        fields |= {f"d{i}": tf.convert_to_tensor(g) for i, g in enumerate(gradients)}
        fields |= dict(y=y, y_true=true, loss=loss, metric=np.array(metric.result()))
        fields |= {f"after{i}": v.numpy() for i, v in enumerate(model.non_trainable_weights)}
        mask = getattr(y, "_keras_mask", None)
        if mask is not None:
            fields["mask"] = mask
            weight = np.tile(weight[:, None], (1, y.shape[1]))
            metric = keras.metrics.MeanSquaredError()
            metric.update_state(true, y, sample_weight=weight)
            fields |= dict(sample_weight=weight, weighted_loss=keras.losses.MeanSquaredError()(true, y, sample_weight=weight),
                           loss_sum=keras.losses.MeanSquaredError(reduction="sum")(true, y),
                           loss_each=keras.losses.MeanSquaredError(reduction=None)(true, y), weighted_metric=np.array(metric.result()))
        fam.add(name, "model", dict(training=training), fields)

    def sequential(*layers):
        return keras.Sequential(list(layers))

    x = padded(fam.rng("x"), 4, 5, 3)
    longer = padded(fam.rng("longer"), 4, 20, 3)
    ids = words(fam.rng("ids"), 4, 6)
    for kind in ("SimpleRNN", "LSTM", "GRU"):
        layer = getattr(L, kind)
        case(kind, sequential(L.Masking(), layer(4)), x)
        case(f"{kind}_sequence", sequential(L.Masking(), layer(4, return_sequences=True)), x)
        case(f"{kind}_backwards", sequential(L.Masking(), layer(4, go_backwards=True, return_sequences=True)), x)
        case(f"{kind}_zero", sequential(L.Masking(), layer(4, return_sequences=True, zero_output_for_mask=True)), x)
    case("value", sequential(L.Masking(0.5), L.GRU(4)), padded(fam.rng("half"), 4, 5, 3, 0.5))
    case("LSTM_long", sequential(L.Masking(), L.LSTM(3, return_sequences=True)), longer)
    case("GRU_long_backwards", sequential(L.Masking(), L.GRU(3, go_backwards=True)), longer)
    case("stacked_cells", sequential(L.Masking(), L.RNN([L.GRUCell(3), L.LSTMCell(4)], return_sequences=True)), x)
    case("embedding", sequential(L.Embedding(9, 3, mask_zero=True), L.LSTM(4, return_sequences=True), L.Dense(2)), ids)
    case("embedding_last", sequential(L.Embedding(9, 3, mask_zero=True), L.SimpleRNN(4, return_sequences=True), L.GRU(3), L.Dense(2)), ids)
    for mode in ("concat", "sum"):
        case(f"bidirectional_{mode}", sequential(L.Masking(), L.Bidirectional(L.LSTM(3, return_sequences=True), merge_mode=mode)), x)
    case("bidirectional_last", sequential(L.Masking(), L.Bidirectional(L.GRU(3))), x)
    case("time_distributed", sequential(L.Masking(), L.TimeDistributed(L.Dense(4)), L.GRU(3, return_sequences=True)), x)
    case("average", sequential(L.Masking(), L.Dense(4, activation="tanh"), L.GlobalAveragePooling1D()), x)
    case("average_kept", sequential(L.Masking(), L.GlobalAveragePooling1D(keepdims=True)), x)
    case("lost", sequential(L.Masking(), L.Conv1D(3, 2, padding="same"), L.GRU(3, return_sequences=True)), x)
    case("through", sequential(L.Masking(), L.Activation("tanh"), L.ReLU(), L.LayerNormalization(), L.Dropout(0.5), L.Rescaling(2.0),
                               L.LeakyReLU(), L.GaussianNoise(0.5), L.UnitNormalization(), L.LSTM(3)), x)
    case("batch_normalization", sequential(L.Masking(), L.BatchNormalization(), L.GRU(3)), x, training=True)
    case("batch_normalization_inference", sequential(L.Masking(), L.BatchNormalization()), x)

    a, b = keras.Input((5, 3)), keras.Input((5, 3))
    others = padded(fam.rng("others"), 4, 5, 3)[::-1].copy()
    for kind in ("Add", "Multiply", "Concatenate", "Average"):
        joined = getattr(L, kind)()([L.Masking()(a), L.Masking()(b)])
        case(kind, keras.Model([a, b], L.GRU(3, return_sequences=True)(joined)), [x, others])
    case("add_unmasked", keras.Model([a, b], L.GRU(3, return_sequences=True)(L.Add()([L.Masking()(a), b]))), [x, others])
    case("concatenate_unmasked", keras.Model([a, b], L.GRU(3, return_sequences=True)(L.Concatenate()([L.Masking()(a), b]))), [x, others])
    case("concatenate_steps", keras.Model([a, b], L.GRU(3)(L.Concatenate(axis=1)([L.Masking()(a), L.Masking()(b)]))), [x, others])
    for kind in ("Attention", "AdditiveAttention"):
        q, v = L.Masking()(a), L.Masking()(b)
        case(kind, keras.Model([a, b], L.Dense(2)(getattr(L, kind)()([q, v]))), [x, others])
    case("attention_causal", keras.Model(a, L.Attention()([L.Masking()(a)] * 2, use_causal_mask=True)), x)
    m = L.Masking()(a)
    case("self_attention", keras.Model(a, L.MultiHeadAttention(2, 4)(m, m)), x)
    case("self_attention_causal", keras.Model(a, L.MultiHeadAttention(2, 4)(m, m, use_causal_mask=True)), x)
    case("self_attention_dropout", keras.Model(a, L.MultiHeadAttention(2, 4, dropout=0.5)(m, m)), x)
    case("cross_attention", keras.Model([a, b], L.MultiHeadAttention(2, 4)(L.Masking()(a), L.Masking()(b))), [x, others])
    case("cross_attention_unmasked_query", keras.Model([a, b], L.MultiHeadAttention(2, 4)(a, L.Masking()(b))), [x, others])


if __name__ == "__main__":
    family = Family("masking")
    masking(family)
    family.save()
