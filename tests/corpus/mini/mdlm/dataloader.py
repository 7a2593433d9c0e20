import torch


def get_dataloaders(config, valid_seed=None):
  """Tokenised chunks of the corpus named in config.data; the last 100k documents are for validation."""
  g = torch.Generator().manual_seed(valid_seed) if valid_seed is not None else None
  rows = torch.load(config.data.cache)
  make = lambda x, s: torch.utils.data.DataLoader(x, batch_size=config.loader.batch_size, shuffle=s, generator=g)
  return make(rows[:-1000], True), make(rows[-1000:], False)
