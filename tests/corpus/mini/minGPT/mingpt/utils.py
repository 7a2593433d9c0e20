import json
import os
import random
import sys
from ast import literal_eval

import numpy as np
import torch


def set_seed(seed):
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


def setup_logging(config):
    os.makedirs(config.system.work_dir, exist_ok=True)
    open(os.path.join(config.system.work_dir, 'args.txt'), 'w').write(' '.join(sys.argv))
    open(os.path.join(config.system.work_dir, 'config.json'), 'w').write(json.dumps(str(config)))


class CfgNode:
    def __init__(self, **kw):
        self.__dict__.update(kw)

    def merge_from_args(self, args):
        """--model.n_layer=10 and the like"""
        for a in args:
            path, val = a[2:].split('=')
            *head, leaf = path.split('.')
            node = self
            for h in head:
                node = getattr(node, h)
            setattr(node, leaf, literal_eval(val))
