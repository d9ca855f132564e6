"""The rows of bench/ in PyTorch, eager. Run by bench/peers/compare.py in an environment that has torch."""
import os

import torch

from work import CONVS, Rows

torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", 2)))
rows = Rows()

a, b = torch.randn(8), torch.randn(8)
recorded, w = a.clone().requires_grad_(), torch.randn(8, requires_grad=True)
rows.row("a + b, 8 floats", lambda: a + b)
rows.row("a + b, 8 floats, recorded", lambda: recorded + b)
rows.row("value and gradient of sum(w*a + b), 8 floats", lambda: torch.autograd.grad((w * a + b).sum(), w))
m = torch.randn(64, 64)
rows.row("matmul 64x64x64", lambda: m @ m)
m = torch.randn(1024, 1024)
rows.row("matmul 1024", lambda: m @ m)

def chain(x):  # as in bench/trace.cpp
    gelu = x * 0.5 * (torch.tanh((x + x * x * x * 0.044715) * 0.7978845608) + 1.0)
    return torch.sigmoid(gelu) * gelu + x


# bench/trace's rows "eager" and "traced"; traced: torch.compile.
for count, size in ((1 << 20, ", 1 M floats"), (1 << 24, ", 16 M floats")):
    x = torch.randn(count)
    rows.row("chain of 12 ops" + size + ", eager", lambda: chain(x))
    if rows.wants("chain of 12 ops" + size + ", traced"):
        compiled = torch.compile(chain)
        rows.row("chain of 12 ops" + size + ", traced", lambda: compiled(x))

for batch in (32, 128):
    net = torch.nn.Sequential(torch.nn.Conv2d(1, 32, 3), torch.nn.ReLU(), torch.nn.MaxPool2d(2), torch.nn.Flatten(),
                              torch.nn.Linear(5408, 10))
    adam, loss = torch.optim.Adam(net.parameters()), torch.nn.CrossEntropyLoss()
    x, y = torch.rand(batch, 1, 28, 28), torch.randint(0, 10, (batch,))

    def step():
        adam.zero_grad()
        loss(net(x), y).backward()
        adam.step()

    rows.row(f"training step, batch {batch}", step)
    rows.row(f"digits CNN step, batch {batch}, eager", step)
    if rows.wants(f"digits CNN step, batch {batch}, traced"):
        compiled_step = torch.compile(step)
        rows.row(f"digits CNN step, batch {batch}, traced", compiled_step)
    with torch.inference_mode():
        rows.row(f"inference, batch {batch}", lambda: net(x))
        name = f"digits CNN inference, batch {batch}, traced"  # the better of a frozen script and torch.compile
        if rows.wants(name):
            frozen, compiled_net = torch.jit.freeze(torch.jit.trace(net.eval(), x)), torch.compile(net)
            rows.best(name, [lambda: frozen(x), lambda: compiled_net(x)])

if rows.wants("MLP 784-512-512-10 step, batch 128, eager"):
    linear, relu = torch.nn.Linear, torch.nn.ReLU
    mlp = torch.nn.Sequential(linear(784, 512), relu(), linear(512, 512), relu(), linear(512, 10))
    mlp_adam, px, py = torch.optim.Adam(mlp.parameters()), torch.rand(128, 784), torch.randint(0, 10, (128,))

    def mlp_step():
        mlp_adam.zero_grad()
        loss(mlp(px), py).backward()
        mlp_adam.step()

    rows.row("MLP 784-512-512-10 step, batch 128, eager", mlp_step)

for name, n, size, channels, kernel, stride, filters, groups, pad, dilation in CONVS:
    if not any(rows.wants(name + way) for way in (", forward", ", input gradient", ", kernel gradient")):
        continue
    x = torch.randn(n, channels, size, size).contiguous(memory_format=torch.channels_last)
    k = torch.randn(filters, channels // groups, kernel, kernel)
    conv = lambda: torch.nn.functional.conv2d(x, k, stride=stride, padding=pad, dilation=dilation, groups=groups)
    rows.row(name + ", forward", conv)
    dy = torch.randn_like(conv())
    for way, mask in ((", input gradient", (True, False, False)), (", kernel gradient", (False, True, False))):
        rows.row(name + way, lambda: torch.ops.aten.convolution_backward(
            dy, x, k, None, (stride, stride), (pad, pad), (dilation, dilation), False, (0, 0), groups, mask))

for count, size in ((1 << 20, ", 1 M floats"), (1 << 24, ", 16 M floats")):
    x, y = torch.randn(count), torch.randn(count)
    rows.row("x + y" + size, lambda: x + y)
    rows.row("relu(x)" + size, lambda: torch.relu(x))
    rows.row("exp(x)" + size, lambda: torch.exp(x))
    rows.row("tanh(x)" + size, lambda: torch.tanh(x))
    rows.row("gelu(x)" + size, lambda: torch.nn.functional.gelu(x))

x, features = torch.randn(4096, 1024), torch.randn(86528, 32)
rows.row("transpose copy [4096, 1024]", lambda: x.t().contiguous())
rows.row("sum of all [4096, 1024]", lambda: x.sum())
rows.row("sum of rows [4096, 1024]", lambda: x.sum(1))
rows.row("sum of columns [4096, 1024]", lambda: x.sum(0))
rows.row("sum over pixels [128*26*26, 32]", lambda: features.sum(0))
rows.row("max of rows [4096, 1024]", lambda: x.amax(1))
rows.row("argmax of rows [4096, 1024]", lambda: x.argmax(1))
rows.row("softmax [4096, 1024]", lambda: x.softmax(1))
rows.row("log_softmax [4096, 1024]", lambda: x.log_softmax(1))
scale, offset = torch.randn(1024), torch.randn(1024)
rows.row("layer_norm [4096, 1024]", lambda: torch.nn.functional.layer_norm(x, [1024], scale, offset))
image = torch.randn(128, 32, 26, 26).contiguous(memory_format=torch.channels_last)
rows.row("max_pool2d 2x2 [128, 26, 26, 32]", lambda: torch.nn.functional.max_pool2d(image, 2))
rows.done()
