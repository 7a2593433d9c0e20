// mixed precision trainer. See -? for the flags.
#include <stdio.h>
#include <stdlib.h>
#include "llmc/dataloader.h"
#include "llmc/logger.h"
#include "llmc/gelu.cuh"

float gpt2_validate(int B, int T) { return 4.1f; }
float gpt2_train_step(int B, int T) { return 4.0f; }

int main(int argc, char *argv[]) {
    const char *train_data_pattern = "dev/data/tinyshakespeare/tiny_shakespeare_train.bin";
    const char *val_data_pattern = "dev/data/tinyshakespeare/tiny_shakespeare_val.bin";
    int B = 4, T = 1024, val_loss_every = 20, val_max_steps = 20, max_steps = -1, resume = 0;
    for (int i = 1; i + 1 < argc; i += 2) {
        char *v = argv[i + 1];
        switch (argv[i][1]) {
            case 'i': train_data_pattern = v; break;
            case 'j': val_data_pattern = v; break;
            case 'v': val_loss_every = atoi(v); break;
            case 'm': val_max_steps = atoi(v); break;
            case 'x': max_steps = atoi(v); break;
            case 'y': resume = atoi(v); break;
        }
    }
    printf("| val data pattern      | %-50s |\n", val_data_pattern);
    printf("| val_loss_every        | %-50d |\n", val_loss_every);
    int train_num_batches = max_steps > 0 ? max_steps : 74; // one epoch
    double total = 0.0;
    for (int step = 0; ; step++) {
        int last_step = step == train_num_batches;
        if (step % val_loss_every == 0 || last_step) {
            float val_loss = 0.0f;
            for (int i = 0; i < val_max_steps; i++) { val_loss += gpt2_validate(B, T) / val_max_steps; }
            printf("val loss %f\n", val_loss);
        }
        if (last_step) { break; }
        float loss = gpt2_train_step(B, T);
        printf("step %4d/%d | loss %7.6f (%+.2fz)| norm %6.4f (%+.2fz)| lr %.2e | %.2f ms | %.1f%% bf16 MFU | %.0f tok/s\n",
               step + 1, train_num_batches, loss, 0.f, 1.f, 0.f, 3e-4, 30.0, 40.0, 170000.0);
    }
    printf("total average iteration time: %f ms\n", total / (train_num_batches-1) * 1000);
    return 0;
}
