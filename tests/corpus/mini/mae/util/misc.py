import os
from collections import defaultdict
import torch


class Mean:
    total, count, value = 0.0, 0, 0.0
    @property
    def global_avg(self):
        return self.total / max(self.count, 1)
    def __str__(self):
        return "{:.4f} ({:.4f})".format(self.value, self.global_avg)


class MetricLogger:
    def __init__(self, delimiter="\t"):
        self.meters, self.delimiter = defaultdict(Mean), delimiter
    def update(self, **kw):
        for k, v in kw.items():
            m = self.meters[k]
            m.value, m.total, m.count = v, m.total + v, m.count + 1
    def __getattr__(self, name):
        return self.meters[name]
    def __str__(self):
        return self.delimiter.join("{}: {}".format(k, m) for k, m in self.meters.items())
    def log_every(self, rows, every, head):
        for i, r in enumerate(rows):
            yield r
            if i % every == 0:
                print(self.delimiter.join([head, "[{}/{}]".format(i, len(rows)), str(self)]))


def get_rank(): return int(os.environ.get("RANK", 0))
def get_world_size(): return int(os.environ.get("WORLD_SIZE", 1))
def save_model(args, epoch, model): torch.save(model.state_dict(), f"{args.output_dir}/checkpoint-{epoch}.pth")
def load_model(args, model):
    if args.resume:
        model.load_state_dict(torch.load(args.resume))
