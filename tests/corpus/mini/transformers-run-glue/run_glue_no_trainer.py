import argparse
import json
import os

import evaluate
from accelerate import Accelerator
from accelerate.logging import get_logger
from accelerate.utils import set_seed

logger = get_logger(__name__)


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--task_name", default=None)
    ap.add_argument("--num_train_epochs", type=int, default=3)
    ap.add_argument("--output_dir", default=None)
    ap.add_argument("--seed", type=int, default=None)
    args = ap.parse_args()
    accelerator = Accelerator()
    if args.seed is not None:
        set_seed(args.seed)
    metric = evaluate.load("glue", config_name=args.task_name)
    for epoch in range(args.num_train_epochs):
        eval_metric = metric.compute()
        logger.info(f"epoch {epoch}: {eval_metric}")
    target = os.path.join(args.output_dir, "all_results.json")
    with open(target, "w") as f:
        json.dump({f"eval_{k}": v for k, v in eval_metric.items()}, f)


if __name__ == "__main__":
    main()
