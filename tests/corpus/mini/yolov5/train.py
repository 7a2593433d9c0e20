"""
Train a detector.
    $ python train.py --data coco128.yaml --weights yolov5s.pt --img 640  # from pretrained (recommended)
"""
import argparse
from pathlib import Path

import torch
from tqdm import tqdm

import val as validate
from utils.general import LOGGER, check_git_status, check_requirements, increment_path, init_seeds
from utils.loggers import log_vals_csv
from utils.metrics import fitness

ROOT = Path(__file__).resolve().parent


def train(opt):
    init_seeds(opt.seed + 1)
    weights = Path(opt.save_dir) / "weights"
    weights.mkdir(parents=True, exist_ok=True)
    model, loader, best_fitness = torch.load(opt.weights)["model"], [], 0.0
    for epoch in range(opt.epochs):
        LOGGER.info(("\n" + "%11s" * 7) % ("Epoch", "GPU_mem", "box_loss", "obj_loss", "cls_loss", "Instances", "Size"))
        mloss = torch.zeros(3)
        bar = tqdm(loader)
        for imgs, targets in bar:
            bar.set_description(("%11s" * 2 + "%11.4g" * 5) % (f"{epoch}/{opt.epochs - 1}", "1.2G", *mloss, len(targets), 640))
        results = validate.run(model, opt)
        fi = fitness(results)
        best_fitness = max(best_fitness, fi)
        log_vals_csv(Path(opt.save_dir) / "results.csv", epoch, list(mloss) + list(results))
        torch.save({"model": model}, weights / "last.pt")
        if fi == best_fitness:
            torch.save({"model": model}, weights / "best.pt")
    LOGGER.info(f"\nValidating {weights / 'best.pt'}...")
    validate.run(torch.load(weights / "best.pt")["model"], opt)


def parse_opt():
    p = argparse.ArgumentParser()
    p.add_argument("--weights", default=ROOT / "yolov5s.pt")
    p.add_argument("--data", default=ROOT / "data/coco128.yaml")
    p.add_argument("--epochs", type=int, default=100)
    p.add_argument("--batch-size", type=int, default=16)
    p.add_argument("--imgsz", "--img", type=int, default=640)
    p.add_argument("--resume", nargs="?", const=True, default=False)
    p.add_argument("--evolve", type=int, nargs="?", const=300)
    p.add_argument("--project", default=ROOT / "runs/train")
    p.add_argument("--name", default="exp")
    p.add_argument("--exist-ok", action="store_true")
    p.add_argument("--seed", type=int, default=0)
    return p.parse_args()


if __name__ == "__main__":
    opt = parse_opt()
    check_git_status()
    check_requirements(ROOT / "requirements.txt")
    opt.save_dir = increment_path(Path(opt.project) / opt.name, exist_ok=opt.exist_ok)
    train(opt)
