import argparse

import numpy as np


def enjoy():
    p = argparse.ArgumentParser()
    p.add_argument("--algo", default="ppo")
    p.add_argument("--env", default="CartPole-v1")
    p.add_argument("-f", "--folder", default="rl-trained-agents")
    p.add_argument("-n", "--n-timesteps", default=1000, type=int)
    p.add_argument("--no-render", action="store_true")
    p.add_argument("--load-best", action="store_true")
    args = p.parse_args()
    rewards = [0.0]
    print(f"Episode Reward: {rewards[0]:.2f}")
    print(f"{len(rewards)} Episodes")
    print(f"Mean reward: {np.mean(rewards):.2f} +/- {np.std(rewards):.2f}")
