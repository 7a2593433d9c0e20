import argparse, datetime, importlib, os
import pytorch_lightning as pl
from omegaconf import OmegaConf
from pytorch_lightning.trainer import Trainer


def load(cfg):
    module, cls = cfg["target"].rsplit(".", 1)
    return getattr(importlib.import_module(module), cls)(**cfg.get("params", dict()))


class DataModuleFromConfig(pl.LightningDataModule):
    def __init__(self, batch_size, train=None, validation=None, test=None, num_workers=None):
        super().__init__()
        self.batch_size, self.parts = batch_size, {"train": train, "validation": validation, "test": test}


def get_parser():
    p = argparse.ArgumentParser()
    p.add_argument("-n", "--name", default="", help="ending of the log folder")
    p.add_argument("-r", "--resume", default="", help="log folder or checkpoint to go on from")
    p.add_argument("-b", "--base", nargs="*", default=list())
    p.add_argument("-t", "--train", type=bool, const=True, default=False, nargs="?")
    p.add_argument("--no-test", type=bool, const=True, default=False, nargs="?")
    p.add_argument("-s", "--seed", type=int, default=23)
    return p


if __name__ == "__main__":
    now = datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
    opt, unknown = Trainer.add_argparse_args(get_parser()).parse_known_args()
    name = "_" + os.path.splitext(os.path.basename(opt.base[0]))[0]
    logdir = os.path.join("logs", now + name)
    pl.seed_everything(opt.seed)
    config = OmegaConf.merge(*[OmegaConf.load(c) for c in opt.base], OmegaConf.from_dotlist(unknown))
    model = load(config.model)
    loggers = {
        "wandb": {"target": "pytorch_lightning.loggers.WandbLogger", "params": {"save_dir": logdir}},
        "testtube": {"target": "pytorch_lightning.loggers.TestTubeLogger", "params": {"name": "testtube", "save_dir": logdir}},
    }
    keep = {"target": "pytorch_lightning.callbacks.ModelCheckpoint", "params": {"dirpath": logdir + "/checkpoints", "save_last": True}}
    if hasattr(model, "monitor"):
        print(f"Monitoring {model.monitor} as checkpoint metric.")
        keep["params"]["monitor"] = model.monitor
    trainer = Trainer.from_argparse_args(opt, logger=load(loggers["testtube"]), checkpoint_callback=load(keep))
    data = load(config.data)
    model.learning_rate = config.data.params.batch_size * config.model.base_learning_rate
    print("Setting learning rate to {:.2e}".format(model.learning_rate))
    if opt.train:
        trainer.fit(model, data)
    if not opt.no_test:
        trainer.test(model, data)
