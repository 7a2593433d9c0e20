import argparse
import logging
import os
from glob import glob
from time import time

import torch
import torch.distributed as dist

from diffusion import create_diffusion
from models import DiT_models

torch.backends.cuda.matmul.allow_tf32 = True


def create_logger(folder):
    logging.basicConfig(level=logging.INFO, format="[\033[34m%(asctime)s\033[0m] %(message)s", datefmt="%Y-%m-%d %H:%M:%S",
                        handlers=[logging.StreamHandler(), logging.FileHandler(f"{folder}/log.txt")])
    return logging.getLogger(__name__)


def main(args):
    assert torch.cuda.is_available(), "needs a GPU"
    dist.init_process_group("nccl")
    torch.manual_seed(args.global_seed * dist.get_world_size() + dist.get_rank())
    os.makedirs(args.results_dir, exist_ok=True)
    index = len(glob(f"{args.results_dir}/*"))
    here = f"{args.results_dir}/{index:03d}-{args.model.replace('/', '-')}"
    os.makedirs(f"{here}/checkpoints")
    logger = create_logger(here)
    model, diffusion = DiT_models[args.model](), create_diffusion()
    opt = torch.optim.AdamW(model.parameters(), 1e-4, weight_decay=0.0)
    train_steps, log_steps, running_loss, start = 0, 0, 0.0, time()
    for epoch in range(args.epochs):
        logger.info(f"Beginning epoch {epoch}...")
        for x in torch.randn(1000, args.global_batch_size, 4, 32, 32):
            loss = diffusion.training_losses(model, x)["loss"].mean()
            opt.zero_grad()
            loss.backward()
            opt.step()
            running_loss += loss.item()
            log_steps, train_steps = log_steps + 1, train_steps + 1
            if train_steps % args.log_every == 0:
                speed, avg_loss = log_steps / (time() - start), running_loss / log_steps
                logger.info(f"(step={train_steps:07d}) Train Loss: {avg_loss:.4f}, Train Steps/Sec: {speed:.2f}")
                log_steps, running_loss, start = 0, 0.0, time()
            if train_steps % args.ckpt_every == 0:
                torch.save(model.state_dict(), f"{here}/checkpoints/{train_steps:07d}.pt")
    logger.info("Done!")


if __name__ == "__main__":
    p = argparse.ArgumentParser()
    p.add_argument("--data-path", type=str, required=True)
    p.add_argument("--results-dir", type=str, default="results")
    p.add_argument("--model", choices=list(DiT_models), default="DiT-XL/2")
    p.add_argument("--epochs", type=int, default=1400)
    p.add_argument("--global-batch-size", type=int, default=256)
    p.add_argument("--global-seed", type=int, default=0)
    p.add_argument("--log-every", type=int, default=100)
    p.add_argument("--ckpt-every", type=int, default=50_000)
    main(p.parse_args())
