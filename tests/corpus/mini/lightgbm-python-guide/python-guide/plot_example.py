import lightgbm as lgb
import matplotlib.pyplot as plt

lgb.plot_importance(lgb.Booster(model_file="model.txt"))
plt.show()
