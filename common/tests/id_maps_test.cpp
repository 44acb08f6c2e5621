// make_id_maps, the pure function of level 4, by property: thousands of random grants.

#define main level04_main
#include "solutions/level04.cpp"
#undef main

#include <map>
#include <numeric>
#include <random>
#include <sstream>

#include "common/testing/catch.hpp"

namespace {

using Random = std::mt19937;

std::uint32_t number(Random& random, std::uint32_t from, std::uint32_t to) {
  return std::uniform_int_distribution<std::uint32_t>(from, to)(random);
}

/// Ranges that do not overlap, in any order.
std::vector<IdRange> random_ranges(Random& random) {
  std::vector<IdRange> ranges;
  std::uint32_t next = number(random, 1, 200000);
  for (std::uint32_t i = number(random, 1, 12); i > 0; --i) {
    const std::uint32_t count = number(random, 1, i % 3 == 0 ? 3 : 70000);
    ranges.push_back({next, count});
    next += count + number(random, 0, 5);
  }
  std::shuffle(ranges.begin(), ranges.end(), random);
  return ranges;
}

std::string show(const std::vector<IdRange>& ranges, std::uint32_t own, std::uint32_t inside) {
  std::ostringstream text;
  for (const IdRange& range : ranges) text << range.first << "+" << range.count << " ";
  text << "own " << own << " at " << inside;
  return text.str();
}

/// The ids outside that the maps use, as ranges that touch joined, by first id; a lap shows as a count of 0.
std::map<std::uint32_t, std::uint32_t> joined(std::vector<IdRange> ranges) {
  std::sort(ranges.begin(), ranges.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  std::map<std::uint32_t, std::uint32_t> result;
  for (const IdRange& range : ranges) {
    auto last = result.empty() ? result.end() : std::prev(result.end());
    if (last != result.end() && range.first < last->first + last->second) return {{range.first, 0}};
    if (last != result.end() && range.first == last->first + last->second) {
      last->second += range.count;
    } else {
      result[range.first] = range.count;
    }
  }
  return result;
}

}  // namespace

TEST_CASE("id maps lose nothing, overlap nowhere, keep the order and put the own id where it belongs") {
  Random random(20240501);  // the same ranges each time: a failure can be looked at again
  for (int round = 0; round < 5000; ++round) {
    const auto ranges = random_ranges(random);
    const auto total = std::accumulate(ranges.begin(), ranges.end(), 0U,
                                       [](auto sum, const auto& r) { return sum + r.count; });
    const std::uint32_t own = round % 4 == 0 ? ranges[0].first + number(random, 0, ranges[0].count - 1)
                                             : 4000000 + number(random, 0, 9);
    const std::uint32_t inside = round % 5 == 0 ? 0 : number(random, 0, total + total / 5);
    CAPTURE(show(ranges, own, inside));
    const auto maps = make_id_maps(ranges, own, inside);

    std::vector<IdRange> outside, expected = without(ranges, own);
    std::vector<std::uint32_t> order;
    std::uint64_t next = 0;
    for (const IdMap& map : maps) {
      outside.push_back({map.outside, map.count});
      const bool is_own = map.outside == own;
      REQUIRE((map.inside == next || (is_own && &map == &maps.back() && map.inside > next)));
      if (is_own) REQUIRE((map.inside == inside && map.count == 1));
      if (!is_own) order.push_back(map.outside);
      next = std::uint64_t{map.inside} + map.count;
    }
    expected.push_back({own, 1});
    REQUIRE(joined(outside) == joined(expected));
    // The order of the grants: what is split stays in its place.
    std::vector<std::uint32_t> firsts;
    for (const std::uint32_t first : order) {
      for (const IdRange& range : ranges) {
        if (first >= range.first && first - range.first < range.count &&
            (firsts.empty() || firsts.back() != range.first)) {
          firsts.push_back(range.first);
        }
      }
    }
    std::vector<std::uint32_t> granted;
    for (const IdRange& range : ranges) {
      if (!(range.count == 1 && range.first == own)) granted.push_back(range.first);
    }
    REQUIRE(firsts == granted);
  }
}

TEST_CASE("id maps that no kernel would take are an error") {
  std::vector<IdRange> many;
  for (std::uint32_t i = 0; i < kMaxMapLines; ++i) many.push_back({100000 + 2 * i, 1});
  REQUIRE_THROWS(make_id_maps(many, 1000, 5));
  many.pop_back();
  REQUIRE(make_id_maps(many, 1000, 5).size() == kMaxMapLines);
  REQUIRE_THROWS(make_id_maps({{0, UINT32_MAX}, {5, 2}}, 7, 0));
}
