from torch.utils.data import Dataset


class ImagePaths(Dataset):
    def __init__(self, paths, size):
        self.paths, self.size = paths, size
