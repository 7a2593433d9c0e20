import json
import os

import numpy as np


class VIS:
    def __init__(self, save_path):
        self.path, self.mean_iu = save_path, []

    def add_sample(self, pred, gt):
        self.mean_iu.append(mean_IU(pred, gt)[0])

    def compute_scores(self, suffix=0):
        meanIU = np.mean(np.array(self.mean_iu))
        print("-" * 20)
        print("overall mean IU: {} ".format(meanIU))
        json.dump({"mean_IU": "%.2f" % meanIU}, open(os.path.join(self.path, "meanIU.json"), "w"))


def mean_IU(pred, gt):
    return float((pred == gt).mean()), []
