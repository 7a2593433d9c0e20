"""Downloads one text and writes train.bin, val.bin and meta.pkl beside this file."""
import os
import pickle

import numpy as np
import requests

here = os.path.dirname(__file__)
text = requests.get("https://example.org/input.txt").text
chars = sorted(set(text))
ids = np.array([chars.index(c) for c in text], dtype=np.uint16)
cut = int(len(ids) * 0.9)
ids[:cut].tofile(os.path.join(here, "train.bin"))
ids[cut:].tofile(os.path.join(here, "val.bin"))
pickle.dump({"vocab_size": len(chars)}, open(os.path.join(here, "meta.pkl"), "wb"))
