"""Images per second through an ONNX network by OpenVINO, in fp32 and in the precision that it chooses by itself.

usage: openvino_images.py NETWORK.onnx IMAGES.npy OUT_FOLDER
"""

import json
import pathlib
import sys
import time

import numpy as np
import openvino

network, file, out = sys.argv[1:]
images, found = np.load(file), {}
for name, settings in {"fp32": {"INFERENCE_PRECISION_HINT": "f32"}, "default": {}}.items():
    compiled = openvino.Core().compile_model(network, "CPU", settings)
    result = compiled(images)[0]
    np.save(pathlib.Path(out) / f"openvino_{name}.npy", result)
    count, began = 0, time.perf_counter()
    while time.perf_counter() - began < 5:
        compiled(images)
        count += len(images)
    found[name] = count / (time.perf_counter() - began)
print(json.dumps(found))
