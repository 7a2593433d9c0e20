import pytorch_lightning as pl
from main import load
from taming.modules.diffusionmodules.model import Decoder, Encoder
from taming.modules.vqvae.quantize import Quantizer


class VQModel(pl.LightningModule):
    def __init__(self, ddconfig, lossconfig, n_embed, embed_dim, monitor=None):
        super().__init__()
        self.encoder, self.decoder = Encoder(**ddconfig), Decoder(**ddconfig)
        self.quantize, self.loss = Quantizer(n_embed, embed_dim), load(lossconfig)
        if monitor is not None:
            self.monitor = monitor

    def training_step(self, batch, batch_idx, optimizer_idx):
        xrec, qloss = self(batch["image"])
        total, log = self.loss(qloss, batch["image"], xrec, self.global_step, split="train")
        self.log("train/aeloss", total, prog_bar=True, logger=True, on_step=True, on_epoch=True)
        self.log_dict(log, prog_bar=False, logger=True, on_step=True, on_epoch=True)
        return total

    def validation_step(self, batch, batch_idx):
        xrec, qloss = self(batch["image"])
        total, log = self.loss(qloss, batch["image"], xrec, self.global_step, split="val")
        self.log("val/rec_loss", log["val/rec_loss"], prog_bar=True, logger=True, on_step=True, on_epoch=True)
        self.log("val/aeloss", total, prog_bar=True, logger=True, on_step=True, on_epoch=True)
        self.log_dict(log)

    def forward(self, x):
        q, qloss = self.quantize(self.encoder(x))
        return self.decoder(q), qloss
