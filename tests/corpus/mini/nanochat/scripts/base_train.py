"""Pretraining: python -m scripts.base_train, or with torchrun --nproc_per_node=8 -m scripts.base_train"""
import argparse
import os
import time

import torch
import wandb

from nanochat.common import compute_init, get_base_dir, print0
from nanochat.dataloader import token_loader
from nanochat.gpt import GPT
from nanochat.loss_eval import evaluate_bpb
from scripts.base_eval import evaluate_core

p = argparse.ArgumentParser()
p.add_argument("--run", type=str, default="dummy", help="wandb run name ('dummy' switches wandb off)")
p.add_argument("--depth", type=int, default=20)
p.add_argument("--max-seq-len", type=int, default=2048)
p.add_argument("--num-iterations", type=int, default=-1)
p.add_argument("--target-param-data-ratio", type=float, default=12, help="steps follow from parameters (-1 = off)")
p.add_argument("--device-batch-size", type=int, default=32)
p.add_argument("--matrix-lr", type=float, default=0.02)
p.add_argument("--resume-from-step", type=int, default=-1)
p.add_argument("--eval-every", type=int, default=250)
p.add_argument("--eval-tokens", type=int, default=80 * 524288)
p.add_argument("--core-metric-every", type=int, default=2000)
p.add_argument("--sample-every", type=int, default=2000)
p.add_argument("--save-every", type=int, default=-1)
p.add_argument("--model-tag", type=str, default=None)
args = p.parse_args()

compute_init()
if args.run != "dummy":
    wandb.init(project="nanochat", name=args.run)
model = GPT(args.depth)
n = sum(q.numel() for q in model.parameters())
tokens = args.device_batch_size * args.max_seq_len
num_iterations = args.num_iterations if args.num_iterations > 0 else int(args.target_param_data_ratio * n) // tokens
checkpoint_dir = os.path.join(get_base_dir(), "base_checkpoints", args.model_tag or f"d{args.depth}")
opt = torch.optim.AdamW(model.parameters(), lr=args.matrix_lr)
loader = token_loader(args.device_batch_size, args.max_seq_len, "train")
min_val_bpb, spent, step = float("inf"), 0.0, 0
while True:
    last_step = step == num_iterations
    if args.eval_every > 0 and (step % args.eval_every == 0 or last_step):
        val = token_loader(args.device_batch_size, args.max_seq_len, "val")
        val_bpb = evaluate_bpb(model, val, args.eval_tokens // tokens)
        print0(f"Step {step:05d} | Validation bpb: {val_bpb:.6f}")
        min_val_bpb = min(min_val_bpb, val_bpb)
    if args.core_metric_every > 0 and step > 0 and (step % args.core_metric_every == 0 or last_step):
        print0(f"Step {step:05d} | CORE metric: {evaluate_core(model):.4f}")
    if last_step:
        os.makedirs(checkpoint_dir, exist_ok=True)
        torch.save(model.state_dict(), os.path.join(checkpoint_dir, f"model_{step:06d}.pt"))
        break
    t0 = time.time()
    loss = model(*next(loader))
    loss.backward()
    opt.step()
    opt.zero_grad()
    spent += time.time() - t0
    print0(f"step {step:05d}/{num_iterations:05d} ({100*step/num_iterations:.2f}%) | loss: {loss.item():.6f} | tok/sec: {0:,} | total time: {spent/60:.2f}m")
    step += 1
print0(f"Peak memory usage: {torch.cuda.max_memory_allocated() / 1024 / 1024:.2f}MiB")
print0(f"Total training time: {spent/60:.2f}m")
print0(f"Minimum validation bpb: {min_val_bpb:.6f}")
