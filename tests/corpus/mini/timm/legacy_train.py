#!/usr/bin/env python3
"""The training script as it was; kept for old recipes."""
import argparse
import logging

parser = argparse.ArgumentParser()
parser.add_argument("data", metavar="DIR")
parser.add_argument("--epochs", type=int, default=300)

if __name__ == "__main__":
    args = parser.parse_args()
    best_metric, best_epoch = 0.0, 0
    logging.info("*** Best metric: {0} (epoch {1})".format(best_metric, best_epoch))
