import time
from mingpt.utils import CfgNode as CN


class Trainer:
    @staticmethod
    def get_default_config():
        return CN(device='auto', num_workers=4, max_iters=None, batch_size=64, learning_rate=3e-4)

    def __init__(self, config, model, data):
        self.config, self.model, self.data, self.cb = config, model, data, {}
        print("running on device", config.device)

    def set_callback(self, event, f):
        self.cb[event] = f

    def run(self):
        self.iter_num, self.iter_dt = 0, 0.0
        while True:
            t0 = time.time()
            self.loss = self.model.head.weight.sum()
            self.cb['on_batch_end'](self)
            self.iter_num += 1
            self.iter_dt = time.time() - t0
            if self.config.max_iters is not None and self.config.max_iters <= self.iter_num:
                break
