"""Trains a GPT on one or several GPUs. Example: python train.py --batch_size=32 --compile=False"""
import os
import time

import numpy as np
import torch

from model import GPT, GPTConfig

out_dir = 'out'
eval_interval = 2000
log_interval = 1
eval_iters = 200
eval_only = False
always_save_checkpoint = True
init_from = 'scratch'  # or 'resume' or 'gpt2*'
wandb_log = False
dataset = 'openwebtext'
gradient_accumulation_steps = 5 * 8
batch_size = 12
block_size = 1024
n_layer = 12
dropout = 0.0
learning_rate = 6e-4
max_iters = 600000
lr_decay_iters = 600000
device = 'cuda'
compile = True
exec(open('configurator.py').read())

os.makedirs(out_dir, exist_ok=True)
torch.manual_seed(1337)
data_dir = os.path.join('data', dataset)


def get_batch(split):
    data = np.memmap(os.path.join(data_dir, f"{split}.bin"), dtype=np.uint16, mode="r")
    ix = torch.randint(high=len(data) - block_size, size=[batch_size])
    x = torch.stack([torch.from_numpy(data[i:i + block_size].astype(np.int64)) for i in ix])
    y = torch.stack([torch.from_numpy(data[i + 1:i + 1 + block_size].astype(np.int64)) for i in ix])
    return x.to(device), y.to(device)


iter_num, best_val_loss = 0, 1e9
model = GPT(GPTConfig(block_size=block_size, n_layer=n_layer, dropout=dropout))
if init_from == 'resume':
    print(f"Resuming training from {out_dir}")
    ckpt = torch.load(os.path.join(out_dir, 'ckpt.pt'))
    model.load_state_dict(ckpt['model'])
    iter_num, best_val_loss = ckpt['iter_num'], ckpt['best_val_loss']
model.to(device)
optimizer = torch.optim.AdamW(model.parameters(), lr=learning_rate)


@torch.no_grad()
def estimate_loss():
    model.eval()
    out = {s: torch.tensor([model(*get_batch(s))[1].item() for _ in range(eval_iters)]).mean() for s in ('train', 'val')}
    model.train()
    return out


while True:
    if iter_num % eval_interval == 0:
        losses = estimate_loss()
        print(f"step {iter_num}: train loss {losses['train']:.4f}, val loss {losses['val']:.4f}")
        if always_save_checkpoint or losses['val'] < best_val_loss:
            best_val_loss = losses['val']
            if iter_num > 0:
                print(f"saving checkpoint to {out_dir}")
                torch.save({'model': model.state_dict(), 'iter_num': iter_num, 'best_val_loss': best_val_loss}, os.path.join(out_dir, 'ckpt.pt'))
    if iter_num == 0 and eval_only:
        break
    t0 = time.time()
    _, loss = model(*get_batch('train'))
    loss.backward()
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    if iter_num % log_interval == 0:
        print(f"iter {iter_num}: loss {loss.item():.4f}, time {(time.time()-t0)*1000:.2f}ms, mfu {0.0:.2f}%")
    iter_num += 1
    if iter_num > max_iters:
        break
