#include "../words_test.hpp"

constexpr Test kTests[] = {{"the program says more", "[step1]", "more"}};

int main(int argc, char** argv) {
  return run_tests(kTests, argc, argv);
}
