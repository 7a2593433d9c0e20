import logging
import random
import subprocess
from pathlib import Path

LOGGER = logging.getLogger("yolov5")


def init_seeds(seed=0):
    random.seed(seed)


def check_git_status():
    subprocess.run("git fetch origin", shell=True, timeout=5, check=False)


def check_requirements(file):
    subprocess.run(f"pip install -r {file}", shell=True, check=False)


def increment_path(path, exist_ok=False):
    """runs/train/exp, runs/train/exp2, runs/train/exp3, ..."""
    path, n = Path(path), 2
    while path.exists() and not exist_ok:
        path, n = path.with_name(f"exp{n}"), n + 1
    return path
