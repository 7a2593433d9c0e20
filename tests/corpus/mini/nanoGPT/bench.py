"""Only measures speed of the model on random tokens."""
import time

import torch
from model import GPT, GPTConfig

seed = 1337
torch.manual_seed(seed)
model = GPT(GPTConfig())
x = torch.randint(50304, (12, 1024))
t0 = time.time()
for k in range(20):
    _, loss = model(x, x)
    print(f"{k}/20 loss: {loss.item():.4f}")
print(f"time per iteration: {(time.time()-t0)/20*1000:.4f}ms, MFU: {0.0:.2f}%")
