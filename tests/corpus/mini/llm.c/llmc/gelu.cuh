// gelu, forward and backward
static inline float gelu(float x) { return x > 0 ? x : 0; }
