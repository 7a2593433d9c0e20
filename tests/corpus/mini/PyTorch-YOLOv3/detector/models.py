import torch.nn as nn


class Dark(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3)


def load_model():
    return Dark()
