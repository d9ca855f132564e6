"""Models that between them have every layer that both Keras and tapir know, with random weights, and inputs for each."""
import numpy as np
import keras
from keras import layers as L


def vision():
    return keras.Sequential([
        keras.Input((9, 9, 3)), L.Rescaling(0.5, offset=0.1), L.ZeroPadding2D(((1, 0), (2, 1))), L.Conv2D(4, 3, strides=2, activation="relu"),
        L.BatchNormalization(), L.SeparableConv2D(6, 3, padding="same", depth_multiplier=2), L.LeakyReLU(0.1), L.DepthwiseConv2D(3, padding="same"),
        L.UpSampling2D(2), L.MaxPooling2D(2), L.Conv2DTranspose(3, 2, strides=2), L.GroupNormalization(3), L.PReLU(shared_axes=[1, 2]),
        L.SpatialDropout2D(0.1), L.AveragePooling2D(2), L.Flatten(), L.Dropout(0.5, seed=3), L.Dense(5, activation="softmax")], name="vision")


def sequences():
    a, b = keras.Input((6, 4), name="a"), keras.Input((3,), name="b")
    shared = L.Dense(5, activation="tanh")
    x, h, c = L.LSTM(5, return_state=True)(a)
    y = L.Bidirectional(L.GRU(3, return_sequences=True))(a)
    attended = L.LayerNormalization()(L.MultiHeadAttention(2, 3)(a, a, use_causal_mask=True))
    flat = L.Flatten()(L.EinsumDense("abc,cd->abd", output_shape=(6, 4), bias_axes="d")(attended))
    z = L.Concatenate()([x, h, c, L.GlobalMaxPooling1D()(y), shared(b), shared(L.Dense(3)(b)), L.GlobalAveragePooling1D()(attended), flat])
    z = L.Multiply()([L.Add()([L.Dense(4)(z), L.Dense(4)(z)]), L.Activation("sigmoid")(L.Dense(4, use_bias=False)(z))])
    return keras.Model([a, b], [z, L.TimeDistributed(L.Dense(2))(L.SimpleRNN(3, return_sequences=True, go_backwards=True)(a))], name="sequences")


def signals():
    x = keras.Input((12, 3))
    y = L.Conv1D(4, 3, padding="causal", dilation_rate=2, activation="gelu", kernel_regularizer=keras.regularizers.L2(0.01))(x)
    y = L.SeparableConv1D(4, 3)(L.DepthwiseConv1D(2)(y))
    y = L.ReLU(max_value=2.0)(L.Conv1DTranspose(3, 3)(L.AveragePooling1D(2)(y)))
    y = L.Permute((2, 1))(L.RMSNormalization()(L.Reshape((-1, 3))(y)))
    inner = keras.Sequential([L.Dense(4), L.ELU(), L.Dense(2)], name="inner")
    y = L.Subtract()([inner(y), L.Dense(2, trainable=False)(y)])
    return keras.Model(x, L.Softmax()(L.Dot(axes=2)([y, L.UnitNormalization()(y)])), name="signals")


def words():
    x = keras.Input((7,), dtype="int32")
    y = L.Embedding(20, 6)(x)
    return keras.Model(x, L.Dense(3)(L.GRU(4, reset_after=False)(L.GaussianNoise(0.1)(L.Maximum()([y, L.Conv1D(6, 1)(y)])))), name="words")


def volumes():
    return keras.Sequential([
        keras.Input((6, 6, 6, 2)), L.Conv3D(3, 2, groups=1), L.MaxPooling3D(2), L.Conv3DTranspose(2, 2), L.GlobalAveragePooling3D(keepdims=True),
        L.Reshape((2,)), L.RepeatVector(3), L.LSTM(2)], name="volumes")


def masked():
    return keras.Sequential([
        keras.Input((7,), dtype="int32"), L.Embedding(20, 6, mask_zero=True), L.LayerNormalization(),
        L.Bidirectional(L.LSTM(3, return_sequences=True)), L.GRU(4, return_sequences=True, zero_output_for_mask=True),
        L.GlobalAveragePooling1D(), L.Dense(3)], name="masked")


MODELS = [vision, sequences, signals, words, volumes, masked]


def filled(make, seed=1):
    """The model with random weights, inputs for it and its outputs."""
    keras.utils.clear_session()
    keras.utils.set_random_seed(seed)
    model = make()
    rng = np.random.default_rng(seed)
    model.set_weights([(np.abs(w) if "variance" in v.path else w).astype(v.dtype) for v, w in
                       ((v, rng.normal(scale=0.4, size=v.shape) + (1.0 if "variance" in v.path or "gamma" in v.path else 0.0)) for v in model.weights)])
    inputs = [rng.integers(0, 20, (4, *i.shape[1:])).astype("int32") if i.dtype == "int32" else rng.normal(size=(4, *i.shape[1:])).astype("float32")
              for i in model.inputs]
    if make is masked:  # with padding
        inputs[0][inputs[0] < 8] = 0
    return model, inputs, outputs(model, inputs)


def outputs(model, inputs):
    y = model(inputs if len(inputs) > 1 else inputs[0], training=False)
    return [np.asarray(v) for v in (y if isinstance(y, (list, tuple)) else [y])]
