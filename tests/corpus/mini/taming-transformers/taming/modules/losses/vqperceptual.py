import torch
from .lpips import Perceptual


class VQLPIPSWithDiscriminator(torch.nn.Module):
    def __init__(self, disc_start, disc_weight=1.0, codebook_weight=1.0, perceptual_weight=1.0):
        super().__init__()
        self.start, self.dw, self.cw, self.pw = disc_start, disc_weight, codebook_weight, perceptual_weight
        self.perceptual = Perceptual().eval()

    def forward(self, qloss, x, xrec, step, split="train"):
        rec = (x - xrec).abs() + self.pw * self.perceptual(x, xrec)
        g = -xrec.mean() if step > self.start else 0.0
        total = rec.mean() + self.dw * g + self.cw * qloss
        return total, {"{}/total_loss".format(split): total.detach(), "{}/rec_loss".format(split): rec.detach().mean(), "{}/g_loss".format(split): g}
