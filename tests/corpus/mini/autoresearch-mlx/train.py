"""One-file training on MLX. Run it with: uv run train.py"""
import time

import mlx.core as mx
import mlx.nn as nn
import mlx.optimizers as optim

from prepare import TIME_BUDGET, MAX_SEQ_LEN
from prepare import Tokenizer, evaluate_bpb, make_dataloader


class GPT(nn.Module):
    def __init__(self, vocab, dim):
        super().__init__()
        self.wte = nn.Embedding(vocab, dim)
        self.head = nn.Linear(dim, vocab)

    def __call__(self, idx, targets, reduction="mean"):
        return nn.losses.cross_entropy(self.head(self.wte(idx)), targets, reduction=reduction)


# hyperparameters: edit here, there are no flags
TOTAL_BATCH_SIZE = 2**16
MATRIX_LR = 0.04
DEPTH = 4
DEVICE_BATCH_SIZE = 16
FINAL_EVAL_BATCH_SIZE = 256
STARTUP_EXCLUDE_STEPS = 1

t_start = time.time()
mx.random.seed(42)
tokenizer = Tokenizer.from_directory()
model = GPT(tokenizer.get_vocab_size(), DEPTH * 64)
optimizer = optim.AdamW(learning_rate=MATRIX_LR)
loader = make_dataloader(tokenizer, DEVICE_BATCH_SIZE, MAX_SEQ_LEN, "train")
step_fn = nn.value_and_grad(model, lambda m, a, b: m(a, targets=b))
total_training_time, step = 0.0, 0
while True:
    t0 = time.time()
    x, y, epoch = next(loader)
    loss, grads = step_fn(model, x, y)
    optimizer.update(model, grads)
    mx.eval(model.parameters())
    lossf = float(loss.item())
    if lossf > 100:
        print("FAIL")
        raise SystemExit(1)
    if step >= STARTUP_EXCLUDE_STEPS:
        total_training_time += time.time() - t0
    print(f"\rstep {step:05d} | loss: {lossf:.6f} | epoch: {epoch}    ", end="", flush=True)
    step += 1
    if total_training_time >= TIME_BUDGET and step >= STARTUP_EXCLUDE_STEPS:
        break
print()
print(f"Final eval batch size: {FINAL_EVAL_BATCH_SIZE}")
val_bpb = evaluate_bpb(model, tokenizer, batch_size=FINAL_EVAL_BATCH_SIZE)
print("---")
print(f"val_bpb:          {val_bpb:.6f}")
print(f"training_seconds: {total_training_time:.1f}")
print(f"total_seconds:    {time.time() - t_start:.1f}")
print(f"peak_vram_mb:     {mx.get_peak_memory() / 1048576:.1f}")
print(f"mfu_percent:      {0.0:.2f}")
print(f"num_steps:        {step}")
