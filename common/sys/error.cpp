#include "common/sys/error.hpp"

#include <unistd.h>

#include "common/sys/user_namespace.hpp"

namespace workshop {

void throw_error(int error, const std::string& call) {
  throw std::system_error(error, std::generic_category(), call);
}

void require_root() {
  if (::geteuid() != 0) throw std::runtime_error("this level needs root: run it with sudo");
}

const char* program_name() {
  return program_invocation_short_name;
}

std::string printable(std::string text) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    const auto next = static_cast<unsigned char>(i + 1 < text.size() ? text[i + 1] : 0);
    if ((c < ' ' && c != '\n' && c != '\t') || c == 0x7f) text[i] = '?';
    if (c == 0xc2 && next >= 0x80 && next < 0xa0)
      text[i] = text[i + 1] = '?';  // U+0080 to U+009F (ECMA-48, C1)
  }
  return text;
}

void report(const std::string& message) {
  // Names in it may be those of an archive or a registry.
  const std::string line = printable(fmt::format("{}: {}\n", program_name(), message));
  // Standard error itself may be closed or full; there is nobody left to tell then.
  [[maybe_unused]] const auto written = ::write(STDERR_FILENO, line.data(), line.size());
}

int report_exception() {
  try {
    throw;
  } catch (const AlreadyReported&) {
  } catch (const UsageError& error) {
    report(fmt::format("{}\nTry '{} --help'.", error.what(), program_name()));
  } catch (const std::system_error& error) {
    report(error.what());
    const std::string hint = is_root_of_machine() ? "" : user_namespace_hint(error.code().value());
    if (!hint.empty()) report(hint);
  } catch (const std::exception& error) {
    report(error.what());
  }
  return kFailed;
}

}  // namespace workshop
