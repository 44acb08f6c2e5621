// /etc/subuid, and the maps that are made of it: no id twice, inside or outside.

#include <fcntl.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>

#include "common/fuzz/input.hpp"
#include "common/sys/fd.hpp"
#include "common/sys/id_maps.cpp"  // for the functions that only it has

namespace {

using workshop::IdMap;

void require_disjoint(std::vector<IdMap> maps, std::uint32_t IdMap::*first) {
  std::sort(maps.begin(), maps.end(), [&](const IdMap& a, const IdMap& b) { return a.*first < b.*first; });
  std::uint64_t next = 0;
  for (const IdMap& map : maps) {
    if (map.*first < next || map.count == 0) __builtin_trap();
    next = std::uint64_t{map.*first} + map.count;
    if (next > UINT32_MAX) __builtin_trap();  // (uid_t)-1 is no id
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const workshop::unique_fd file(::memfd_create("subuid", MFD_CLOEXEC));
  if (!file || ::write(file.get(), data, size) != static_cast<ssize_t>(size)) std::abort();
  workshop::fuzz::may_refuse([&] {
    const auto ranges = workshop::read_subordinate_ids("/proc/self/fd/" + std::to_string(file.get()), 1000);
    const std::uint32_t inside = size > 0 ? data[0] * 257U : 0;
    const auto maps = workshop::lay_out(ranges, 1000, inside);
    require_disjoint(maps, &IdMap::inside);
  });
  return 0;
}
