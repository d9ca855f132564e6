"""The inference rows of bench/networks, and the digits', in ONNX Runtime and in OpenVINO, 2 threads; the networks are those
of pytorch_networks.py, exported. Run by compare.py with TAPIR_PEER=onnxruntime or openvino."""
import os
import tempfile
import warnings

import torch

import pytorch_networks
from work import Rows


def digits():
    return torch.nn.Sequential(torch.nn.Conv2d(1, 32, 3), torch.nn.ReLU(), torch.nn.MaxPool2d(2), torch.nn.Flatten(),
                               torch.nn.Linear(5408, 10))


def onnxruntime(path, x):
    import onnxruntime as ort
    options = ort.SessionOptions()
    options.intra_op_num_threads = 2
    session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    feed = {session.get_inputs()[0].name: x.numpy()}
    return lambda: session.run(None, feed)


def openvino(path, x):
    import openvino as ov
    model = ov.compile_model(path, "CPU", {"INFERENCE_NUM_THREADS": 2, "PERFORMANCE_HINT": "LATENCY",
                                           "INFERENCE_PRECISION_HINT": "f32"})
    request, feed = model.create_infer_request(), [x.numpy()]
    return lambda: request.infer(feed)


if __name__ == "__main__":
    warnings.filterwarnings("ignore")
    load, rows = globals()[os.environ["TAPIR_PEER"]], Rows()
    work = [(f"{make.__name__} inference, batch {batch}", make, (batch, 3, 224, 224))
            for make in (pytorch_networks.resnet18, pytorch_networks.resnet50, pytorch_networks.mobilenet_v2) for batch in (1, 8)]
    work += [(f"digits CNN inference, batch {batch}, traced", digits, (batch, 1, 28, 28)) for batch in (1, 32, 128)]
    for name, make, shape in work:
        if rows.wants(name):
            with tempfile.TemporaryDirectory() as folder:
                x, path = torch.randn(shape), folder + "/net.onnx"
                torch.onnx.export(make().eval(), (x,), path, dynamo=False)
                rows.row(name, load(path, x))
    rows.done()
