import torch


class Encoder(torch.nn.Conv2d):
    def __init__(self, ch, z_channels, **_):
        super().__init__(3, z_channels, 4, 4)


class Decoder(torch.nn.ConvTranspose2d):
    def __init__(self, ch, z_channels, **_):
        super().__init__(z_channels, 3, 4, 4)
