import numpy as np


def evaluate(agent):
    stats = {"return": [], "length": []}
    return {k: np.mean(v) for k, v in stats.items()}
