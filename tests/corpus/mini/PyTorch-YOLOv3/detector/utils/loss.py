import torch.nn as nn


def compute_loss(model):
    return nn.BCEWithLogitsLoss()(model.conv, model.conv)
