"""Muon beside AdamW."""
import torch


class MuonAdamW(torch.optim.AdamW):
    pass
