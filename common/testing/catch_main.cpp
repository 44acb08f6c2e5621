// Catch2's main and the reporter that `./workshop check` shows, in the one translation unit that takes long
// to compile.
#define CATCH_CONFIG_RUNNER

#include <cstdlib>
#include <ostream>
#include <sstream>

#include "common/testing/catch.hpp"
#include "common/testing/skip.hpp"

namespace workshop::testing {

void (*before_tests)(char** argv) = nullptr;

namespace {

constexpr int kSkipped = 77;  // what automake and ctest (SKIP_RETURN_CODE) take for "skipped"

std::string skip_reason;  // of the running test case
bool any_skipped = false;

// Where the two versions of Catch2 differ.
#if CATCH_VERSION_MAJOR >= 3
using Base = Catch::StreamingReporterBase;
const Catch::TestCaseInfo& info_of(const Catch::TestCaseStats& stats) {
  return *stats.testInfo;
}
std::string text(Catch::StringRef string) {
  return static_cast<std::string>(string);
}
std::string text(const Catch::Tag& tag) {
  return static_cast<std::string>(tag.original);
}
#else
using Base = Catch::StreamingReporterBase<class WorkshopReporter>;
const Catch::TestCaseInfo& info_of(const Catch::TestCaseStats& stats) {
  return stats.testInfo;
}
const std::string& text(const std::string& string) {
  return string;
}
#endif

/// One line a test case, "[step2] ok    NAME", and below a failure what explains it.
class WorkshopReporter final : public Base {
 public:
  using Base::Base;

  static std::string getDescription() { return "a line per test case, and what explains a failure"; }

  void testCaseStarting(const Catch::TestCaseInfo& test) override {
    Base::testCaseStarting(test);
    failures_.str("");
    skip_reason.clear();
  }

#if CATCH_VERSION_MAJOR >= 3
  std::ostream& out() {
    return m_stream;
  }
  void assertionEnded(const Catch::AssertionStats& stats) override {
    take(stats);
  }
#else
  std::ostream& out() {
    return stream;
  }
  void assertionStarting(const Catch::AssertionInfo&) override {}
  bool assertionEnded(const Catch::AssertionStats& stats) override {
    take(stats);
    return true;
  }
#endif

  void testCaseEnded(const Catch::TestCaseStats& stats) override {
    const bool failed = stats.totals.assertions.failed > 0;
    const bool skipped = !failed && !skip_reason.empty();
    out() << step_of(info_of(stats))
          << (failed    ? "FAIL  "
              : skipped ? "skip  "
                        : "ok    ")
          << info_of(stats).name << (skipped ? ": " + skip_reason : "") << "\n"
          << failures_.str() << std::flush;
    Base::testCaseEnded(stats);
  }

 private:
  static std::string step_of(const Catch::TestCaseInfo& test) {
    for (const auto& tag : test.tags) {
      if (text(tag).rfind("step", 0) == 0) return "[" + text(tag) + "] ";
    }
    return "";
  }

  void take(const Catch::AssertionStats& stats) {
    const auto& result = stats.assertionResult;
    if (result.isOk()) return;
    for (const auto& info : stats.infoMessages) add(info.message);
    if (result.hasExpression() && !result.hasMessage()) {
      add("expected: " + text(result.getExpression()));
      add("seen:     " + text(result.getExpandedExpression()));
    } else if (stats.infoMessages.empty()) {
      add(text(result.getMessage()));
    }
    const auto& source = result.getSourceInfo();
    const std::string file = source.file;
    add("tested at " + file.substr(file.rfind('/') + 1) + ":" + std::to_string(source.line));
  }

  void add(const std::string& message) {
    std::istringstream lines(message);
    for (std::string line; std::getline(lines, line);) failures_ << "    " << line << "\n";
  }

  std::ostringstream failures_;
};

CATCH_REGISTER_REPORTER("workshop", WorkshopReporter)

}  // namespace

void skip(const std::string& reason) {
  if (std::getenv("WORKSHOP_NO_SKIP") != nullptr) FAIL("may not be skipped here: " << reason);
  skip_reason = reason;
  any_skipped = true;
}

}  // namespace workshop::testing

int main(int argc, char** argv) {
  using namespace workshop::testing;
  if (before_tests != nullptr) before_tests(argv);
  const int result = Catch::Session().run(argc, argv);
  return result == 0 && any_skipped ? kSkipped : result;
}
