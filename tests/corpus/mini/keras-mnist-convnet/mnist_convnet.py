"""
Title: Simple MNIST convnet
Description: a small network that reaches ~99% test accuracy.
"""
import numpy as np
from tensorflow import keras
from tensorflow.keras import layers

"""
## Data
"""
num_classes = 10
(x_train, y_train), held_out = keras.datasets.mnist.load_data()
x_test, y_test = held_out


def prepare(pictures):
    return np.expand_dims(pictures.astype("float32") / 255, -1)


x_train, x_test = prepare(x_train), prepare(x_test)
print("x_train shape:", x_train.shape)
print(x_train.shape[0], "train samples")
print(x_test.shape[0], "test samples")

"""
## Network
"""
stack = [keras.Input(shape=(28, 28, 1))]
for channels in (32, 64):
    stack += [layers.Conv2D(channels, 3, activation="relu"), layers.MaxPooling2D(2)]
stack += [layers.Flatten(), layers.Dropout(0.5), layers.Dense(num_classes, activation="softmax")]
model = keras.Sequential(stack)
model.summary()

"""
## Fit
"""
batch_size = 128
epochs = 15
model.compile(loss="sparse_categorical_crossentropy", optimizer="adam", metrics=["accuracy"])
model.fit(x_train, y_train, validation_split=0.1, epochs=epochs, batch_size=batch_size)

"""
## Score
"""
score = model.evaluate(x=x_test, y=y_test, verbose=0)
print("Test loss:", score[0])
print("Test accuracy:", score[1])
