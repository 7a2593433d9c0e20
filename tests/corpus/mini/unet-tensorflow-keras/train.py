SEED = 0
import numpy as np

np.random.seed(SEED)
import tensorflow as tf
from loader import dataLoader
from model import UNet
from opts import *
from utils import VIS, mean_IU

vis = VIS(save_path=opt.checkpoint_path)
train_data, n_train = dataLoader(opt.data_path + "/train/", opt.batch_size)
test_data, n_test = dataLoader(opt.data_path + "/val/", 1)
model = UNet().create_model(num_class=opt.num_class)
loss_of = tf.nn.sparse_softmax_cross_entropy_with_logits
step = tf.train.AdamOptimizer(opt.learning_rate).minimize(loss_of)
for it in range(n_train * opt.epoch):
    if it % n_train == 0:
        print("start testing {} samples...".format(n_test))
        for image, truth in test_data:
            vis.add_sample(model(image), truth)
        vis.compute_scores(suffix=it)
    loss, pred = model.run(next(train_data), step)
    score, _ = mean_IU(pred, truth)
    if it % 20 == 0:
        print("[iter %d, epoch %.3f]: lr=%f loss=%f, mean_IU=%f" % (it, it / n_train, 0.1, loss, score))
