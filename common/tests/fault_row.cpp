#include "common/tests/fault_row.hpp"

#include <algorithm>

#include "common/testing/catch.hpp"
#include "common/tests/shell.hpp"

namespace workshop::testing {

const SampleImage& sample() {
  static const SampleImage image = SampleImage::of({1, 2});
  return image;
}

void judge(const FaultRow& row) {
  INFO("the registry: " << row.what);
  const Scratch scratch;
  FaultyRegistry server(row.content);
  server.become(row.content, row.fault);
  const std::string pull = "WORKSHOP_PATIENCE=0.03 image pull -q " + server.address() + "/image";
  if (row.says.empty()) {
    WORKSHOP_RUN(scratch, pull);
  } else {
    WORKSHOP_REFUSED(scratch, pull, row.says);
    const std::string err = read_file(scratch / ".err");
    CHECK(std::none_of(err.begin(), err.end() - 1, [](unsigned char c) { return c < 0x20 || c >= 0x7f; }));
    WORKSHOP_RUN(scratch, "image verify && test -z \"$(image list -q)\"");
  }
  server.become(sample().content());
  WORKSHOP_RUN(scratch, pull +
                            " && image verify && cd store/images/*image/rootfs && test -s file1 -a -s file2"
                            " && test -z \"$(find $STORE/partial -name '[0-9a-f]*')\"");
}

FaultyRegistry::Fault on(const std::string& part, std::function<Reply(Reply)> fault) {
  return [=](const Request& request, Reply good) {
    return contains(request.path, part) ? fault(std::move(good)) : good;
  };
}

FaultyRegistry::Fault first(const std::string& part, std::function<Reply(Reply)> fault) {
  return [=](const Request& request, Reply good) {
    return contains(request.path, part) && request.number == 0 ? fault(std::move(good)) : good;
  };
}

}  // namespace workshop::testing
