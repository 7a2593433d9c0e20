"""One-file language model training. Run it with: uv run train.py"""
import math
import time

import torch
import torch.nn as nn
import torch.nn.functional as F

from prepare import TIME_BUDGET, MAX_SEQ_LEN
from prepare import Tokenizer, evaluate_bpb, make_dataloader


class GPT(nn.Module):
    def __init__(self, vocab, dim, depth):
        super().__init__()
        self.wte = nn.Embedding(vocab, dim)
        self.blocks = nn.ModuleList(nn.Linear(dim, dim) for _ in range(depth))
        self.head = nn.Linear(dim, vocab)

    def forward(self, idx, targets, reduction="mean"):
        h = self.wte(idx)
        for b in self.blocks:
            h = h + F.relu(b(h))
        logits = self.head(h).flatten(0, 1)
        return F.cross_entropy(logits, targets.flatten(), reduction=reduction)


# hyperparameters: edit here, there are no flags
TOTAL_BATCH_SIZE = 2**19
MATRIX_LR = 0.04
WARMDOWN_RATIO = 0.5
DEPTH = 8
DEVICE_BATCH_SIZE = 128

t_start = time.time()
torch.manual_seed(42)
device = torch.device("cuda")
tokenizer = Tokenizer.from_directory()
model = GPT(tokenizer.get_vocab_size(), DEPTH * 64, DEPTH).to(device)
optimizer = torch.optim.AdamW(model.parameters(), lr=MATRIX_LR)
loader = make_dataloader(tokenizer, DEVICE_BATCH_SIZE, MAX_SEQ_LEN, "train")
print(f"Time budget: {TIME_BUDGET}s")

smooth, total_training_time, step = 0.0, 0.0, 0
while True:
    t0 = time.time()
    x, y, epoch = next(loader)
    loss = model(x.to(device), y.to(device))
    loss.backward()
    progress = total_training_time / TIME_BUDGET
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    lossf = loss.item()
    if lossf > 100 or math.isnan(lossf):
        print("FAIL")
        exit(1)
    dt = time.time() - t0
    if step > 10:
        total_training_time += dt
    smooth = 0.9 * smooth + 0.1 * lossf
    print(f"\rstep {step:05d} ({100*progress:.1f}%) | loss: {smooth:.6f} | dt: {dt*1000:.0f}ms | epoch: {epoch} | remaining: {TIME_BUDGET-total_training_time:.0f}s    ", end="", flush=True)
    step += 1
    if total_training_time >= TIME_BUDGET and step > 10:
        break
print()

model.eval()
val_bpb = evaluate_bpb(model, tokenizer, batch_size=DEVICE_BATCH_SIZE)
peak_vram_mb = torch.cuda.max_memory_allocated() / 2**20
print("---")
print(f"val_bpb:          {val_bpb:.6f}")
print(f"training_seconds: {total_training_time:.1f}")
print(f"total_seconds:    {time.time() - t_start:.1f}")
print(f"peak_vram_mb:     {peak_vram_mb:.1f}")
print(f"num_steps:        {step}")
print(f"depth:            {DEPTH}")
