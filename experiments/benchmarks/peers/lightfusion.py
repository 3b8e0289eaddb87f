"""LightFusionNet's visual descriptor in plain PyTorch, as its published recipe describes it, without tuning.

Per clip: the first 500 aligned face crops at 224 px -> frozen MobileNetV3-Small -> 576-D per frame; the 100 most
expressive frames by .5*|f| + .3*|f - mean| + .2*std(f[:100]); four regions of each (eyes, mouth, right and left cheek),
each resized to 224 and encoded; softmax over frames of the channel std; region weights .35/.30/.20/.15; joined: 2304-D.

usage: lightfusion.py CROPS.npy (T x H x W x 3, uint8 RGB) --weights mobilenetv3_small_features.pt [--out d.npy]
"""

import argparse
import time

import numpy as np
import torch
import torchvision
from torch.nn import functional as F

MEAN, STD = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1), torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)
WEIGHTS = dict(eyes=0.35, mouth=0.30, left_cheek=0.15, right_cheek=0.20)


def trunk(path):
    net = torchvision.models.mobilenet_v3_small()
    state = torch.load(path, weights_only=True)
    net.load_state_dict({k.replace("0.", "features.", 1): v for k, v in state.items()}, strict=False)
    return torch.nn.Sequential(net.features, net.avgpool).eval()


@torch.no_grad()
def encode(net, frames, batch=32):
    return torch.cat([net(frames[i : i + batch]).flatten(1) for i in range(0, len(frames), batch)])


def descriptor(net, crops):
    x = torch.from_numpy(crops[:500]).permute(0, 3, 1, 2).float() / 255
    x = (F.interpolate(x, (224, 224), mode="bilinear", antialias=True) - MEAN) / STD
    f = encode(net, x)
    score = 0.5 * f.norm(dim=1) + 0.3 * (f - f.mean(0)).norm(dim=1) + 0.2 * f[:, :100].std(1)
    x = x[score.topk(min(100, len(x))).indices]
    h, w = x.shape[2:]
    regions = dict(
        eyes=x[:, :, : h // 2],
        mouth=x[:, :, 2 * h // 3 :],
        left_cheek=x[:, :, h // 3 : 2 * h // 3, : w // 2],
        right_cheek=x[:, :, h // 3 : 2 * h // 3, w // 2 :],
    )
    out = []
    for name, r in regions.items():
        g = encode(net, F.interpolate(r, (224, 224)))
        out.append(WEIGHTS[name] * (g * g.std(1).softmax(0)[:, None]).sum(0))
    return torch.cat(out)


if __name__ == "__main__":
    a = argparse.ArgumentParser()
    a.add_argument("crops")
    a.add_argument("--weights", required=True)
    a.add_argument("--out")
    a = a.parse_args()
    net, crops = trunk(a.weights), np.load(a.crops)
    t = time.perf_counter()
    d = descriptor(net, crops)
    t = time.perf_counter() - t
    n = min(500, len(crops))
    k = min(100, n)
    text = f"{n} frames, {n + 4 * k} images encoded, {t:.2f} s, {n / t:.1f} frames/s"
    print(f"{text}, descriptor {tuple(d.shape)} norm {d.norm():.4f}")
    if a.out:
        np.save(a.out, d.numpy())
