from torch.optim.lr_scheduler import CosineAnnealingLR


class Warmup(CosineAnnealingLR):
    pass
