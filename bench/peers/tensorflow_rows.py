"""The rows of bench/ in TensorFlow, eager, 2 threads; the training step also as tf.function. Run by compare.py in an
environment that has tensorflow."""
import gzip
import os

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import numpy as np
import tensorflow as tf

from work import CONVS, Rows

tf.config.threading.set_intra_op_parallelism_threads(int(os.environ.get("OMP_NUM_THREADS", 2)))
tf.config.threading.set_inter_op_parallelism_threads(1)
rows = Rows()

a, b, w = (tf.random.normal([8]) for _ in range(3))
rows.row("a + b, 8 floats", lambda: a + b)


def value_and_gradient():
    with tf.GradientTape() as tape:
        tape.watch(w)
        y = tf.reduce_sum(w * a + b)
    return tape.gradient(y, w)


rows.row("value and gradient of sum(w*a + b), 8 floats", value_and_gradient)
m = tf.random.normal([64, 64])
rows.row("matmul 64x64x64", lambda: m @ m)
big = tf.random.normal([1024, 1024])
rows.row("matmul 1024", lambda: big @ big)

def chain(x):  # as in bench/trace.cpp
    gelu = x * 0.5 * (tf.tanh((x + x * x * x * 0.044715) * 0.7978845608) + 1.0)
    return tf.sigmoid(gelu) * gelu + x


# bench/trace's rows "eager" and "traced"; traced: XLA for the chain, tf.function for the steps, which XLA makes slower.
for count, size in ((1 << 20, ", 1 M floats"), (1 << 24, ", 16 M floats")):
    x = tf.random.normal([count])
    rows.row("chain of 12 ops" + size + ", eager", lambda: chain(x))
    compiled = tf.function(chain, jit_compile=True)
    rows.row("chain of 12 ops" + size + ", traced", lambda: compiled(x))

for batch in (32, 128):
    net = tf.keras.Sequential([tf.keras.Input((28, 28, 1)), tf.keras.layers.Conv2D(32, 3, activation="relu"),
                               tf.keras.layers.MaxPooling2D(), tf.keras.layers.Flatten(), tf.keras.layers.Dense(10)])
    adam, loss = tf.keras.optimizers.Adam(), tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    x, y = tf.random.uniform([batch, 28, 28, 1]), tf.random.uniform([batch], 0, 10, tf.int32)

    def step():
        with tf.GradientTape() as tape:
            l = loss(y, net(x))
        adam.apply_gradients(zip(tape.gradient(l, net.trainable_variables), net.trainable_variables))

    rows.row(f"training step, batch {batch}", tf.function(step))  # eager is several times slower
    rows.row(f"digits CNN step, batch {batch}, traced", tf.function(step))
    rows.row(f"inference, batch {batch}", tf.function(lambda: net(x)))
    name = f"digits CNN inference, batch {batch}, traced"
    if rows.wants(name):
        rows.best(name, [tf.function(lambda: net(x)), tf.function(lambda: net(x), jit_compile=True)])

if rows.wants("digits CNN epoch, traced"):  # as in bench/fit.cpp
    digits = [np.frombuffer(gzip.open(f"examples/digits/{f}").read(), np.uint8, offset=o)
              for f, o in (("train-images-idx3-ubyte.gz", 16), ("train-labels-idx1-ubyte.gz", 8))]
    images = digits[0].reshape(-1, 28, 28, 1).astype(np.float32) / 255
    net = tf.keras.Sequential([tf.keras.Input((28, 28, 1)), tf.keras.layers.Conv2D(32, 3, activation="relu"),
                               tf.keras.layers.MaxPooling2D(), tf.keras.layers.Flatten(),
                               tf.keras.layers.Dense(10, activation="softmax")])
    net.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    rows.row("digits CNN epoch, traced", lambda: net.fit(images, digits[1], batch_size=32, verbose=0))

for name, n, size, channels, kernel, stride, filters, groups, pad, dilation in CONVS:
    if dilation > 1 or groups not in (1, channels):  # no gradients on CPUs
        continue
    if not any(rows.wants(name + way) for way in (", forward", ", input gradient", ", kernel gradient")):
        continue
    x = tf.random.normal([n, size, size, channels])
    padding = [[0, 0], [pad, pad], [pad, pad], [0, 0]] if pad else "VALID"
    way = dict(strides=[1, stride, stride, 1], padding="EXPLICIT" if pad else "VALID",
               explicit_paddings=[0, 0, pad, pad, pad, pad, 0, 0] if pad else [])
    if groups > 1:
        k = tf.random.normal([kernel, kernel, channels, 1])
        conv = lambda: tf.nn.depthwise_conv2d(x, k, [1, stride, stride, 1], padding)
        dy = tf.random.normal(conv().shape)
        dx = lambda: tf.raw_ops.DepthwiseConv2dNativeBackpropInput(input_sizes=x.shape, filter=k, out_backprop=dy, **way)
        dk = lambda: tf.raw_ops.DepthwiseConv2dNativeBackpropFilter(input=x, filter_sizes=k.shape, out_backprop=dy, **way)
    else:
        k = tf.random.normal([kernel, kernel, channels, filters])
        conv = lambda: tf.nn.conv2d(x, k, stride, padding)
        dy = tf.random.normal(conv().shape)
        dx = lambda: tf.raw_ops.Conv2DBackpropInput(input_sizes=x.shape, filter=k, out_backprop=dy, **way)
        dk = lambda: tf.raw_ops.Conv2DBackpropFilter(input=x, filter_sizes=k.shape, out_backprop=dy, **way)
    rows.row(name + ", forward", conv)
    rows.row(name + ", input gradient", dx)
    rows.row(name + ", kernel gradient", dk)

x, features = tf.random.normal([4096, 1024]), tf.random.normal([86528, 32])
rows.row("transpose copy [4096, 1024]", lambda: tf.transpose(x))
rows.row("sum of all [4096, 1024]", lambda: tf.reduce_sum(x))
rows.row("sum of rows [4096, 1024]", lambda: tf.reduce_sum(x, 1))
rows.row("sum of columns [4096, 1024]", lambda: tf.reduce_sum(x, 0))
rows.row("sum over pixels [128*26*26, 32]", lambda: tf.reduce_sum(features, 0))
rows.row("max of rows [4096, 1024]", lambda: tf.reduce_max(x, 1))
rows.row("argmax of rows [4096, 1024]", lambda: tf.argmax(x, 1))
rows.row("softmax [4096, 1024]", lambda: tf.nn.softmax(x))
rows.row("log_softmax [4096, 1024]", lambda: tf.nn.log_softmax(x))
image = tf.random.normal([128, 26, 26, 32])
rows.row("max_pool2d 2x2 [128, 26, 26, 32]", lambda: tf.nn.max_pool2d(image, 2, 2, "VALID"))
rows.done()
