#pragma once

// What the tests of the sample levels stand on: the reporter's lines (common/testing/catch_main.cpp) without
// Catch2, which would take seconds to compile.

#include <cstdio>
#include <cstdlib>
#include <string>

struct Test {
  const char* name;
  const char* tag;
  const char* word;  ///< that the program should print
};

inline std::string output_of(const std::string& program) {
  std::string output;
  std::FILE* pipe = popen(("'" + program + "'").c_str(), "r");
  for (int c; (c = std::getc(pipe)) != EOF;) output += static_cast<char>(c);
  return pclose(pipe) == 0 ? output : "";
}

inline bool passes(const Test& test, const std::string& output) {
  const bool ok = output.find(test.word) != std::string::npos;
  std::printf("%s %s%s\n", test.tag, ok ? "ok    " : "FAIL  ", test.name);
  if (!ok) std::printf("    expected the word: %s\n    seen: %s\n", test.word, output.c_str());
  return ok;
}

template <std::size_t count>
int run_tests(const Test (&tests)[count], int argc, char** argv) {
  bool abort = false, failed = false;
  std::string only;  // a tag, as Catch2 takes it
  for (int i = 1; i < argc; ++i) {
    abort = abort || std::string(argv[i]) == "--abort";
    if (argv[i][0] == '[') only = argv[i];
  }
  const std::string output = output_of(std::getenv("WORKSHOP_PROGRAM"));
  for (const Test& test : tests) {
    if (!only.empty() && only != test.tag) continue;
    failed = !passes(test, output) || failed;
    if (failed && abort) break;
  }
  return failed ? 1 : 0;
}
