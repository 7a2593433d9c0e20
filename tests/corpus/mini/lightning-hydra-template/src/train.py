import hydra
import lightning as L
import rootutils

rootutils.setup_root(__file__, pythonpath=True, indicator=".project-root")
from src.utils.utils import build_many, get_metric_value, log, require_tags


def fit_and_test(cfg):
    if cfg.get("seed"):
        L.seed_everything(cfg.seed, workers=True)
    data = hydra.utils.instantiate(cfg.data)
    net = hydra.utils.instantiate(cfg.model)
    trainer = hydra.utils.instantiate(cfg.trainer, callbacks=build_many(cfg.callbacks))
    scores = {}
    if cfg.get("train"):
        trainer.fit(net, datamodule=data, ckpt_path=cfg.get("ckpt_path"))
        scores.update(trainer.callback_metrics)
    if cfg.get("test"):
        best = trainer.checkpoint_callback.best_model_path or None
        trainer.test(net, datamodule=data, ckpt_path=best)
        log.info(f"Best ckpt path: {best}")
        scores.update(trainer.callback_metrics)
    return scores


@hydra.main(version_base="1.3", config_path="../configs", config_name="train.yaml")
def main(cfg):
    require_tags(cfg)
    return get_metric_value(fit_and_test(cfg), cfg.get("optimized_metric"))


if __name__ == "__main__":
    main()
