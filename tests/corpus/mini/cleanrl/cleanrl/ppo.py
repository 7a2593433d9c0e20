import random
import time
from dataclasses import dataclass

import gymnasium as gym
import numpy as np
import torch
import tyro
from torch import nn
from torch.utils.tensorboard import SummaryWriter


@dataclass
class Args:
    exp_name: str = "ppo"
    seed: int = 1
    """seed of the experiment"""
    torch_deterministic: bool = True
    track: bool = False
    capture_video: bool = False
    env_id: str = "CartPole-v1"
    total_timesteps: int = 500000
    """total timesteps of the experiments"""
    learning_rate: float = 2.5e-4
    num_envs: int = 4
    num_steps: int = 128
    gamma: float = 0.99
    num_iterations: int = 0


def make_env(env_id):
    return lambda: gym.wrappers.RecordEpisodeStatistics(gym.make(env_id))


class Agent(nn.Module):
    def __init__(self, n_obs, n_act):
        super().__init__()
        self.actor = nn.Sequential(nn.Linear(n_obs, 64), nn.Tanh(), nn.Linear(64, n_act))
        self.critic = nn.Sequential(nn.Linear(n_obs, 64), nn.Tanh(), nn.Linear(64, 1))


if __name__ == "__main__":
    args = tyro.cli(Args)
    args.num_iterations = args.total_timesteps // (args.num_envs * args.num_steps)
    parts = (args.env_id, args.exp_name, args.seed, int(time.time()))
    writer = SummaryWriter("runs/" + "__".join(map(str, parts)))
    # TRY NOT TO MODIFY: seeding
    random.seed(args.seed)
    np.random.seed(args.seed)
    torch.manual_seed(args.seed)
    envs = gym.vector.SyncVectorEnv([make_env(args.env_id) for _ in range(args.num_envs)])
    agent = Agent(envs.single_observation_space.shape[0], envs.single_action_space.n)
    optimizer = torch.optim.Adam(agent.parameters(), lr=args.learning_rate, eps=1e-5)
    # TRY NOT TO MODIFY: start the game
    global_step, start_time = 0, time.time()
    obs, _ = envs.reset(seed=args.seed)
    for _ in range(args.num_iterations):
        for step in range(args.num_steps):
            global_step += args.num_envs
            logits = agent.actor(torch.Tensor(obs))
            action = torch.distributions.Categorical(logits=logits).sample()
            # TRY NOT TO MODIFY: execute the game and log data.
            obs, reward, terminations, truncations, infos = envs.step(action.numpy())
            for info in infos.get("final_info", []):
                if info and "episode" in info:
                    print(f"global_step={global_step}, episodic_return={info['episode']['r']}")
                    writer.add_scalar("charts/episodic_return", float(info["episode"]["r"]), global_step)
        loss = agent.critic(torch.Tensor(obs)).pow(2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        writer.add_scalar("losses/value_loss", loss.item(), global_step)
        print("SPS:", int(global_step / (time.time() - start_time)))
    envs.close()
