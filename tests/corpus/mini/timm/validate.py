#!/usr/bin/env python3
"""Score one set of weights on a validation folder."""
import argparse
import json
import logging

from timm import utils
from timm.models import create_model

_logger = logging.getLogger("validate")
parser = argparse.ArgumentParser()
parser.add_argument("--data-dir", metavar="DIR")
parser.add_argument("--model", default="dpn92")
parser.add_argument("--checkpoint", default="")
parser.add_argument("--pretrained", action="store_true")


def validate(args):
    model, top1, top5 = create_model(args.model), utils.AverageMeter(), utils.AverageMeter()
    _logger.info(" * Acc@1 {:.3f} ({:.3f}) Acc@5 {:.3f} ({:.3f})".format(top1.avg, 100 - top1.avg, top5.avg, 100 - top5.avg))
    return {"model": args.model, "top1": round(top1.avg, 4), "top5": round(top5.avg, 4)}


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    print(f"--result\n{json.dumps(validate(parser.parse_args()), indent=4)}")
