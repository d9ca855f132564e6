"""Made the files of this folder: python make.py FOLDER, with PyTorch 2.15, onnx 1.23 and onnxscript 0.7.2. Both of PyTorch's exporters write each
model; torch_sequences_dynamo is left out, for its size."""
import torch, numpy as np, sys, io
from torch import nn
torch.manual_seed(3)
out = sys.argv[1]
class Net(nn.Module):
    def __init__(s):
        super().__init__()
        s.a = nn.Conv2d(2, 4, 3, padding=1, bias=False); s.n = nn.BatchNorm2d(4); s.p = nn.MaxPool2d(2)
        s.b = nn.ConvTranspose2d(4, 3, 2, stride=2); s.g = nn.GroupNorm(3, 3); s.h = nn.Linear(3, 5)
    def forward(s, x):
        y = s.p(torch.relu(s.n(s.a(x))))
        y = torch.nn.functional.interpolate(s.g(s.b(y)), scale_factor=2, mode="bilinear", align_corners=False)
        return s.h(torch.nn.functional.silu(y).mean((2, 3)))
class Seq(nn.Module):
    def __init__(s):
        super().__init__()
        s.e = nn.Embedding(11, 4); s.l = nn.LSTM(4, 3, batch_first=True, bidirectional=True); s.g = nn.GRU(6, 4, batch_first=True)
        s.t = nn.TransformerEncoderLayer(4, 2, 8, dropout=0.0, batch_first=True)
    def forward(s, x):
        y, _ = s.l(s.e(x)); y, h = s.g(y)
        return s.t(y), h
def save(name, m, x, **k):
    m.eval()
    for dynamo in (False, True):
        try:
            n = f"{out}/{name}_{'dynamo' if dynamo else 'script'}"
            kk = dict(opset_version=17 if not dynamo else 18, dynamo=dynamo)
            if dynamo: kk['external_data'] = False
            torch.onnx.export(m, (x,), n + ".onnx", input_names=["x"], **kk)
            r = m(x); r = r if isinstance(r, tuple) else (r,)
            np.save(n + ".input_0.npy", x.numpy())
            for i, t in enumerate(r): np.save(f"{n}.output_{i}.npy", t.detach().numpy())
        except Exception as e: print(name, dynamo, type(e), str(e)[:300])
n = Net(); n.train(); [n(torch.randn(4, 2, 8, 8) * 2 + 1) for _ in range(5)]
save("torch_images", n, torch.randn(2, 2, 8, 8))
save("torch_sequences", Seq(), torch.randint(0, 11, (2, 5)))
