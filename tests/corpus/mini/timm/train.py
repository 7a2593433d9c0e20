#!/usr/bin/env python3
"""ImageNet training: lean, easy to change."""
import argparse
import json
import logging
import os
from collections import OrderedDict
from datetime import datetime

import torch

from timm import utils
from timm.models import create_model

_logger = logging.getLogger("train")
parser = argparse.ArgumentParser(description="training")
parser.add_argument("data", nargs="?", metavar="DIR", const=None)
group = parser.add_argument_group("all")
group.add_argument("--data-dir", metavar="DIR")
group.add_argument("--model", default="resnet50", type=str)
group.add_argument("--resume", default="", type=str)
group.add_argument("--epochs", type=int, default=300, metavar="N")
group.add_argument("--seed", type=int, default=42)
group.add_argument("--output", default="", type=str)
group.add_argument("--experiment", default="", type=str)
group.add_argument("--eval-metric", default="top1", type=str)


def train_one_epoch(epoch, model, loader):
    loss = utils.AverageMeter()
    for i, (x, y) in enumerate(loader):
        loss.update(model(x, y).item())
        _logger.info(f"Train: {epoch} [{i:>4d}/{len(loader)}]  Loss: {loss.val:#.3g} ({loss.avg:#.3g})  LR: {0.1:.3e}")
    return OrderedDict([("loss", loss.avg)])


def validate(model, loader, log_suffix=""):
    loss, top1, top5 = (utils.AverageMeter() for _ in range(3))
    for i, (x, y) in enumerate(loader):
        acc1, acc5 = utils.accuracy(model(x), y, topk=(1, 5))
        top1.update(acc1)
        top5.update(acc5)
        name = "Test" + log_suffix
        _logger.info(f"{name}: [{i:>4d}/{len(loader)}]  Loss: {loss.val:>7.3f} ({loss.avg:>6.3f})  "
                     f"Acc@1: {top1.val:>7.3f} ({top1.avg:>7.3f})  Acc@5: {top5.val:>7.3f} ({top5.avg:>7.3f})")
    return OrderedDict([("loss", loss.avg), ("top1", top1.avg), ("top5", top5.avg)])


def main():
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    model = create_model(args.model)
    name = args.experiment or "-".join([datetime.now().strftime("%Y%m%d-%H%M%S"), args.model])
    out = utils.get_outdir(args.output or "./output/train", name)
    best_metric, best_epoch, results = None, None, []
    try:
        for epoch in range(args.epochs):
            tr, ev = train_one_epoch(epoch, model, []), validate(model, [])
            utils.update_summary(epoch, tr, ev, os.path.join(out, "summary.csv"), write_header=best_metric is None)
            if best_metric is None or ev[args.eval_metric] > best_metric:
                best_metric, best_epoch = ev[args.eval_metric], epoch
                torch.save(model.state_dict(), os.path.join(out, "model_best.pth.tar"))
            results.append({"epoch": epoch, "train": tr, "validation": ev})
    except KeyboardInterrupt:
        pass
    if best_metric is not None:
        _logger.info("*** Best metric: {0} (epoch {1})".format(best_metric, best_epoch))
    results.sort(key=lambda r: r["validation"][args.eval_metric])
    print(f"--result\n{json.dumps(results[-10:], indent=4)}")


if __name__ == "__main__":
    main()
