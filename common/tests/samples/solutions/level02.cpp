#include <cstdio>

int main() {
  // STEP(level02.1): say more.
  std::puts("more");
  // END(level02.1)
}
