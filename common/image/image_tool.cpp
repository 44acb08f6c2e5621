// The program `image`: its command line. What the commands do is in commands.cpp.

#include <cxxopts.hpp>
#include <sstream>

#include "common/image/commands.hpp"
#include "common/image/identity.hpp"
#include "common/image/images.hpp"
#include "common/image/interrupt.hpp"
#include "common/image/say.hpp"
#include "common/image/unpack.hpp"
#include "common/sys/error.hpp"

namespace workshop {
namespace {

std::string summary(const Command& command) {
  const std::string text = command.description;
  return text.substr(0, text.find('\n'));
}

void print_help() {
  fmt::print("Images of containers: gets them, keeps them in a store, unpacks them.\n\n");
  for (const auto& command : commands()) {
    const std::string usage = fmt::format("{} {} {}", program_name(), command.name, command.operands);
    fmt::print("  {:<38} {}\n", usage, summary(command));
  }
  fmt::print(
      "\nAll take --store DIR (now: {}) and -q.\n"
      "'{} COMMAND --help' says more. An image's name is [HOST[:PORT]/]PATH[:TAG][@DIGEST], as for docker.\n"
      "The image busybox is always there.\n",
      default_store(), program_name());
}

const Command& find_command(const std::string& name) {
  for (const auto& command : commands()) {
    if (name == command.name) return command;
  }
  throw UsageError(fmt::format("there is no command '{}'", name));
}

bool has_option(const Command& command, const std::string& option) {
  std::istringstream options(command.options);
  for (std::string word; options >> word;) {
    if (word == option) return true;
  }
  return false;
}

/// "500M": bytes, or with K, M, G or T that many times 1024 each.
std::uint64_t parse_size(const std::string& text) {
  static const std::string kUnits = "KMGT";
  std::size_t digits = 0;
  while (digits < text.size() && text[digits] >= '0' && text[digits] <= '9') ++digits;
  const auto unit = digits < text.size() ? kUnits.find(text[digits]) : std::string::npos;
  const bool whole = text.size() == digits || (text.size() == digits + 1 && unit != std::string::npos);
  const unsigned shift = unit == std::string::npos ? 0 : 10 * static_cast<unsigned>(unit + 1);
  const std::uint64_t number = whole && digits > 0 && digits < 19 ? std::stoull(text.substr(0, digits)) : 0;
  if (number == 0 || number > UINT64_MAX >> shift) {
    throw UsageError(
        fmt::format("--max-size \"{}\": not a size; it is a number, or one with K, M, G or T", text));
  }
  return number << shift;
}

cxxopts::Options options_of(const Command& command) {
  cxxopts::Options options(fmt::format("{} {}", program_name(), command.name), summary(command) + ".");
  options.positional_help(command.operands);
  options.custom_help(command.operands == std::string() ? "[OPTIONS]" : "[OPTIONS] [--]");
  auto add = options.add_options();
  add("store", "image store", cxxopts::value<std::string>()->default_value(default_store()), "DIR");
  add("q,quiet", "say nothing unless something is wrong");
  if (has_option(command, "max-size")) {
    add("max-size", "refuse an image that unpacks to more than this",
        cxxopts::value<std::string>()->default_value("64G"), "SIZE");
  }
  if (has_option(command, "platform")) {
    add("platform", "for another machine than this one: OS/ARCH[/VARIANT]", cxxopts::value<std::string>(),
        "PLATFORM");
  }
  if (has_option(command, "output")) {
    add("o,output", "the archive to write", cxxopts::value<std::string>(), "FILE");
  }
  add("help", "show this");
  options.add_options("hidden")("operands", "", cxxopts::value<std::vector<std::string>>());
  options.parse_positional("operands");
  return options;
}

void print_help(const Command& command, const cxxopts::Options& options) {
  const std::string text = command.description;
  fmt::print("{}\n{}\n", options.help({""}), text.substr(text.find('\n') + 1));
}

Arguments arguments_of(const Command& command, const cxxopts::ParseResult& parsed) {
  Arguments arguments;
  arguments.store = parsed["store"].as<std::string>();
  arguments.quiet = parsed.count("quiet") > 0;
  if (parsed.count("operands")) arguments.operands = parsed["operands"].as<std::vector<std::string>>();
  if (has_option(command, "max-size")) set_limits({parse_size(parsed["max-size"].as<std::string>())});
  if (has_option(command, "output")) {
    if (!parsed.count("output")) throw UsageError(fmt::format("'{}' needs -o FILE", command.name));
    arguments.output = parsed["output"].as<std::string>();
  }
  if (has_option(command, "platform") && parsed.count("platform")) {
    arguments.platform = Platform::parse(parsed["platform"].as<std::string>());
  }
  const std::size_t count = arguments.operands.size();
  if (count < command.least || count > command.most) {
    throw UsageError(fmt::format("'{} {}' takes {}, not {} operands", program_name(), command.name,
                                 command.most == 0 ? "none" : command.operands, count));
  }
  return arguments;
}

void execute(const Command& command, const Arguments& arguments) {
  if (arguments.store.empty()) throw UsageError("--store needs a folder");
  if (arguments.quiet) be_quiet();
  act_as_owner_of(arguments.store);
  Store store(arguments.store, command.use);
  try {
    command.run(arguments, store);
  } catch (...) {
    ignore_interrupts();
    store.roll_back();
    throw;
  }
}

int run(int argc, char** argv) {
  if (argc < 2) throw UsageError("which command?");
  if (argv[1] == std::string("--help") || argv[1] == std::string("-h") || argv[1] == std::string("help")) {
    print_help();
    return 0;
  }
  const std::string name = argv[1];
  const Command& command = find_command(name);
  auto options = options_of(command);
  try {
    const auto parsed = options.parse(argc - 1, argv + 1);
    if (parsed.count("help")) {
      print_help(command, options);
    } else {
      execute(command, arguments_of(command, parsed));
    }
  } catch (const cxxopts::exceptions::exception& error) {
    throw UsageError(error.what());
  }
  if (std::fflush(stdout) != 0) throw_error(errno, "write to standard output");
  return 0;
}

/// What to do about an error whose text is the kernel's alone.
const char* hint(int error) {
  switch (error) {
    case ENOSPC:
    case EDQUOT:
      return "the disk is full: make room, or use another one with --store DIR";
    case EACCES:
    case EPERM:
    case EROFS:
      return "you may not write or read there: use sudo, or your own store with --store DIR";
    default:
      return nullptr;
  }
}

}  // namespace
}  // namespace workshop

int main(int argc, char** argv) {
  using namespace workshop;
  try {
    catch_interrupts();
    return run(argc, argv);
  } catch (const Interrupted&) {
    end_by_interrupt();
  } catch (const LimitExceeded& error) {
    report(fmt::format("{}; if it is what you want: --max-size SIZE", error.what()));
    return kFailed;
  } catch (const std::system_error& error) {
    const char* advice = hint(error.code().value());
    report(advice ? fmt::format("{}; {}", error.what(), advice) : error.what());
    return kFailed;
  } catch (...) {
    return report_exception();
  }
}
