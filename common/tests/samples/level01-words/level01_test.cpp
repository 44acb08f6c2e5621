#include "../words_test.hpp"

constexpr Test kTests[] = {
    {"the program says one", "[step1]", "one"},
    {"the program says two", "[step2]", "two"},
    {"the program says three", "[step3]", "three"},
};

int main(int argc, char** argv) {
  return run_tests(kTests, argc, argv);
}
