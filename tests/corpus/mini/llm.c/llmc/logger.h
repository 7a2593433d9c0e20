// writes <log_dir>/main.log, emptied unless resuming
#include <stdio.h>
static void logger_log_val(FILE *f, int step, float v) { fprintf(f, "s:%d tel:%.4f\n", step, v); }
static void logger_log_train(FILE *f, int step, float v, float lr, float norm) {
    fprintf(f, "s:%d trl:%.4f lr:%.6f norm:%.2f\n", step, v, lr, norm);
}
