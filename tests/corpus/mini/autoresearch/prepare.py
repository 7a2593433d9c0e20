"""Fetches data, trains the tokenizer (run once), and holds what train.py borrows at run time."""
import argparse
import math
import os

import torch

# Fixed constants, do not modify
MAX_SEQ_LEN = 2048
TIME_BUDGET = 300  # seconds of training
EVAL_TOKENS = 40 * 524288

CACHE_DIR = os.path.expanduser("~/.cache/autoresearch")


class Tokenizer:
    @classmethod
    def from_directory(cls, folder=os.path.join(CACHE_DIR, "tokenizer")):
        return cls()

    def get_vocab_size(self):
        return 8192


def make_dataloader(tokenizer, B, T, split):
    rng = torch.Generator().manual_seed(0 if split == "val" else 1)
    while True:
        block = torch.randint(tokenizer.get_vocab_size(), (B, T + 1), generator=rng)
        yield block[:, :-1], block[:, 1:], 1


# Evaluation. DO NOT CHANGE: every result is measured with this function.
@torch.no_grad()
def evaluate_bpb(model, tokenizer, batch_size):
    """Nats summed over the validation shard, divided by its bytes, in bits."""
    loader = make_dataloader(tokenizer, batch_size, MAX_SEQ_LEN, "val")
    nats, nbytes = 0.0, 0
    for _ in range(EVAL_TOKENS // (batch_size * MAX_SEQ_LEN)):
        x, y, _ = next(loader)
        nats += model(x, y, reduction="none").sum().item()
        nbytes += 4 * y.numel()
    return nats / (math.log(2) * nbytes)


if __name__ == "__main__":
    cli = argparse.ArgumentParser()
    cli.add_argument("--num-shards", type=int, default=10)
    args = cli.parse_args()
    print(f"Cache directory: {CACHE_DIR}")
