import torch.nn as nn
from mingpt.utils import CfgNode as CN


class GPT(nn.Module):
    @staticmethod
    def get_default_config():
        return CN(model_type='gpt', vocab_size=None, block_size=None)

    def __init__(self, config):
        super().__init__()
        self.head = nn.Linear(8, 8)
        print("number of parameters: %.2fM" % 0.09)

    def generate(self, x):
        return x
