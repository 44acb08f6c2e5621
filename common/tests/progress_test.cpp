// What `image pull` tells while it works: in a terminal, in a pipe, and with -q.

#include <fmt/core.h>

#include <algorithm>
#include <cstdlib>
#include <sstream>

#include "common/testing/catch.hpp"
#include "common/testing/sandbox.hpp"
#include "common/testing/skip.hpp"
#include "common/testing/terminal.hpp"
#include "common/tests/sample_image.hpp"
#include "common/tests/shell.hpp"

using namespace workshop::testing;

namespace {

constexpr int kLayers = 30;  // more than the terminals here are high

const SampleImage& sample() {
  static const SampleImage image = [] {
    std::vector<int> seeds;
    for (int seed = 1; seed <= kLayers; ++seed) seeds.push_back(seed);
    return SampleImage::of(seeds, 100'000);
  }();
  return image;
}

/// A registry that is slow with the layers from 20 on, so that there is something to be seen.
FaultyRegistry::Fault slow_at_the_end() {
  return [](const Request& request, Reply good) {
    const auto& layers = sample().layers;
    const bool is_slow = std::any_of(layers.begin() + 20, layers.end(), [&](const std::string& layer) {
      return contains(request.path, digest_text(layer));
    });
    if (is_slow) good.piece = 5'000, good.drip = std::chrono::milliseconds(20);
    return good;
  };
}

/// The lines of `text` about layers, without the numbers that differ: "layer  1/30 done".
std::vector<std::string> layers_in(const std::string& text) {
  std::vector<std::string> result;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    const auto begin = line.find("layer ");
    if (begin == std::string::npos) continue;
    const auto size = line.find("B  ");
    result.push_back(line.substr(begin, 12) + line.substr(std::min(size + 3, line.size())));
  }
  return result;
}

std::vector<std::string> all_layers(const std::string& state) {
  std::vector<std::string> result;
  for (int i = 1; i <= kLayers; ++i) result.push_back(fmt::format("layer {:>2}/{} {}", i, kLayers, state));
  return result;
}

}  // namespace

TEST_CASE(
    "in a terminal, lines are kept up to date, fit into it, and those that stay say what became of each "
    "layer") {
  ::setenv("WORKSHOP_PROGRAM", (program_folder() + "/image").c_str(), 1);
  WORKSHOP_SANDBOX(host, As::root);
  FaultyRegistry server(sample().content());
  server.become(sample().content(), slow_at_the_end());
  const Terminal terminal(host);
  struct Size {
    int columns, rows;
  };
  for (const Size& size : {Size{120, 24}, Size{46, 8}}) {
    INFO(size.columns << " columns, " << size.rows << " rows");
    terminal.resize(size.columns, size.rows);
    terminal.type("clear; tmux -L test clear-history; rm -rf store; image pull --store store " +
                  server.address() + "/image; echo ended-$?");
    WORKSHOP_SHOWS(terminal, "  fetching");
    WORKSHOP_SHOWS(terminal, "\ntotal ");
    if (size.columns > 100) WORKSHOP_SHOWS(terminal, " s left\n");
    WORKSHOP_SHOWS(terminal, "\nended-0");
    const std::string screen = terminal.screen();
    INFO(screen);
    CHECK(layers_in(screen) == all_layers("done"));
    CHECK_FALSE(contains(screen, "total "));
    CHECK(contains(screen, "is ready"));
  }
}

TEST_CASE("in a pipe there is a line when a layer's turn comes and one when it is done, and none with -q") {
  FaultyRegistry server(sample().content());
  const Scratch scratch;
  const auto first = run(scratch, "TERM=xterm image pull " + server.address() + "/image");
  INFO(first);
  REQUIRE(first.status == 0);
  CHECK(std::none_of(first.err.begin(), first.err.end(),
                     [](unsigned char c) { return c < 0x20 && c != '\n'; }));
  auto expected = all_layers("fetching");
  for (const auto& line : all_layers("done")) expected.push_back(line);
  auto lines = layers_in(first.err);
  std::sort(lines.begin(), lines.end());
  std::sort(expected.begin(), expected.end());
  CHECK(lines == expected);

  const auto again = run(scratch, "image pull " + server.address() + "/image");
  INFO(again);
  CHECK(layers_in(again.err) == all_layers("already there"));
  CHECK(contains(again.err, "is up to date"));

  const auto quiet = run(scratch, "rm -rf store; image pull -q " + server.address() + "/image");
  INFO(quiet);
  CHECK(quiet.status == 0);
  CHECK((quiet.out + quiet.err).empty());
}
