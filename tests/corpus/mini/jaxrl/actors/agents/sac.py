import jax
from actors.networks.policies import Policy


class Learner:
    def __init__(self, seed):
        self.net, self.rng = Policy(), jax.random.PRNGKey(seed)

    def update(self, batch):
        return jax.grad(self.net)(batch)
