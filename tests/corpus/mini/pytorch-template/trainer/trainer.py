import logging

import torch


class Trainer:
    def __init__(self, model, metrics, optimizer, config, data):
        self.model, self.metrics, self.optimizer, self.data = model, metrics, optimizer, data
        self.epochs = config["trainer"]["epochs"]
        self.mode, self.watched = config["trainer"]["monitor"].split()
        self.logger = logging.getLogger("trainer")

    def _train_epoch(self, epoch):
        for x, y in self.data:
            loss = self.model.loss(x, y)
            loss.backward()
            self.optimizer.step()
            self.logger.debug("Train Epoch: {} Loss: {:.6f}".format(epoch, loss.item()))
        found = {"loss": loss.item()}
        found.update(**{"val_" + k: v for k, v in self._valid_epoch(epoch).items()})
        return found

    def _valid_epoch(self, epoch):
        return {m.__name__: m(self.model, self.data) for m in self.metrics}

    def train(self):
        for epoch in range(1, self.epochs + 1):
            log = {"epoch": epoch}
            log.update(self._train_epoch(epoch))
            for key, value in log.items():
                self.logger.info("    {:15s}: {}".format(str(key), value))
            torch.save(self.model.state_dict(), f"saved/checkpoint-epoch{epoch}.pth")
