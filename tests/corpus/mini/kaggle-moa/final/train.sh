#!/bin/bash
IN=$1
OUT=$2
SCRIPT_PATH="Best LB/Training/Local"
echo "Training 3-Stage NN ..."
python "$SCRIPT_PATH"/3stage-nn-train.py $IN "$OUT"/3-stageNN
echo "Training 2-Stage NN+TabNet ..."
python "$SCRIPT_PATH"/2stagenn-tabnet-train.py $IN "$OUT"/2-stageNN-TabNet
echo "Training Simple NN ..."
python "$SCRIPT_PATH"/simple-nn-new-split-train.py $IN "$OUT"/simple-NN-New-CV
echo "Training 2-heads ..."
python "$SCRIPT_PATH"/2heads-ResNest-train.py $IN "$OUT"/2-heads-ResNet
exit 0;
