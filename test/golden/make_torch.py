#!/usr/bin/env python3
"""usage: make_torch.py [FOLDER]: models of real PyTorch with random weights, saved as their users save them, and what they compute:
torch/NAME.safetensors (or .npz) and torch/NAME.out.npz with inputs x0, ... and outputs y0, ... Images are written channels last, as tapir takes
them. Needs torch, numpy and safetensors (made with torch 2.15, safetensors 0.8); test/nn/torch_weights_test.cpp reads what it wrote."""
import sys
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import nn

out = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent / "torch")


class Vision(nn.Module):
    """Convolutions of all kinds, an image that is flattened and one that is made of a vector."""

    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(2, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4), nn.PReLU(4), nn.MaxPool2d(2),
            nn.Conv2d(4, 8, 3, groups=4, padding=1), nn.GroupNorm(2, 8), nn.ReLU(),
            nn.Conv2d(8, 8, (3, 1), groups=2, padding=(1, 0)))
        self.norm = nn.BatchNorm1d(3 * 4 * 8)
        self.head = nn.Linear(3 * 4 * 8, 2 * 3 * 4)
        self.up = nn.ConvTranspose2d(4, 3, 2, stride=2)

    def forward(self, x):
        h = self.norm(torch.flatten(self.features(x), 1))
        y = torch.relu(self.head(h))
        return self.up(y.reshape(-1, 4, 2, 3))


class Sequences(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(11, 4)
        self.lstm = nn.LSTM(4, 3, num_layers=2, batch_first=True, bidirectional=True)
        self.gru = nn.GRU(6, 4, batch_first=True)
        self.rnn = nn.RNN(4, 6, batch_first=True)
        self.attention = nn.MultiheadAttention(6, 2, batch_first=True)
        self.norm = nn.LayerNorm(6)
        self.out = nn.Linear(6, 5)

    def forward(self, x):
        h, _ = self.lstm(self.embed(x))
        h, _ = self.gru(h)
        h, _ = self.rnn(h)
        h = self.norm(h + self.attention(h, h, h, need_weights=False)[0])
        return self.out(h)


class Twins(nn.Module):
    """Two layers of the same sizes, told apart by their names alone; the first of them is the last by name."""

    def __init__(self):
        super().__init__()
        self.second = nn.Linear(3, 3)
        self.first = nn.Linear(3, 3)
        self.gain = nn.Parameter(torch.ones(3))

    def forward(self, x):
        return self.first(torch.tanh(self.second(x))) * self.gain


def last(x):
    return np.ascontiguousarray(np.moveaxis(x.numpy(), 1, -1)) if x.dim() == 4 else x.numpy()


def save(name, model, x, suffix=".safetensors"):
    with torch.no_grad():
        for p in model.parameters():  # larger than PyTorch's own, so that a wrong order shows
            p.copy_(torch.randn(p.shape) * (0.5 if p.dim() > 1 else 0.3) + (1 if p.dim() < 2 else 0))
        if x[0].is_floating_point():
            model.train()
            for _ in range(5):
                model(torch.randn(6, *x[0].shape[1:]) * 2 + 1)
        model.eval()
        y = model(*x)
    state = model.state_dict()
    if suffix == ".npz":
        np.savez(out / (name + suffix), **{k: v.numpy() for k, v in state.items()})
    else:
        save_file(state, out / (name + suffix))
    np.savez(out / (name + ".out.npz"), **{f"x{i}": last(t) for i, t in enumerate(x)}, y0=last(y))


torch.manual_seed(7)
out.mkdir(parents=True, exist_ok=True)
save("vision", Vision(), [torch.randn(2, 2, 6, 8)])
save("sequences", Sequences(), [torch.randint(0, 11, (2, 5))])
save("twins", Twins(), [torch.randn(2, 3)], ".npz")
