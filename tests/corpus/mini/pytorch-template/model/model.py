import torch.nn as nn


class DigitModel(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(784, 10)

    def loss(self, x, y):
        return nn.functional.cross_entropy(self.fc(x), y)
