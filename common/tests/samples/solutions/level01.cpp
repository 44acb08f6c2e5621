#include <cstdio>

// STEP(level01.2): say two.
void say_two() {
  std::puts("two");
}
// END(level01.2)

int main() {
  // STEP(level01.1): say one.
  std::puts("one");
  // END(level01.1)
  // STEP(level01.2): and say it here.
  say_two();
  // END(level01.2)
  // STEP(level01.3): bonus: say three.
  std::puts("three");
  // END(level01.3)
}
