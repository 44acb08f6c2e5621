#include <cstdio>

// TODO(level01.2): say two.
//   puts(3)
void say_two() {}
// END(level01.2)

int main() {
  // TODO(level01.1): say one.
  //   puts(3)
  // END(level01.1)
  // TODO(level01.2): and say it here.
  // END(level01.2)
  // TODO(level01.3): bonus: say three.
  // END(level01.3)
}
