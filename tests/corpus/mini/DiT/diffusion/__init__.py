from .gaussian_diffusion import GaussianDiffusion


def create_diffusion(steps=1000):
    return GaussianDiffusion(steps)
