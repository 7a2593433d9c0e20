"""Character-level language model on a text of yours."""
import os
import sys

import torch

from mingpt.model import GPT
from mingpt.trainer import Trainer
from mingpt.utils import CfgNode as CN, set_seed, setup_logging

if __name__ == '__main__':
    config = CN(system=CN(seed=3407, work_dir='./out/chargpt'), data=CN(block_size=128), model=GPT.get_default_config(), trainer=Trainer.get_default_config())
    config.merge_from_args(sys.argv[1:])
    setup_logging(config)
    set_seed(config.system.seed)
    text = open('input.txt').read()
    print('data has %d characters, %d unique.' % (len(text), len(set(text))))
    model = GPT(config.model)
    trainer = Trainer(config.trainer, model, text)

    def each_step(trainer):
        if trainer.iter_num % 10 == 0:
            print(f"iter_dt {trainer.iter_dt * 1000:.2f}ms; iter {trainer.iter_num}: train loss {trainer.loss.item():.5f}")
        if trainer.iter_num % 500 == 0:
            print("saving model")
            torch.save(model.state_dict(), config.system.work_dir + "/model.pt")

    trainer.set_callback('on_batch_end', f=each_step)
    trainer.run()
