import os
import sys

with open(sys.argv[0]) as f:
    code = f.read()  # goes into the log
import glob
import time
import uuid
from dataclasses import dataclass

import torch
import torch.distributed as dist
import torch.nn as nn
import torch.nn.functional as F

from triton_kernels import fused_relu_square

rank, world_size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
dist.init_process_group("nccl")
master_process = rank == 0


class GPT(nn.Module):
    def __init__(self, vocab=50304, dim=768):
        super().__init__()
        self.embed = nn.Embedding(vocab, dim)
        self.mlp = nn.Linear(dim, dim)
        self.lm_head = nn.Linear(dim, vocab)

    def forward(self, x, y):
        return F.cross_entropy(self.lm_head(fused_relu_square(self.embed(x), self.mlp.weight)), y)


def distributed_data_generator(pattern, num_tokens):
    for f in sorted(glob.glob(pattern)):
        t = torch.from_file(f, size=1 << 20, dtype=torch.int16).long().cuda()
        for i in range(rank * num_tokens, len(t) - num_tokens - 1, world_size * num_tokens):
            yield t[i:i + num_tokens], t[i + 1:i + num_tokens + 1]


@dataclass
class Hyperparameters:
    train_files: str = "data/fineweb10B/fineweb_train_*.bin"
    val_files: str = "data/fineweb10B/fineweb_val_*.bin"
    val_tokens: int = 10485760  # keep: results are compared on it
    val_batch_size: int = 4 * 64 * 1024 * 8
    num_scheduled_iterations: int = 1270
    num_extension_iterations: int = 15
    run_id: str = f"{uuid.uuid4()}"
    val_loss_every: int = 250  # 0: only at the end
    save_checkpoint: bool = False


args = Hyperparameters()
if master_process:
    os.makedirs("logs", exist_ok=True)
    logfile = f"logs/{args.run_id}.txt"
    print(logfile)


def print0(s, console=False):
    if master_process:
        with open(logfile, "a") as f:
            if console:
                print(s)
            print(s, file=f)


print0(code)
print0("=" * 100)
model = torch.compile(GPT().cuda())
print0("compiling, ~7 minutes the first time", console=True)
opt = torch.optim.AdamW(model.parameters(), lr=0.01)
loader = distributed_data_generator(args.train_files, 48 * 1024)
train_steps = args.num_scheduled_iterations + args.num_extension_iterations
training_time_ms = 0
torch.cuda.synchronize()
t0 = time.perf_counter()
for step in range(train_steps + 1):
    last_step = step == train_steps
    if last_step or (args.val_loss_every and not step % args.val_loss_every):
        torch.cuda.synchronize()
        training_time_ms += (time.perf_counter() - t0) * 1e3
        val_steps = args.val_tokens // args.val_batch_size
        val_loader = distributed_data_generator(args.val_files, args.val_batch_size)
        with torch.no_grad():
            val_loss = sum(model(*next(val_loader)) for _ in range(val_steps)) / val_steps
        dist.reduce(val_loss, 0, op=dist.ReduceOp.AVG)
        print0(f"step:{step}/{train_steps} val_loss:{val_loss:.4f} train_time:{training_time_ms:.0f}ms step_avg:{training_time_ms/max(step, 1):.2f}ms", console=True)
        torch.cuda.synchronize()
        t0 = time.perf_counter()
    if last_step:
        break
    model(*next(loader)).backward()
    opt.step()
    opt.zero_grad(set_to_none=True)
    so_far = training_time_ms + 1000 * (time.perf_counter() - t0)
    print0(f"step:{step+1}/{train_steps} train_time:{so_far:.0f}ms step_avg:{so_far/(step + 1):.2f}ms", console=True)
print0(f"peak memory allocated: {torch.cuda.max_memory_allocated() // 1024 // 1024} MiB ", console=True)
dist.destroy_process_group()
