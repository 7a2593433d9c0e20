// shards of .bin files, read in order
typedef struct { int B, T; } DataLoader;
