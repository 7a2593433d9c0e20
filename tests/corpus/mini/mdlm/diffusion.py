import lightning as L
import torch
import torchmetrics

import models.dit
import noise_schedule


class NLL(torchmetrics.aggregation.MeanMetric):
  pass


class Perplexity(NLL):
  def compute(self):
    mean = self.mean_value / self.weight
    return mean.exp()


class Denoiser(L.LightningModule):
  def __init__(self, config):
    super().__init__()
    self.config = config
    self.noise = noise_schedule.LogLinear()
    self.net = models.dit.DIT(config.model)
    metrics = torchmetrics.MetricCollection({'nll': NLL(), 'ppl': Perplexity()})
    self.train_metrics = metrics.clone(prefix='train/')
    self.valid_metrics = metrics.clone(prefix='val/')

  def _compute_loss(self, batch, prefix):
    t = torch.rand(len(batch))
    losses = self.net(batch, self.noise(t))
    metrics = self.train_metrics if prefix == 'train' else self.valid_metrics
    metrics.update(losses)
    self.log_dict(metrics, on_step=False, on_epoch=True, sync_dist=True)
    return losses.mean()

  def training_step(self, batch, batch_idx):
    loss = self._compute_loss(batch, prefix='train')
    self.log(name='trainer/loss', value=loss.item(), on_step=True)
    return loss

  def validation_step(self, batch, batch_idx):
    return self._compute_loss(batch, prefix='val')

  def configure_optimizers(self):
    opt = torch.optim.AdamW(self.parameters(), lr=self.config.optim.lr)
    sched = torch.optim.lr_scheduler.LambdaLR(opt, lambda s: min(1, s / 2500))
    return [opt], [{'scheduler': sched, 'interval': 'step', 'monitor': 'val/loss'}]
