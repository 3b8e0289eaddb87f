"""The temporal ablation in plain PyTorch, as its README describes it, without tuning.

One .npy per clip (T x 512, float32), a Dataset that loads the clip for every window, DataLoader, Adam, L1.
Prints seconds per epoch per head. It is the peer that the project's sweep is timed against.

usage: ablation.py CLIP_DIR --epochs 2 [--heads mean,ldbm,transformer,gru]
CLIP_DIR holds clip_*.npy and labels.csv (clip,label).
"""

import argparse
import csv
import pathlib
import time

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

WINDOW, LENGTH, SCALE = 512, 2000, 12.3


class Windows(Dataset):
    def __init__(self, root, hop=256):
        self.items = []
        with (root / "labels.csv").open() as file:
            for row in csv.DictReader(file):
                for s in range(0, LENGTH - WINDOW + 1, hop):
                    self.items.append((root / row["clip"], s, (float(row["label"]) - 15.0) / SCALE))

    def __len__(self):
        return len(self.items)

    def __getitem__(self, i):
        path, s, y = self.items[i]
        x = np.load(path)[:LENGTH]
        if len(x) < LENGTH:
            x = np.concatenate([x, np.zeros((LENGTH - len(x), x.shape[1]), x.dtype)])
        return torch.from_numpy(x[s : s + WINDOW].T.copy()), torch.tensor(y, dtype=torch.float32)


class MeanMLP(nn.Module):
    def __init__(self):
        super().__init__()
        self.mlp = nn.Sequential(nn.Linear(512, 256), nn.ReLU(), nn.Linear(256, 1))

    def forward(self, x):
        return self.mlp(x.mean(2)).squeeze(1)


class LDBM(nn.Module):
    def __init__(self, p=16, d=128, layers=2, ff=256):
        super().__init__()
        self.p = p
        self.proj = nn.Linear(512 * p, d)
        self.layers = nn.ModuleList(nn.TransformerEncoderLayer(d, 4, ff, 0.1, batch_first=True) for _ in range(layers))
        self.merge = nn.Linear(2 * d, d)
        self.head = nn.Sequential(nn.Linear(d, 64), nn.ReLU(), nn.Linear(64, 1))

    def forward(self, x):
        z = x.unfold(2, self.p, self.p)  # B C N p
        z = self.proj(z.permute(0, 2, 1, 3).flatten(2))
        for layer in self.layers:
            z = layer(z)
            B, N, D = z.shape
            z = self.merge(z[:, : N // 2 * 2].reshape(B, N // 2, 2 * D))
        return self.head(z.mean(1)).squeeze(1)


class Transformer(nn.Module):
    def __init__(self, d=128):
        super().__init__()
        self.inp = nn.Linear(512, d)
        self.pos = nn.Parameter(torch.randn(1, 2000, d) * 0.02)
        self.enc = nn.TransformerEncoder(nn.TransformerEncoderLayer(d, 4, 256, 0.1, batch_first=True), 1)
        self.head = nn.Sequential(nn.Linear(d, 64), nn.ReLU(), nn.Linear(64, 1))

    def forward(self, x):
        x = x.permute(0, 2, 1)
        x = self.inp(x) + self.pos[:, : x.shape[1]]
        return self.head(self.enc(x).mean(1)).squeeze(1)


class MambaGRU(nn.Module):
    def __init__(self, d=128):
        super().__init__()
        self.inp = nn.Linear(512, d)
        self.pos = nn.Parameter(torch.randn(1, 2000, d) * 0.02)
        self.gru = nn.GRU(d, d, 2, batch_first=True)
        self.head = nn.Sequential(nn.Linear(d, 64), nn.ReLU(), nn.Linear(64, 1))

    def forward(self, x):
        x = x.permute(0, 2, 1)
        x = self.inp(x) + self.pos[:, : x.shape[1]]
        return self.head(self.gru(x)[1][-1]).squeeze(1)


HEADS = dict(mean=MeanMLP, ldbm=LDBM, transformer=Transformer, gru=MambaGRU)


def report(name, net, seconds, dl, loss):
    count = sum(p.numel() for p in net.parameters())
    text = f"{name:12s} params {count:8d}  {seconds:7.2f} s/epoch  ({len(dl.dataset)} windows)"
    print(f"{text}  L1 of the first epoch {SCALE * loss:.3f} points", flush=True)


if __name__ == "__main__":
    a = argparse.ArgumentParser()
    a.add_argument("root", type=pathlib.Path)
    a.add_argument("--epochs", type=int, default=2)
    a.add_argument("--heads", default="mean,ldbm,transformer,gru")
    a = a.parse_args()
    torch.manual_seed(0)
    for name in a.heads.split(","):
        net = HEADS[name]()
        opt = torch.optim.Adam(net.parameters(), 3e-4, weight_decay=1e-4)
        dl = DataLoader(Windows(a.root), 32, shuffle=True)
        losses = []
        t = time.perf_counter()
        for _ in range(a.epochs):
            for x, y in dl:
                opt.zero_grad()
                loss = nn.functional.l1_loss(net(x), y)
                loss.backward()
                opt.step()
                losses.append(loss.detach())
        t = (time.perf_counter() - t) / a.epochs
        report(name, net, t, dl, torch.stack(losses[: len(dl)]).mean().item())
