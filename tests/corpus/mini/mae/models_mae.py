import torch


class Mae(torch.nn.Module):
    def forward(self, ratio):
        return torch.rand(()) * ratio


mae_vit_large_patch16 = Mae
