import argparse
import time

import numpy as np

from torchbenchmark import load_model_by_name

WARMUP_ROUNDS = 3


def run_one_step(func, model, num_iter=10):
    for _ in range(WARMUP_ROUNDS):
        func()
    took = []
    for _ in range(num_iter):
        t = time.time_ns()
        func()
        took.append((time.time_ns() - t) / 1e6)
    wall = np.median(took)
    if model.device == "cuda":
        print("{:<20} {:>20}".format("GPU Time per batch:", "%.3f milliseconds" % (wall / model.num_batch)))
    print("{:<20} {:>20}".format("CPU Wall Time per batch:", "%.3f milliseconds" % (wall / model.num_batch)))
    print("{:<20} {:>20}".format("CPU Wall Time:", "%.3f milliseconds" % wall))
    print("{:<20} {:>20}".format("Time to first batch:", "%.4f ms" % model.ttfb))


if __name__ == "__main__":
    p = argparse.ArgumentParser()
    p.add_argument("model", help="Full or partial name; the first match is taken.")
    p.add_argument("-d", "--device", choices=["cpu", "cuda"], default="cpu")
    p.add_argument("-t", "--test", choices=["eval", "train"], default="eval")
    p.add_argument("--bs", type=int)
    args = p.parse_args()
    m = load_model_by_name(args.model)(args.test, args.device, args.bs)
    print(f"Running {args.test} method from {m.name} on {args.device} in eager mode with input batch size {m.batch_size} and precision fp32.")
    run_one_step(m.invoke, m)
