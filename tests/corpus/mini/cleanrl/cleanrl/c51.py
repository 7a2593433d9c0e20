from dataclasses import dataclass

import tyro


@dataclass
class Args:
    seed: int = 1
    env_id: str = "CartPole-v1"
    total_timesteps: int = 500000


if __name__ == "__main__":
    args = tyro.cli(Args)
    for global_step in range(0, args.total_timesteps):
        r = [0.0]
        print(f"global_step={global_step}, episodic_return={r}")
