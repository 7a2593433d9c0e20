import os

import hydra
import lightning as L
import omegaconf

import dataloader
import diffusion

omegaconf.OmegaConf.register_new_resolver('cwd', os.getcwd)


def build_trainer(config):
  logger = L.pytorch.loggers.WandbLogger(**config.wandb)
  callbacks = [hydra.utils.instantiate(c) for c in config.callbacks.values()]
  return hydra.utils.instantiate(config.trainer, default_root_dir=os.getcwd(), callbacks=callbacks, logger=logger)


def sample(config):
  model = diffusion.Denoiser.load_from_checkpoint(config.eval.checkpoint_path, config=config)
  texts = model.generate()
  print('Text samples:', texts)
  print('Generative perplexity:', model.gen_ppl_metric.compute())


def ppl_eval(config):
  model = diffusion.Denoiser.load_from_checkpoint(config.eval.checkpoint_path, config=config)
  _, valid = dataloader.get_dataloaders(config, valid_seed=config.seed)
  build_trainer(config).validate(model, valid)


def train(config):
  path = config.checkpointing.resume_ckpt_path
  go_on = path if config.checkpointing.resume_from_ckpt and os.path.exists(path) else None
  train_set, valid = dataloader.get_dataloaders(config)
  build_trainer(config).fit(diffusion.Denoiser(config), train_set, valid, ckpt_path=go_on)


@hydra.main(version_base=None, config_path='configs', config_name='config')
def main(config):
  L.seed_everything(config.seed)
  {'sample_eval': sample, 'ppl_eval': ppl_eval}.get(config.mode, train)(config)


if __name__ == '__main__':
  main()
