import glob
import os

import yaml
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import EvalCallback
from stable_baselines3.common.env_util import make_vec_env


class ExperimentManager:
    def __init__(self, args):
        self.args = args
        home = f"{args.log_folder}/{args.algo}"
        self.save_path = os.path.join(home, f"{args.env}_{len(glob.glob(home + '/*')) + 1}")

    def read_hyperparameters(self):
        with open(self.args.conf_file or f"hyperparams/{self.args.algo}.yml") as f:
            return yaml.safe_load(f)[self.args.env]

    def setup_experiment(self):
        hp = self.read_hyperparameters()
        self.steps = self.args.n_timesteps if self.args.n_timesteps > 0 else int(float(hp.pop("n_timesteps")))
        env = make_vec_env(self.args.env, n_envs=hp.pop("n_envs"))
        judge = make_vec_env(self.args.env, n_envs=1)
        self.callback = EvalCallback(judge, n_eval_episodes=self.args.eval_episodes, eval_freq=self.args.eval_freq // env.num_envs,
                                     log_path=self.save_path, best_model_save_path=self.save_path, deterministic=True)
        return PPO(env=env, seed=self.args.seed, verbose=1, **hp)

    def learn(self, model):
        model.learn(self.steps, callback=self.callback)
        print(f"Saving to {self.save_path}")
        model.save(f"{self.save_path}/{self.args.env}")
