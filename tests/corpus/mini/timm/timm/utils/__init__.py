import csv
import os

from .metrics import AverageMeter, accuracy


def get_outdir(*parts):
    folder = os.path.join(*parts)
    os.makedirs(folder, exist_ok=True)
    return folder


def update_summary(epoch, train, ev, filename, write_header=False):
    row = {"epoch": epoch, **{"train_" + k: v for k, v in train.items()}, **{"eval_" + k: v for k, v in ev.items()}}
    with open(filename, mode="a") as f:
        out = csv.DictWriter(f, fieldnames=list(row))
        if write_header:
            out.writeheader()
        out.writerow(row)
