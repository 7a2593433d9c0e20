import json
from pathlib import Path

import lightgbm as lgb
import pandas as pd
from sklearn.metrics import roc_auc_score

home = Path(__file__).absolute().parents[1] / "binary_classification"
test = pd.read_csv(home / "binary.test", header=None, sep="\t")
gbm = lgb.Booster(model_file="model.txt")
with open("model.json", "w+") as f:
    json.dump(gbm.dump_model(), f)
auc = roc_auc_score(test[0], gbm.predict(test.drop(0, axis=1)))
print(f"The ROC AUC of loaded model's prediction is: {auc}")
again = lgb.train({"objective": "binary", "seed": 7}, lgb.Dataset(test.drop(0, axis=1), test[0]), num_boost_round=10, init_model="model.txt")
