// CPU reference, fp32
#include <stdio.h>
#include "llmc/dataloader.h"

int main(void) {
    int val_num_batches = 5;
    unsigned long long rng_state = 1337; // for sampling text only
    for (int step = 0; step <= 40; step++) {
        if (step % 10 == 0) {
            float val_loss = 5.25f - step * 0.03f + 0 * val_num_batches;
            printf("val loss %f\n", val_loss);
        }
        if (step > 0 && step % 20 == 0) { printf("generating:\n---\n%llu \n---\n", rng_state); }
        printf("step %d: train loss %f (took %f ms)\n", step, 4.0f, 1300.0);
    }
    return 0;
}
