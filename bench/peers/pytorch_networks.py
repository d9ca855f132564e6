"""The rows of bench/networks in PyTorch, 2 threads; torchvision is not needed. Inference is the fastest of eager and
frozen, each with channels first and last; training the faster of both layouts. Run by compare.py."""
import gc
import warnings

import torch
from torch import nn

from work import Rows


def conv_norm(channels, filters, size, stride=1, groups=1, activation=None):
    layers = [nn.Conv2d(channels, filters, size, stride, size // 2, groups=groups, bias=False), nn.BatchNorm2d(filters)]
    return nn.Sequential(*layers, *([activation(inplace=True)] if activation else []))


class Residual(nn.Module):
    def __init__(self, path, channels, filters, stride):
        super().__init__()
        self.path = path
        self.shortcut = conv_norm(channels, filters, 1, stride) if stride > 1 or channels != filters else nn.Identity()
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x):
        return self.relu(self.path(x) + self.shortcut(x))


def basic_block(channels, filters, stride):
    path = nn.Sequential(conv_norm(channels, filters, 3, stride, activation=nn.ReLU), conv_norm(filters, filters, 3))
    return Residual(path, channels, filters, stride)


def bottleneck(channels, filters, stride):
    path = nn.Sequential(conv_norm(channels, filters, 1, activation=nn.ReLU),
                         conv_norm(filters, filters, 3, stride, activation=nn.ReLU), conv_norm(filters, 4 * filters, 1))
    return Residual(path, channels, 4 * filters, stride)


def resnet(block, depths, widening):
    layers = [conv_norm(3, 64, 7, 2, activation=nn.ReLU), nn.MaxPool2d(3, 2, 1)]
    channels = 64
    for stage, depth in enumerate(depths):
        filters = 64 << stage
        for i in range(depth):
            layers.append(block(channels, filters, 2 if stage and i == 0 else 1))
            channels = filters * widening
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 1000))


def resnet18():
    return resnet(basic_block, [2, 2, 2, 2], 1)


def resnet50():
    return resnet(bottleneck, [3, 4, 6, 3], 4)


class InvertedResidual(nn.Module):
    def __init__(self, channels, filters, stride, expansion):
        super().__init__()
        wide = channels * expansion
        self.adds = stride == 1 and channels == filters
        self.path = nn.Sequential(*([conv_norm(channels, wide, 1, activation=nn.ReLU6)] if expansion > 1 else []),
                                  conv_norm(wide, wide, 3, stride, wide, nn.ReLU6), conv_norm(wide, filters, 1))

    def forward(self, x):
        return x + self.path(x) if self.adds else self.path(x)


def mobilenet_v2():
    layers, channels = [conv_norm(3, 32, 3, 2, activation=nn.ReLU6)], 32
    for expansion, filters, depth, stride in [(1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1),
                                              (6, 160, 3, 2), (6, 320, 1, 1)]:
        for i in range(depth):
            layers.append(InvertedResidual(channels, filters, 1 if i else stride, expansion))
            channels = filters
    return nn.Sequential(*layers, conv_norm(320, 1280, 1, activation=nn.ReLU6), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
                         nn.Dropout(0.2), nn.Linear(1280, 1000))


def status(name):  # of /proc/self/status, in MB
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith(name + ":")) / 1024


def peak_memory(f):
    gc.collect()
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")  # the peak is what is in use now
    before = status("VmRSS")
    f()
    return status("VmHWM") - before


def layouts(net, x):
    yield net, x
    yield net.to(memory_format=torch.channels_last), x.contiguous(memory_format=torch.channels_last)


def inferences(net, batch):
    for laid, x in layouts(net.eval(), torch.randn(batch, 3, 224, 224)):
        yield lambda: laid(x)
        frozen = torch.jit.optimize_for_inference(torch.jit.freeze(torch.jit.script(laid)))
        yield lambda: frozen(x)


def training_steps():
    y = torch.randint(0, 1000, (8,))
    for net, x in layouts(resnet18(), torch.randn(8, 3, 224, 224)):
        sgd = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9)

        def step():
            sgd.zero_grad()
            nn.functional.cross_entropy(net(x), y).backward()
            sgd.step()

        yield step


if __name__ == "__main__":
    warnings.filterwarnings("ignore")  # torch.jit is deprecated; torch.compile takes a minute a network
    torch.set_num_threads(2)
    rows = Rows()
    training = "resnet18 training step, batch 8"
    if rows.wants(training + ", peak memory"):  # first, in a process that has nothing; channels last need less
        def steps():
            *_, step = training_steps()
            for _ in range(4):
                step()
        rows.figure(training + ", peak memory", peak_memory(steps), "MB")
    with torch.inference_mode():
        for make in resnet18, resnet50, mobilenet_v2:
            for batch in 1, 8:
                name = f"{make.__name__} inference, batch {batch}"
                if rows.wants(name):
                    rows.best(name, inferences(make(), batch))
    if rows.wants(training):
        rows.best(training, training_steps())
    rows.done()
