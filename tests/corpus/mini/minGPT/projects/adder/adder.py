"""Teaches a GPT to add numbers of n digits."""
import os
import sys

import torch
from torch.utils.data import DataLoader, Dataset

from mingpt.model import GPT
from mingpt.trainer import Trainer
from mingpt.utils import CfgNode as CN, set_seed, setup_logging


def get_config():
    C = CN()
    C.system = CN(seed=3407, work_dir='./out/adder')
    C.data = CN(ndigit=2)
    C.model = GPT.get_default_config()
    C.model.model_type = 'gpt-nano'
    C.trainer = Trainer.get_default_config()
    C.trainer.learning_rate = 5e-4
    return C


class AdditionDataset(Dataset):
    def __init__(self, config, split):
        g = torch.Generator()
        g.manual_seed(1337)
        perm = torch.randperm(10 ** (2 * config.ndigit), generator=g)
        self.ixes = perm[:500] if split == 'test' else perm[500:]

    def __len__(self):
        return len(self.ixes)

    def __getitem__(self, i):
        return self.ixes[i], self.ixes[i]


if __name__ == '__main__':
    config = get_config()
    config.merge_from_args(sys.argv[1:])
    print(config)
    setup_logging(config)
    set_seed(config.system.seed)
    sets = {s: AdditionDataset(config.data, s) for s in ('train', 'test')}
    model = GPT(config.model)
    trainer = Trainer(config.trainer, model, sets['train'])

    def eval_split(split):
        results = []
        for x, y in DataLoader(sets[split], batch_size=100):
            results += (model.generate(x) == y).int().tolist()
        rt = torch.tensor(results, dtype=torch.float)
        print("GPT claims that %d + %d = %d but gt is %d" % (1, 2, 4, 3))
        print("%s final score: %d/%d = %.2f%% correct" % (split, rt.sum(), len(results), 100 * rt.mean()))
        return rt.sum()

    top_score = 0

    def each_step(trainer):
        global top_score
        if trainer.iter_num % 10 == 0:
            print(f"iter_dt {trainer.iter_dt * 1000:.2f}ms; iter {trainer.iter_num}: train loss {trainer.loss.item():.5f}")
        if trainer.iter_num % 500 == 0:
            score = eval_split('train') + eval_split('test')
            if score > top_score:
                top_score = score
                print(f"saving model with new top score of {score}")
                torch.save(model.state_dict(), config.system.work_dir + "/model.pt")

    trainer.set_callback('on_batch_end', f=each_step)
    trainer.run()
