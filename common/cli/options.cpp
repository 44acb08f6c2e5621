// The one translation unit that includes cxxopts.hpp, which takes five seconds to compile.
#define CXXOPTS_NO_REGEX  // building the expressions at every start takes longer than parsing without
#include "common/cli/options.hpp"

#include <cstdlib>
#include <cxxopts.hpp>
#include <filesystem>

#include "common/image/images.hpp"
#include "common/sys/error.hpp"

namespace workshop {
namespace {

/// An option of the level programs: a row of the table in the design.
struct Row {
  int since;    ///< the first level that knows it
  char letter;  ///< 0 where there is no short form
  const char* name;
  const char* value;  ///< how --help calls its value; null for a switch
  const char* help;
};

constexpr Row kRows[] = {
    {1, 'i', "image", "NAME", "image to use as the root file system"},
    {1, 0, "store", "DIR", "image store; default: $WORKSHOP_STORE or the user's own"},
    {2, 0, "pivot-root", nullptr, "enter the root with pivot_root(2) instead of chroot(2)"},
    {3, 0, "hostname", "NAME", "host name inside"},
    {4, 'm', "map-uid", "N", "user id inside that your own becomes; default: 1100"},
    {4, 'g', "map-gid", "N", "group id inside that your own becomes; default: 1100"},
    {5, 'r', "root", "DIR", "use DIR as the root file system"},
    {5, 'u', "user", "NAME|UID", "who to be inside; default: root"},
    {5, 'v', "volume", "HOST:CONTAINER[:ro|rw]", "bind mount, read-only unless rw; may be repeated"},
    {1, 'h', "help", nullptr, "show this help"},
};

/// The row of an option as typed, "-i" or "--image=x"; null if the level does not know it.
const Row* find_row(int level, const std::string& word) {
  const bool is_long = word.rfind("--", 0) == 0;
  const std::string name = is_long ? word.substr(2, word.find('=') - 2) : word.substr(1, 1);
  for (const Row& row : kRows) {
    if (row.since > level) continue;
    if (is_long ? name == row.name : row.letter != 0 && name[0] == row.letter) return &row;
  }
  return nullptr;
}

/// How many of `words` are options and their values: the rest is the command's. cxxopts would look for
/// options there.
std::size_t count_option_words(int level, const std::vector<std::string>& words) {
  std::size_t i = 0;
  while (i < words.size()) {
    const std::string& word = words[i];
    if (word == "--" || word.size() < 2 || word[0] != '-') break;
    const Row* row = find_row(level, word);
    if (row == nullptr) throw UsageError(fmt::format("unknown option {}", word));
    const bool value_follows =
        row->value != nullptr && (word[1] == '-' ? word.find('=') == std::string::npos : word.size() == 2);
    if (value_follows && i + 1 == words.size())
      throw UsageError(fmt::format("{} needs a value: {}", word, row->value));
    i += value_follows ? 2 : 1;
  }
  return i;
}

cxxopts::Options declare(int level) {
  const std::string program = program_name();
  cxxopts::Options options(program + " run", "Runs COMMAND in a container.");
  options.custom_help("[OPTIONS] [--] COMMAND [ARG...]");
  for (const Row& row : kRows) {
    if (row.since > level) continue;
    const std::string names = (row.letter != 0 ? std::string(1, row.letter) + "," : "") + row.name;
    if (row.value == nullptr) {
      options.add_options()(names, row.help);
    } else {
      options.add_options()(names, row.help, cxxopts::value<std::string>(), row.value);
    }
  }
  return options;
}

[[noreturn]] void show_help(int level) {
  fmt::print("{}", declare(level).help());
  if (level >= 2) {
    fmt::print("\n{} pull IMAGE\n  Fetches an image and unpacks it into the store.\n", program_name());
  }
  if (level >= 4) {
    fmt::print("\n{} maps [-m N] [-g N]\n  Prints the id maps a container of yours gets.\n", program_name());
  }
  fmt::print(
      "\nExit status: the command's own; 128+N if signal N ended it; 125 if {} itself failed;\n"
      "126 if the command cannot be executed; 127 if it does not exist.\n",
      program_name());
  std::exit(0);
}

unsigned parse_id(const char* option, const std::string& text) {
  // (uid_t)-1 means "no change" to setuid(2) and its like: no id at all.
  const bool digits =
      !text.empty() && text.size() <= 10 && text.find_first_not_of("0123456789") == std::string::npos;
  const unsigned long long id = digits ? std::stoull(text) : ~0ULL;
  if (id >= 0xFFFFFFFFULL) {
    throw UsageError(
        fmt::format("--{} \"{}\": not an id; it is a number from 0 to 4294967294", option, text));
  }
  return static_cast<unsigned>(id);
}

/// A name, or a number: one too large would become another user's, truncated.
std::string parse_user(const std::string& text) {
  if (text.find_first_not_of("0123456789") == std::string::npos) parse_id("user", text);
  return text;
}

Volume parse_volume(const std::string& text) {
  const auto fail = [&](const char* why) {
    return UsageError(fmt::format("--volume \"{}\": {}; it is HOST:CONTAINER[:ro|rw]", text, why));
  };
  Volume volume;
  const auto first = text.find(':');
  if (first == std::string::npos) throw fail("no colon");
  const auto second = text.find(':', first + 1);
  volume.host = text.substr(0, first);
  volume.container = text.substr(first + 1, second == std::string::npos ? second : second - first - 1);
  if (volume.host.empty() || volume.container.empty()) throw fail("a path is empty");
  if (volume.container.find_first_not_of('/') == std::string::npos)
    throw fail("the container's root cannot be one");
  if (volume.container[0] != '/') throw fail("the path in the container does not begin with /");
  if (second != std::string::npos) {
    const std::string mode = text.substr(second + 1);
    if (mode != "ro" && mode != "rw") throw fail("the mode is neither ro nor rw");
    volume.read_only = mode == "ro";
  }
  return volume;
}

/// Absolute: "." would go on meaning the directory below a mount that is made on it, as pivot_root(2) needs
/// one.
std::string absolute_root(const std::string& text) {
  const std::filesystem::path path = std::filesystem::absolute(text);
  if (path.lexically_normal() == "/")
    throw UsageError("--root /: that is the host's own, which is there without");
  return path;
}

/// Options that would do nothing on the host's own root must not seem to have done something.
void require_root_for(const Options& options) {
  const char* useless = options.pivot_root         ? "pivot-root"
                        : !options.user.empty()    ? "user"
                        : !options.volumes.empty() ? "volume"
                                                   : nullptr;
  if (!options.root.empty() && !options.image.empty()) throw UsageError("--root or --image, not both");
  if (useless != nullptr && options.root.empty() && options.image.empty()) {
    throw UsageError(
        fmt::format("--{} takes a root file system: give --image, or --root from level 5 on", useless));
  }
}

/// Hands the option words to cxxopts, and what it made of them to our struct.
void read_values(int level, const std::vector<std::string>& words, Options& result) {
  std::vector<const char*> argv = {program_name()};
  for (const auto& word : words) argv.push_back(word.c_str());
  const auto parsed = declare(level).parse(static_cast<int>(argv.size()), argv.data());
  if (parsed.count("help") > 0) show_help(level);
  for (const auto& option : parsed.arguments()) {
    const std::string& name = option.key();
    const std::string& value = option.value();
    // As when a variable of the caller's script is not set. Nobody means root by it.
    if (value.empty()) throw UsageError(fmt::format("--{} needs a value, and got an empty one", name));
    if (name == "image") result.image = value;
    if (name == "store") result.store = value;
    if (name == "pivot-root") result.pivot_root = true;
    if (name == "hostname") result.hostname = value;
    if (name == "map-uid") result.map_uid = parse_id("map-uid", value);
    if (name == "map-gid") result.map_gid = parse_id("map-gid", value);
    if (name == "root") result.root = absolute_root(value);
    if (name == "user") result.user = parse_user(value);
    if (name == "volume") result.volumes.push_back(parse_volume(value));
  }
}

}  // namespace

Options parse_options(int level, int argc, char** argv) {
  std::vector<std::string> words(argv + 1, argv + argc);
  if (words.empty())
    throw UsageError(level >= 2 ? "nothing to do: say run or pull" : "nothing to do: say run");
  const std::string action = words[0];
  words.erase(words.begin());
  if (action == "--help" || action == "-h" || action == "help") show_help(level);
  Options result;
  if (action == "pull" && level >= 2) {
    result.action = Options::Action::pull;
  } else if (action == "maps" && level >= 4) {
    result.action = Options::Action::maps;
  } else if (action != "run") {
    throw UsageError(fmt::format("unknown action \"{}\"", action));
  }

  const std::size_t count = count_option_words(level, words);
  try {
    read_values(level, {words.begin(), words.begin() + static_cast<std::ptrdiff_t>(count)}, result);
  } catch (const cxxopts::exceptions::exception& error) {
    throw UsageError(error.what());
  }
  words.erase(words.begin(), words.begin() + static_cast<std::ptrdiff_t>(count));
  if (!words.empty() && words[0] == "--") words.erase(words.begin());

  if (result.store.empty()) result.store = default_store();
  if (result.action == Options::Action::pull) {
    if (words.size() != 1) throw UsageError("pull takes one image");
    result.image = words[0];
    return result;
  }
  if (result.action == Options::Action::maps) {
    if (!words.empty()) throw UsageError("maps takes no command");
    return result;
  }
  if (result.image.empty() && level <= 2) result.image = "busybox";
  require_root_for(result);
  if (words.empty() && (level == 1 || result.image.empty())) throw UsageError("no command given to run");
  result.command = std::move(words);
  return result;
}

}  // namespace workshop
