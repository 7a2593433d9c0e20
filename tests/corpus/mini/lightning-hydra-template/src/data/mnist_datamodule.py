import torch
from lightning import LightningDataModule
from torch.utils.data import ConcatDataset, DataLoader, random_split
from torchvision.datasets import MNIST
from torchvision.transforms import ToTensor


class DigitData(LightningDataModule):
    def __init__(self, batch_size, root="data/"):
        super().__init__()
        self.batch_size, self.root = batch_size, root

    def setup(self, stage=None):
        both = ConcatDataset([MNIST(self.root, train=t, download=True, transform=ToTensor()) for t in (True, False)])
        parts = random_split(both, (55_000, 5_000, 10_000), generator=torch.Generator().manual_seed(42))
        self.parts = dict(zip(("train", "val", "test"), parts))

    def train_dataloader(self):
        return DataLoader(self.parts["train"], self.batch_size, shuffle=True)

    def val_dataloader(self):
        return DataLoader(self.parts["val"], self.batch_size)

    def test_dataloader(self):
        return DataLoader(self.parts["test"], self.batch_size)
