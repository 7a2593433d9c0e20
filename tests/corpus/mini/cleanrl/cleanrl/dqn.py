import random
from dataclasses import dataclass

import gymnasium as gym
import tyro


@dataclass
class Args:
    seed: int = 1
    save_model: bool = False
    env_id: str = "CartPole-v1"
    total_timesteps: int = 500000


if __name__ == "__main__":
    args = tyro.cli(Args)
    random.seed(args.seed)
    envs = gym.vector.SyncVectorEnv([lambda: gym.wrappers.RecordEpisodeStatistics(gym.make(args.env_id))])
    envs.reset(seed=args.seed)
    for global_step in range(0, args.total_timesteps):
        *_, infos = envs.step(envs.action_space.sample())
        for info in infos.get("final_info", []):
            if info and "episode" in info:
                print(f"global_step={global_step}, episodic_return={info['episode']['r']}")
    if args.save_model:
        from cleanrl_utils.evals.dqn_eval import evaluate

        evaluate(args.env_id, eval_episodes=10)
