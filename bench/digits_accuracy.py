#!/usr/bin/env python3
"""bench/digits_accuracy.cpp in Keras. Start it in the repository, in a venv with tensorflow and keras."""
import gzip

import keras
import numpy as np
from keras import layers


def idx(name, start):
    with gzip.open(f"examples/digits/{name}-ubyte.gz") as f:
        return np.frombuffer(f.read(), np.uint8, offset=start)


def images(name):
    return idx(name, 16).reshape(-1, 28, 28, 1).astype("float32") / 255


x, y = images("train-images-idx3"), idx("train-labels-idx1", 8).astype("int64")
test_x, test_y = images("t10k-images-idx3"), idx("t10k-labels-idx1", 8).astype("int64")
percents = []
for seed in range(5):
    keras.utils.set_random_seed(seed)
    model = keras.Sequential([layers.Conv2D(32, 3, activation="relu"), layers.MaxPooling2D(), layers.Flatten(),
                              layers.Dense(10, activation="softmax")])
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x, y, epochs=10, batch_size=32, verbose=0)
    percents.append(100 * model.evaluate(test_x, test_y, verbose=0)[1])
    print(f"seed {seed}: {percents[-1]:.2f} %", flush=True)
print(f"mean {np.mean(percents):.2f} %, standard deviation {np.std(percents):.2f}")
