import argparse
import json

import torch
import data_loader.data_loaders as module_data
import model.metric as module_metric
from model.model import DigitModel
from trainer.trainer import Trainer

SEED = 123
torch.manual_seed(SEED)


def main(config):
    model = DigitModel()
    optimizer = torch.optim.Adam(model.parameters(), **config["optimizer"])
    metrics = [getattr(module_metric, name) for name in config["metrics"]]
    Trainer(model, metrics, optimizer, config, module_data.digits()).train()


if __name__ == "__main__":
    args = argparse.ArgumentParser()
    args.add_argument("-c", "--config", default=None, type=str)
    args.add_argument("-r", "--resume", default=None, type=str)
    main(json.load(open(args.parse_args().config)))
