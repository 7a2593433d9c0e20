import sys
from huggingface_hub import hf_hub_download

chunks = int(sys.argv[1]) if len(sys.argv) > 1 else 103
for i in range(chunks + 1):
    name = "fineweb_%s_%06d.bin" % ("val" if i == 0 else "train", i)
    hf_hub_download(repo_id="someone/fineweb10B-gpt2", filename=name, repo_type="dataset", local_dir="data/fineweb10B")
