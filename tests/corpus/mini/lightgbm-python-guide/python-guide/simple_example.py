from pathlib import Path

import lightgbm as lgb
import pandas as pd
from sklearn.metrics import mean_squared_error

print("Loading data...")
home = Path(__file__).absolute().parents[1] / "regression"
train, test = (pd.read_csv(home / f"regression.{part}", header=None, sep="\t") for part in ("train", "test"))
lgb_train = lgb.Dataset(train.drop(0, axis=1), train[0])
lgb_eval = lgb.Dataset(test.drop(0, axis=1), test[0], reference=lgb_train)
params = {"objective": "regression", "metric": {"l2", "l1"}, "num_leaves": 31, "learning_rate": 0.05,
          "feature_fraction": 0.9, "bagging_fraction": 0.8, "bagging_freq": 5, "verbose": 0}
print("Starting training...")
gbm = lgb.train(params, lgb_train, num_boost_round=20, valid_sets=lgb_eval, callbacks=[lgb.early_stopping(stopping_rounds=5)])
print("Saving model...")
gbm.save_model("model.txt")
guess = gbm.predict(test.drop(0, axis=1), num_iteration=gbm.best_iteration)
rmse_test = mean_squared_error(test[0], guess) ** 0.5
print(f"The RMSE of prediction is: {rmse_test}")
