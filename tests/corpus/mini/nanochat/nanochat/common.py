import os

import torch


def get_base_dir():
    return os.environ.get("NANOCHAT_BASE_DIR", os.path.expanduser("~/.cache/nanochat"))


def print0(s="", **kw):
    if int(os.environ.get("RANK", 0)) == 0:
        print(s, **kw)


def compute_init():
    torch.manual_seed(42)
