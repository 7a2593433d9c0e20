#include <stdio.h>
int main() { printf("overall okay: %d\n", 1); return 0; }
