import argparse

import torch
import torch.nn as nn
import torch.nn.functional as F
from torchvision import datasets, transforms


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(784, 10)

    def forward(self, x):
        return F.log_softmax(self.fc(x.flatten(1)), dim=1)


def train(args, model, loader, optimizer, epoch):
    model.train()
    for i, (data, target) in enumerate(loader):
        optimizer.zero_grad()
        loss = F.nll_loss(model(data), target)
        loss.backward()
        optimizer.step()
        if i % args.log_interval == 0:
            print('Train Epoch: {} [{}/{} ({:.0f}%)]\tLoss: {:.6f}'.format(
                epoch, i * len(data), len(loader.dataset), 100. * i / len(loader), loss.item()))
            if args.dry_run:
                break


def test(model, loader):
    model.eval()
    test_loss, correct = 0, 0
    with torch.no_grad():
        for data, target in loader:
            out = model(data)
            test_loss += F.nll_loss(out, target, reduction='sum').item()
            correct += (out.argmax(1) == target).sum().item()
    n = len(loader.dataset)
    print('\nTest set: Average loss: {:.4f}, Accuracy: {}/{} ({:.0f}%)\n'.format(
        test_loss / n, correct, n, 100. * correct / n))


def main():
    p = argparse.ArgumentParser()
    p.add_argument('--batch-size', type=int, default=64)
    p.add_argument('--test-batch-size', type=int, default=1000)
    p.add_argument('--epochs', type=int, default=14)
    p.add_argument('--lr', type=float, default=1.0)
    p.add_argument('--gamma', type=float, default=0.7)
    p.add_argument('--dry-run', action='store_true')
    p.add_argument('--seed', type=int, default=1)
    p.add_argument('--log-interval', type=int, default=10)
    p.add_argument('--save-model', action='store_true')
    args = p.parse_args()
    torch.manual_seed(args.seed)
    tf = transforms.ToTensor()
    sets = [datasets.MNIST('../data', train=t, download=True, transform=tf) for t in (True, False)]
    model = Net()
    optimizer = torch.optim.Adadelta(model.parameters(), lr=args.lr)
    for epoch in range(1, args.epochs + 1):
        train(args, model, torch.utils.data.DataLoader(sets[0], args.batch_size, shuffle=True), optimizer, epoch)
        test(model, torch.utils.data.DataLoader(sets[1], args.test_batch_size))
    if args.save_model:
        torch.save(model.state_dict(), "mnist_cnn.pt")


if __name__ == '__main__':
    main()
