# 124M on 10B tokens of FineWeb, about 94 minutes on 8 A100
make train_gpt2cu USE_CUDNN=1
out_dir="log_gpt2_124M"
done_file="$out_dir/DONE_00018865"
# start again after a crash (-y 1 resumes)
while true; do
    if [ -f "$done_file" ]; then
        echo "File $done_file exists. Exiting the loop."
        break
    fi
    mpirun -np 8 ./train_gpt2cu -i "dev/data/fineweb10B/fineweb_train_*.bin" -j "dev/data/fineweb10B/fineweb_val_*.bin" \
        -o $out_dir -v 250 -s 20000 -h 1 -b 64 -t 1024 -d 524288 -z 1 -c 0.1 -l 0.0006 -u 700 -n 5000 -y 1 -e "d12"
    sleep 1
done
