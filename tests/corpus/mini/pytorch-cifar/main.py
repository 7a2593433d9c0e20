import argparse
import os

import torch
import torch.nn as nn
import torch.optim as optim
from models import *
from utils import progress_bar

cli = argparse.ArgumentParser(description="small images")
cli.add_argument("--lr", default=0.1, type=float)
cli.add_argument("--resume", "-r", action="store_true")
args = cli.parse_args()
best_acc, begin = 0, 0
net = TinyNet()
if args.resume:
    state = torch.load("./checkpoint/ckpt.pth")
    net.load_state_dict(state["net"])
    best_acc, begin = state["acc"], state["epoch"]
criterion = nn.CrossEntropyLoss()
optimizer = optim.SGD(net.parameters(), lr=args.lr)


def train(epoch):
    print("\nEpoch: %d" % epoch)
    train_loss = right = seen = 0
    for at, (x, y) in enumerate(trainloader):
        loss = criterion(net(x), y)
        loss.backward()
        optimizer.step()
        progress_bar(at, len(trainloader), "Loss: %.3f | Acc: %.3f%% (%d/%d)"
                     % (train_loss / (at + 1), 100.0 * right / seen, right, seen))


def test(epoch):
    global best_acc
    test_loss = right = seen = 0
    for at, (x, y) in enumerate(testloader):
        progress_bar(at, len(testloader), "Loss: %.3f | Acc: %.3f%% (%d/%d)"
                     % (test_loss / (at + 1), 100.0 * right / seen, right, seen))
    acc = 100.0 * right / seen
    if acc > best_acc:
        print("Saving..")
        if not os.path.isdir("checkpoint"):
            os.mkdir("checkpoint")
        torch.save({"net": net.state_dict(), "acc": acc, "epoch": epoch}, "./checkpoint/ckpt.pth")
        best_acc = acc


for epoch in range(begin, begin + 200):
    train(epoch)
    test(epoch)
