import torch


def token_loader(batch, seq, split):
    g = torch.Generator().manual_seed(0 if split == "val" else 1)
    while True:
        t = torch.randint(32768, (batch, seq + 1), generator=g)
        yield t[:, :-1], t[:, 1:]
