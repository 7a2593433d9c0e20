import torch


class GaussianDiffusion:
    def __init__(self, num_timesteps):
        self.num_timesteps = num_timesteps

    def training_losses(self, model, x):
        t = torch.randint(0, self.num_timesteps, (len(x),))
        noise = torch.randn_like(x)
        return {"loss": (model(x + noise, t) - noise).pow(2).mean((1, 2, 3))}
