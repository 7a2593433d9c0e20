"""One-file training for consumer cards. Run it with: uv run train.py"""
import argparse
import json
import os
import time
from pathlib import Path

import torch
import torch.nn as nn
import torch.nn.functional as F

from prepare import EVAL_TOKENS, MAX_SEQ_LEN, TIME_BUDGET, Tokenizer, evaluate_bpb, make_dataloader

TOTAL_BATCH_SIZE = 2**16
MATRIX_LR = 0.04
DEPTH = 4
DEVICE_BATCH_SIZE = 16
TUNED = Path(os.environ.get("LOCALAPPDATA", str(Path.home()))) / "autoresearch" / "gpu-profile-v2.json"


class GPT(nn.Module):
    def __init__(self, vocab, dim):
        super().__init__()
        self.wte = nn.Embedding(vocab, dim)
        self.head = nn.Linear(dim, vocab)

    def forward(self, idx, targets, reduction="mean"):
        return F.cross_entropy(self.head(self.wte(idx)).flatten(0, 1), targets.flatten(), reduction=reduction)


def pick_batch():
    if os.environ.get("AUTORESEARCH_DISABLE_AUTOTUNE", "0") != "1" and TUNED.exists():
        return json.loads(TUNED.read_text())["batch"]
    return DEVICE_BATCH_SIZE


def train_once(tokenizer, batch, seconds):
    torch.manual_seed(42)
    torch.cuda.manual_seed(42)
    model = GPT(tokenizer.get_vocab_size(), DEPTH * 64).cuda()
    opt = torch.optim.AdamW(model.parameters(), lr=MATRIX_LR)
    loader = make_dataloader(tokenizer, batch, MAX_SEQ_LEN, "train")
    spent, step = 0.0, 0
    while spent < seconds or step <= 10:
        t0 = time.time()
        x, y, _ = next(loader)
        loss = model(x.cuda(), y.cuda())
        loss.backward()
        opt.step()
        opt.zero_grad()
        if loss.item() > 100:
            raise RuntimeError("FAIL")
        spent += time.time() - t0 if step > 10 else 0.0
        print(f"\rstep {step:05d} | loss: {loss.item():.6f}    ", end="", flush=True)
        step += 1
    return model, spent, step


def main():
    cli = argparse.ArgumentParser()
    cli.add_argument("--smoke-test", action="store_true")
    args = cli.parse_args()
    tokenizer = Tokenizer.from_directory()
    batch = pick_batch()
    t_start = time.time()
    model, spent, step = train_once(tokenizer, batch, 10 if args.smoke_test else TIME_BUDGET)
    torch.save(model.state_dict(), "checkpoint_pre_eval.pt")
    eval_tokens = 8192 if args.smoke_test else EVAL_TOKENS
    val_bpb = None
    while batch and val_bpb is None:
        try:
            val_bpb = evaluate_bpb(model, tokenizer, batch, device="cuda", eval_tokens=eval_tokens)
        except torch.cuda.OutOfMemoryError:
            print(f"Eval OOM at batch_size={batch}; trying smaller batch.")
            batch //= 2
    print("---")
    print(f"val_bpb:          {val_bpb:.6f}")
    print(f"training_seconds: {spent:.1f}")
    print(f"total_seconds:    {time.time() - t_start:.1f}")
    print(f"peak_vram_mb:     {torch.cuda.max_memory_allocated() / 2**20:.1f}")
    print("mfu_percent:      n/a")
    print(f"num_steps:        {step}")
    print(f"eval_batch_size:  {batch}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
