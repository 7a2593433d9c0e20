running_reward, i_episode = 199.2, 310
print(f'Episode {i_episode}\tLast reward: {200.0:.2f}\tAverage reward: {running_reward:.2f}')
print(f"Solved! Running reward is now {running_reward} and the last episode runs to {200} time steps!")
