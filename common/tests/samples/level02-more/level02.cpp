#include <cstdio>

int main() {
  // TODO(level02.1): say more.
  // END(level02.1)
}
