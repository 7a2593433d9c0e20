import os

import numpy as np
from absl import app, flags
from actors.agents.sac import Learner
from actors.datasets import Buffer
from actors.evaluation import evaluate
from tensorboardX import SummaryWriter

FLAGS = flags.FLAGS
flags.DEFINE_string("env_name", "Runner-v2", "Environment.")
flags.DEFINE_string("save_dir", "./tmp/", "Where TensorBoard writes.")
flags.DEFINE_integer("seed", 42, "Random seed.")
flags.DEFINE_integer("max_steps", int(1e6), "Number of training steps.")


def main(_):
    writer = SummaryWriter(os.path.join(FLAGS.save_dir, "tb"))
    np.random.seed(FLAGS.seed)
    agent, buffer = Learner(FLAGS.seed), Buffer(FLAGS.max_steps)
    for i in range(FLAGS.max_steps):
        seen, reward, done, info = env.step(agent.act())
        buffer.insert(seen, reward)
        agent.update(buffer.sample())
        if i % 5000 == 0:
            for k, v in evaluate(agent).items():
                writer.add_scalar(f"evaluation/average_{k}s", v, i)


if __name__ == "__main__":
    app.run(main)
