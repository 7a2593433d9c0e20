#include "fast_float/fast_float.h"
int main() { return fast_float::parse<double>("1.5") == 1.5 ? 0 : 1; }
