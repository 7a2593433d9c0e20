import torch
from lightning import LightningModule
from torchmetrics import MaxMetric, MeanMetric
from torchmetrics.classification import Accuracy


class DigitModule(LightningModule):
    def __init__(self, width, lr):
        super().__init__()
        self.lr = lr
        self.net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(784, width), torch.nn.ReLU(), torch.nn.Linear(width, 10))
        self.accs = torch.nn.ModuleDict({s: Accuracy(task="multiclass", num_classes=10) for s in ("tr", "va", "te")})
        self.val_acc_best = MaxMetric()

    def _one(self, batch, which, stage):
        x, y = batch
        out = self.net(x)
        loss = torch.nn.functional.cross_entropy(out, y)
        self.accs[which](out.argmax(1), y)
        self.log(f"{stage}/loss", loss, on_epoch=True, prog_bar=True)
        self.log(f"{stage}/acc", self.accs[which], on_epoch=True, prog_bar=True)
        return loss

    def training_step(self, batch, i):
        return self._one(batch, "tr", "train")

    def validation_step(self, batch, i):
        self._one(batch, "va", "val")

    def on_validation_epoch_end(self):
        self.val_acc_best(self.accs["va"].compute())
        self.log("val/acc_best", self.val_acc_best.compute(), prog_bar=True)

    def test_step(self, batch, i):
        self._one(batch, "te", "test")

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=self.lr)
