import os
from torchvision import datasets, transforms


def build_dataset(is_train, args):
    """ImageNet folders: train and val."""
    root = os.path.join(args.data_path, "train" if is_train else "val")
    return datasets.ImageFolder(root, transform=transforms.ToTensor())
