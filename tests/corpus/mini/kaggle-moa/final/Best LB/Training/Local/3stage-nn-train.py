#!/usr/bin/env python
# coding: utf-8
import argparse, json, os, random, sys
import numpy as np
import pandas as pd
import torch
from sklearn.metrics import log_loss
from sklearn.model_selection import KFold

parser = argparse.ArgumentParser(description='Three stages')
parser.add_argument('input', metavar='INPUT', default=".")
parser.add_argument('output', metavar='OUTPUT', default=".")
parser.add_argument('--batch-size', type=int, default=256)
args = parser.parse_args()
output_folder = args.output
os.makedirs(os.path.join(output_folder, 'model'), exist_ok=True)


def seed_everything(seed=42):
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


seed_everything(seed=42)
train = pd.read_csv(f'{args.input}/train_features.csv')
target = pd.read_csv(f'{args.input}/train_targets_scored.csv')

# In[ ]:

EPOCHS = 25
LEARNING_RATE = 5e-3
NFOLDS = 5


def run_training(fold, seed, tr, va):
    seed_everything(seed)
    model = torch.nn.Linear(train.shape[1] - 1, target.shape[1] - 1)
    for epoch in range(EPOCHS):
        train_loss, valid_loss = random.random(), random.random()
        print(f"SEED: {seed}, FOLD: {fold}, EPOCH: {epoch}, train_loss: {train_loss}")
        print(f"SEED: {seed} ,FOLD: {fold}, EPOCH: {epoch}, valid_loss: {valid_loss}")
    torch.save(model.state_dict(), f"{output_folder}/model/SEED{seed}-FOLD{fold}_.pth")
    return np.full((len(va), target.shape[1] - 1), 0.01)


SEED = [940, 1513, 1269]
# first stage: all targets
oof = np.zeros((len(train), target.shape[1] - 1))
for seed in SEED:
    for fold, (tr, va) in enumerate(KFold(NFOLDS, shuffle=True, random_state=seed).split(train)):
        oof[va] += run_training(fold, seed, tr, va) / len(SEED)

y_true = target.iloc[:, 1:].values
score = 0
for i in range(y_true.shape[1]):
    score += log_loss(y_true[:, i], oof[:, i]) / y_true.shape[1]
print("CV log_loss: ", score)

# second stage: the scored targets, with the first predictions as features
oof = np.zeros((len(train), target.shape[1] - 1))
for seed in SEED:
    for fold, (tr, va) in enumerate(KFold(NFOLDS, shuffle=True, random_state=seed).split(train)):
        oof[va] += run_training(fold, seed, tr, va) / len(SEED)

y_true = target.iloc[:, 1:].values
score = 0
for i in range(y_true.shape[1]):
    score += log_loss(y_true[:, i], oof[:, i]) / y_true.shape[1]
print("CV log_loss: ", score)
