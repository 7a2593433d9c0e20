import argparse

import torch

p = argparse.ArgumentParser()
p.add_argument('--epochs', type=int, default=10)
p.add_argument('--seed', type=int, default=1)
args = p.parse_args()
torch.manual_seed(args.seed)
for epoch in range(1, args.epochs + 1):
    print('Train Epoch: {} [{}/{} ({:.0f}%)]\tLoss: {:.6f}'.format(epoch, 0, 60000, 0., 105.))
    print('====> Epoch: {} Average loss: {:.4f}'.format(epoch, 106.1))
    print('====> Test set loss: {:.4f}'.format(105.2))
