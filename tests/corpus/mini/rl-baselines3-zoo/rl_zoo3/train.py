import argparse

import numpy as np
from stable_baselines3.common.utils import set_random_seed

from rl_zoo3.exp_manager import ExperimentManager


def train():
    p = argparse.ArgumentParser()
    p.add_argument("--algo", default="ppo")
    p.add_argument("--env", default="CartPole-v1")
    p.add_argument("-n", "--n-timesteps", help="Overwrite the number of timesteps", default=-1, type=int)
    p.add_argument("--eval-freq", default=25000, type=int)
    p.add_argument("--eval-episodes", default=5, type=int)
    p.add_argument("-f", "--log-folder", default="logs")
    p.add_argument("--seed", help="Random generator seed", type=int, default=-1)
    p.add_argument("-conf", "--conf-file", default=None)
    p.add_argument("-optimize", "--optimize-hyperparameters", action="store_true")
    args = p.parse_args()
    if args.seed < 0:
        args.seed = np.random.randint(2**32 - 1, dtype="int64").item()
    set_random_seed(args.seed)
    print("=" * 10, args.env, "=" * 10)
    print(f"Seed: {args.seed}")
    manager = ExperimentManager(args)
    manager.learn(manager.setup_experiment())
