import argparse

from tqdm import tqdm

from utils.general import LOGGER
from utils.metrics import ap_per_class


def run(model, opt, loader=()):
    head = ("%22s" + "%11s" * 6) % ("Class", "Images", "Instances", "P", "R", "mAP50", "mAP50-95")
    stats = [model(batch) for batch in tqdm(loader, desc=head)]
    seen, labels, mp, mr, map50, map = ap_per_class(stats)
    pf = "%22s" + "%11i" * 2 + "%11.3g" * 4
    LOGGER.info(pf % ("all", seen, labels, mp, mr, map50, map))
    return mp, mr, map50, map


if __name__ == "__main__":
    p = argparse.ArgumentParser()
    p.add_argument("--weights", default="yolov5s.pt")
    p.add_argument("--data", default="data/coco128.yaml")
    p.add_argument("--imgsz", "--img", type=int, default=640)
    p.add_argument("--project", default="runs/val")
    run(None, p.parse_args())
