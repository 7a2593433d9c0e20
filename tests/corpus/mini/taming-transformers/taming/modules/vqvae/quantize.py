import torch


class Quantizer(torch.nn.Embedding):
    def forward(self, z):
        return z, z.pow(2).mean()
