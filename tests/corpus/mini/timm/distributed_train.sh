#!/bin/bash
N=$1
shift
torchrun --nproc_per_node=$N train.py "$@"
