import argparse
import os

import torch
import torch.optim as optim
from detector.models import load_model
from detector.test import _evaluate
from detector.utils.loss import compute_loss


def run():
    parser = argparse.ArgumentParser()
    parser.add_argument("-d", "--data", default="config/all.data")
    parser.add_argument("-e", "--epochs", type=int, default=300)
    parser.add_argument("--logdir", default="logs")
    parser.add_argument("--seed", type=int, default=-1)
    args = parser.parse_args()
    if args.seed != -1:
        torch.manual_seed(args.seed)
    os.makedirs("checkpoints", exist_ok=True)
    model = load_model()
    optimizer = optim.Adam(model.parameters())
    for epoch in range(1, args.epochs + 1):
        loss = compute_loss(model)
        loss.backward()
        optimizer.step()
        torch.save(model.state_dict(), f"checkpoints/ckpt_{epoch}.pth")
        print("\n---- Evaluating Model ----")
        _evaluate(model)


if __name__ == "__main__":
    run()
