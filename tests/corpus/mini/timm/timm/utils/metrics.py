class AverageMeter:
    def __init__(self):
        self.val = self.avg = self.sum = self.count = 0

    def update(self, val, n=1):
        self.val, self.sum, self.count = val, self.sum + val * n, self.count + n
        self.avg = self.sum / self.count


def accuracy(output, target, topk=(1,)):
    best = output.topk(max(topk), 1)[1].t().eq(target[None])
    return [100.0 * best[:k].any(0).float().mean().item() for k in topk]
