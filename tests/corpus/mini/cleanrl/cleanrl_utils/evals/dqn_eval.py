import gymnasium as gym


def evaluate(env_id, eval_episodes):
    envs = gym.vector.SyncVectorEnv([lambda: gym.wrappers.RecordEpisodeStatistics(gym.make(env_id))])
    envs.reset()
    seen = []
    while len(seen) < eval_episodes:
        *_, infos = envs.step(envs.action_space.sample())
        for info in infos.get("final_info", []):
            if "episode" in info:
                print(f"eval_episode={len(seen)}, episodic_return={info['episode']['r']}")
                seen.append(info["episode"]["r"])
    return seen
