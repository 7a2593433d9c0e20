#include <stdio.h>
int main(void) { printf("overall okay: %d\n", 1); return 0; }
