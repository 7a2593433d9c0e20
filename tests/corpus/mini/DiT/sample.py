import argparse

import torch

from models import DiT_models

if __name__ == "__main__":
    p = argparse.ArgumentParser()
    p.add_argument("--model", default="DiT-XL/2")
    p.add_argument("--ckpt", default=None)
    p.add_argument("--seed", type=int, default=0)
    args = p.parse_args()
    torch.manual_seed(args.seed)
    torch.save(DiT_models[args.model]()(torch.randn(8, 4, 32, 32), None), "sample.pt")
