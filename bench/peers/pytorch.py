"""The work of bench/small_ops, cnn_step and conv (matmul 1024) in PyTorch, 2 threads, for ratios taken side by side.

Run it in a scratch environment: python3 -m venv ~/.cache/tapir/peers-venv && ~/.cache/tapir/peers-venv/bin/pip install torch numpy"""
import torch, time, sys
torch.set_num_threads(2)
def med(f, secs=2.0):
    for _ in range(5): f()
    ts=[]; s=time.perf_counter()
    while time.perf_counter()-s<secs: t=time.perf_counter(); f(); ts.append(time.perf_counter()-t)
    ts.sort(); return ts[len(ts)//2]*1e6, ts[0]*1e6
for b in (32,128):
    m=torch.nn.Sequential(torch.nn.Conv2d(1,32,3),torch.nn.ReLU(),torch.nn.MaxPool2d(2),torch.nn.Flatten(),torch.nn.Linear(5408,10))
    o=torch.optim.Adam(m.parameters()); l=torch.nn.CrossEntropyLoss(); x=torch.rand(b,1,28,28); y=torch.randint(0,10,(b,))
    def step():
        o.zero_grad(); l(m(x),y).backward(); o.step()
    print("step",b,"%.0f us (min %.0f)"%med(step))
a=torch.randn(8); bb=torch.randn(8)
def t(f,n=20000):
    for _ in range(1000): f()
    best=1e9
    for _ in range(5):
        s=time.perf_counter()
        for _ in range(n): f()
        best=min(best,(time.perf_counter()-s)/n)
    return best*1e9
print("a+b %.0f ns"%t(lambda: a+bb)); ar=a.clone().requires_grad_(); print("recorded %.0f ns"%t(lambda: ar+bb))
w=torch.randn(8,requires_grad=True)
def vg():
    y=(w*a+bb).sum(); return torch.autograd.grad(y,w)
print("vg %.0f ns"%t(vg,2000))
A=torch.randn(1024,1024); print("matmul1024 %.0f us (min %.0f)"%med(lambda: A@A))
