import torch


class Generator(torch.nn.Module):
    pass


class Discriminator(torch.nn.Module):
    pass
