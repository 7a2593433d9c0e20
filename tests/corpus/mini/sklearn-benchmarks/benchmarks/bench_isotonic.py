"""Times isotonic regression for growing problems, and draws a plot."""
import argparse
import timeit

import matplotlib.pyplot as plt
import numpy as np
from sklearn.isotonic import isotonic_regression

if __name__ == "__main__":
    ap = argparse.ArgumentParser()
    ap.add_argument("--iterations", type=int, required=True)
    ap.add_argument("--log_min_problem_size", type=int, required=True)
    args = ap.parse_args()
    y = np.random.RandomState(0).randn(10 ** args.log_min_problem_size)
    times = [timeit.timeit(lambda: isotonic_regression(y), number=1) for _ in range(args.iterations)]
    print("Took %.3f s" % min(times))
    plt.plot(times)
    plt.show()
