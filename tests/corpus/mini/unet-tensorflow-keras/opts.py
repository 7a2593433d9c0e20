import argparse

parser = argparse.ArgumentParser()
parser.add_argument("--batch_size", type=int, default=5)
parser.add_argument("--learning_rate", type=float, default=0.0001)
parser.add_argument("--epoch", type=int, default=50, help="# of epochs")
parser.add_argument("--num_class", type=int, default=2)
parser.add_argument("--checkpoint_path", type=str, default="")
parser.add_argument("--data_path", type=str, default="")
opt = parser.parse_args()
