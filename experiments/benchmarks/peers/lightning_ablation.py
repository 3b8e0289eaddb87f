"""The temporal ablation with Lightning, as a user would write it today: the plain heads, a DataLoader and a Trainer.

One line sets the precision: `medium` is torch.set_float32_matmul_precision("medium"), `bf16` the Trainer's autocast.

usage: lightning_ablation.py CLIP_DIR [--epochs 1] [--heads mean,ldbm,transformer,gru] [--precision default|medium|bf16]
"""

import argparse
import pathlib
import time
import warnings

import lightning
import torch
from ablation import HEADS, Windows, report
from torch import nn
from torch.utils.data import DataLoader


class Regressor(lightning.LightningModule):
    def __init__(self, net):
        super().__init__()
        self.net = net

    def training_step(self, batch, _):
        x, y = batch
        loss = nn.functional.l1_loss(self.net(x), y)
        self.losses.append(loss.detach())
        return loss

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), 3e-4, weight_decay=1e-4)

    def on_train_epoch_start(self):
        self.losses, self.began = [], time.perf_counter()

    def on_train_epoch_end(self):
        seconds.append(time.perf_counter() - self.began)
        losses.append(torch.stack(self.losses).float().mean().item())


if __name__ == "__main__":
    a = argparse.ArgumentParser()
    a.add_argument("root", type=pathlib.Path)
    a.add_argument("--epochs", type=int, default=1)
    a.add_argument("--heads", default="mean,ldbm,transformer,gru")
    a.add_argument("--precision", default="default", choices=("default", "medium", "bf16"))
    a = a.parse_args()
    warnings.filterwarnings("ignore")
    torch.manual_seed(0)
    if a.precision == "medium":
        torch.set_float32_matmul_precision("medium")
    for name in a.heads.split(","):
        seconds, losses = [], []
        net, dl = HEADS[name](), DataLoader(Windows(a.root), 32, shuffle=True)
        trainer = lightning.Trainer(
            max_epochs=a.epochs,
            accelerator="cpu",
            precision="bf16-mixed" if a.precision == "bf16" else "32-true",
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        trainer.fit(Regressor(net), dl)
        report(name, net, sum(seconds) / len(seconds), dl, losses[0])
