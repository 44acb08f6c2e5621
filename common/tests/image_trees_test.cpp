// The same images, unpacked by three programs that know nothing of each other: ours, umoci, and GNU tar layer
// by layer. They are to agree in every file: type, owner, mode, size, content, names of one file, times to
// the nanosecond, device numbers, extended attributes.

#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <fstream>

#include "common/image/store.hpp"
#include "common/sys/error.hpp"
#include "common/sys/tree.hpp"
#include "common/testing/catch.hpp"
#include "common/testing/skip.hpp"
#include "common/tests/archive.hpp"
#include "common/tests/registry_server.hpp"
#include "common/tests/shell.hpp"

using namespace workshop;
using namespace workshop::testing;
using workshop::testing::run;

namespace {

const std::string kCapability("\1\0\0\2\0\4\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 20);  // CAP_NET_BIND_SERVICE

Entry directory(const std::string& name, std::int64_t seconds, unsigned mode = 0755) {
  return {Entry::directory, name, "", mode, 0, 0, seconds, 123'456'789};
}
Entry file(const std::string& name, const std::string& text, unsigned mode = 0644, std::int64_t owner = 0) {
  return {Entry::file, name, text, mode, owner, owner, 1'100'000'000, 987'654'321};
}
Entry link(const std::string& name, const std::string& target) {
  return {Entry::link, name, target, 0777, 0, 0, 1'200'000'000, 5};
}
Entry hard_link(const std::string& name, const std::string& target) {
  return {Entry::hard_link, name, target};
}
Entry with(Entry entry, std::map<std::string, std::string> attributes) {
  entry.attributes = std::move(attributes);
  return entry;
}

/// Layers as builds make them: each has the directories that it changes something in, up to the last few.
const std::vector<std::vector<Entry>> kLayers = {
    {directory("./", 1), directory("etc", 2), directory("usr", 3), directory("usr/bin", 4),
     link("bin", "usr/bin"), file("etc/passwd", "root:x:0:0::/:/bin/sh\n"),
     file("usr/bin/sh", std::string(5000, 's'), 0755), directory("tmp", 5, 01777)},
    {directory("etc", 10), file("etc/shadow", "root:*:::::::\n", 0640, 42)},
    {directory("usr", 11), directory("usr/bin", 12), file("usr/bin/su", "su", 04755),
     file("usr/bin/wall", "wall", 02755, 5)},
    {directory("usr/bin", 13),
     with(file("usr/bin/ping", "ping", 0755), {{"security.capability", kCapability}})},
    {directory("srv", 14), with(directory("srv/d", 15), {{"user.on", "x"}}),
     with(file("srv/f", "f", 0600, 1000),
          {{"user.comment", "text"}, {"trusted.secret", std::string(200, 't')}})},
    // Hard links, in a layer and across.
    {directory("opt", 20), file("opt/one", std::string(100, '1'), 0640, 7), hard_link("opt/two", "opt/one")},
    {directory("opt", 21), directory("opt/d", 22), hard_link("opt/d/three", "opt/two"),
     hard_link("opt/sh", "bin/sh")},
    {directory("opt", 23), file("opt/one", "no longer the same")},
    // Whiteouts, before and after their siblings; opaque ones.
    {directory("var", 30), directory("var/a", 31), file("var/a/x", "x"), directory("var/a/deep", 32),
     file("var/a/deep/y", "y"), directory("var/b", 33), file("var/b/x", "x"), file("var/b/keep", "k"),
     directory("var/c", 34), file("var/c/old", "o")},
    {directory("var", 35), file("var/.wh.a", "")},
    {directory("var/b", 36), file("var/b/.wh.x", ""), file("var/b/new", "n")},
    {directory("var/c", 37), file("var/c/.wh..wh..opq", ""), file("var/c/new", "n")},
    {directory("var", 38), directory("var/a", 39, 0700), file("var/a/again", "a")},
    // Types that replace each other.
    {directory("mnt", 40),
     directory("mnt/d", 41),
     file("mnt/d/x", "x"),
     file("mnt/f", "f"),
     link("mnt/l", "f"),
     {Entry::fifo, "mnt/p", "", 0620, 3, 4, -1'000'000'000},
     {Entry::character_device, "mnt/c", "", 0666}},
    {directory("mnt", 42), link("mnt/d", "../var/b"), directory("mnt/f", 43), file("mnt/f/x", "x"),
     file("mnt/l", "l")},
    {directory("mnt", 44),
     file("mnt/p", "no pipe"),
     {Entry::fifo, "mnt/c", "", 0600},
     {Entry::block_device, "mnt/b", "", 0660, 0, 6}},
    // Through a link of a lower layer; ids, times and names that are large.
    {directory("usr/bin", 50), file("bin/through", "the link stays", 0755)},
    {directory("home", 51),
     file("home/large", "ids", 0644, 3'000'000'000),
     {Entry::file, "home/early", "", 0644, 0, 0, -2'000'000'000, 0},
     {Entry::file, "home/late", "", 0644, 0, 0, 5'000'000'000, 1}},
    {directory("home", 52), file("home/" + std::string(200, 'n'), "long"),
     link("home/" + std::string(150, 'l'), std::string(250, 't'))},
    // What builds do not do, and archives may: changes in directories that the layer does not have.
    {file("usr/unlisted", "u"), file("new/parent/x", "x"), file("opt/.wh.two", "")},
    {directory("srv/d", 16), with(file("srv/d/selinux", ""), {{"security.selinux", "t"}}),
     with(file("srv/d/overlay", ""), {{"trusted.overlay.opaque", "y"}})},
    {file("srv/twice", "a longer one"),
     file("srv/twice", "b"),
     {Entry::hard_link, "srv/other", "srv/twice", 0777, 5, 5, 77}},
    {directory("./", 60), directory("closed", 61, 0), file("closed/x", "x", 0)},
};

/// The archive that `docker save` would make of an image with these layers.
void save_as_docker(const Scratch& scratch, const std::vector<std::vector<Entry>>& layers) {
  std::string names, diff_ids;
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const std::string tar = make_layer(layers[i]);
    const std::string comma = i == 0 ? "" : ",";
    std::ofstream(scratch / fmt::format("{}.tar", i)) << (i % 2 == 0 ? tar : compress(tar, "gzip"));
    names += fmt::format("{}\"{}.tar\"", comma, i);
    diff_ids += fmt::format("{}\"{}\"", comma, digest_of(tar).string());
  }
  const Platform here = Platform::of_this_machine();
  std::ofstream(scratch / "config.json")
      << fmt::format(R"({{"os":"{}","architecture":"{}","rootfs":{{"type":"layers","diff_ids":[{}]}}}})",
                     here.os, here.architecture, diff_ids);
  std::ofstream(scratch / "manifest.json")
      << fmt::format(R"([{{"Config":"config.json","RepoTags":["layers:latest"],"Layers":[{}]}}])", names);
  scratch.shell("tar -cf layers.tar manifest.json config.json $(seq -f %g.tar 0 " +
                fmt::format("{}", layers.size() - 1) + ")");
}

/// Whiteouts, and directories that something else replaces, tar knows nothing of: that is done before.
constexpr const char* kTar = R"sh(
  set -e
  mkdir tree
  for layer in LAYERS; do
    tar -tf $layer | while IFS= read -r name; do
      case $name in
        *.wh..wh..opq) find "tree/${name%.wh..wh..opq}" -mindepth 1 -delete ;;
        .wh.* | */.wh.*) rm -rf "tree/${name%.wh.*}${name##*.wh.}" ;;
        */) ;;
        *) [ ! -d "tree/$name" ] || [ -L "tree/$name" ] || rm -rf "tree/$name" ;;
      esac
    done
    tar -xpf $layer -C tree --exclude='.wh.*' --delay-directory-restore --numeric-owner --xattrs --xattrs-include='*'
  done
)sh";

/// Where tar's tree is not ours: what stands in our line of that file's snapshot, what in tar's, and why.
struct Difference {
  const char* file;
  const char* ours;
  const char* of_tar;
  const char* reason;
};

constexpr const char* kUnlisted =
    "tar puts the time of a directory right only if the same layer has an entry for it";
constexpr const char* kTheHosts =
    "we leave out attributes that mean something to the host and not to the image";
constexpr const char* kLeft = "tar leaves a directory the attributes that it has from a lower layer";
const Difference kDifferences[] = {
    {"usr", "11.123456789", "now", kUnlisted},
    {"opt", "23.123456789", "now", kUnlisted},
    {"srv", "14.123456789", "now", kUnlisted},
    {"srv/d", "16.123456789 []", "16.123456789 user.on=78 []", kLeft},
    {"srv/d/selinux", "names []", "names security.selinux=74 []", kTheHosts},
    {"srv/d/overlay", "names []", "names trusted.overlay.opaque=79 []", kTheHosts},
};

std::string layers_of(const std::string& image, const std::string& path) {
  const Store store(path, Store::Use::read_only);
  std::string files;
  for (const auto& layer :
       Manifest::parse(store.read(store.find(ImageName::parse(image))->manifest)).layers) {
    files += store.blob_path(layer.digest) + " ";
  }
  return files;
}

/// What `script` unpacks to the folder `tree`, with "now" for times that came about meanwhile: those of
/// directories that no layer describes.
Snapshot unpack(const Scratch& scratch, const std::string& script) {
  const time_t start = ::time(nullptr);
  WORKSHOP_RUN(scratch, script);
  Snapshot result = snapshot(scratch / "tree");
  for (auto& [name, line] : result) {
    const auto begin = line.find(' ', line.find(' ') + 1) + 1;
    const auto seconds = std::stoll(line.substr(begin));
    if (seconds >= start && seconds <= ::time(nullptr))
      line.replace(begin, line.find(' ', begin) - begin, "now");
  }
  remove_tree(scratch / "tree");
  return result;
}

/// Our tree with the differences that tar's is known to have.
Snapshot as_tar_has_it(Snapshot ours, std::span<const Difference> differences) {
  for (const auto& row : differences) {
    INFO(row.file << ": " << row.reason);
    REQUIRE(contains(ours[row.file], row.ours));
    ours[row.file] = substituted(ours[row.file], row.ours, row.of_tar);
  }
  return ours;
}

void compare_trees(const Scratch& scratch, const std::string& image, std::size_t least,
                   std::span<const Difference> differences = {}) {
  const Snapshot ours = unpack(scratch, "image extract -q " + image + " tree");
  REQUIRE(ours.size() > least);
  const Snapshot of_umoci = unpack(scratch, "umoci raw unpack --image store:" + image + " tree");
  const Snapshot of_tar = unpack(scratch, substituted(kTar, "LAYERS", layers_of(image, scratch / "store")));
  INFO("- is ours, + is theirs");
  CHECK(difference(ours, of_umoci) == "");
  CHECK(difference(as_tar_has_it(ours, differences), of_tar) == "");
}

/// A file system of its own for the rest of this process: disks can be slow with thousands of files.
void keep_in_memory(const Scratch& scratch) {
  check(::unshare(CLONE_NEWNS), "unshare(CLONE_NEWNS)");
  check(::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr), "mount(MS_PRIVATE)");
  check(::mount("tmpfs", scratch.path().c_str(), "tmpfs", 0, "mode=700"), "mount(tmpfs)");
}

std::string why_not() {
  if (::geteuid() != 0) return "only root may give files their owners: run the tests as root";
  if (::access("/usr/bin/umoci", X_OK) == -1) return "umoci is not installed (package umoci)";
  return "";
}

}  // namespace

TEST_CASE("the built-in image's tree is the same, unpacked by us, by umoci and by tar") {
  if (const auto why = why_not(); !why.empty()) WORKSHOP_SKIP(why);
  const Scratch scratch;
  WORKSHOP_RUN(scratch, "image extract -q busybox made");  // it is made when it is first asked for
  compare_trees(scratch, "busybox", 200);
}

TEST_CASE("Debian's tree is the same, unpacked by us, by umoci and by tar") {
  if (const auto why = why_not(); !why.empty()) WORKSHOP_SKIP(why);
  std::string why;
  const std::string archive = debian_archive(why);
  if (archive.empty()) WORKSHOP_SKIP(why);
  const Scratch scratch;
  keep_in_memory(scratch);
  WORKSHOP_RUN(scratch, "image import -q debian '" + archive + "'");
  compare_trees(scratch, "debian", 5000);
}

TEST_CASE("many small layers give the same tree with us, umoci and tar, but for what is explained") {
  if (const auto why = why_not(); !why.empty()) WORKSHOP_SKIP(why);
  const Scratch scratch;
  save_as_docker(scratch, kLayers);
  WORKSHOP_RUN(scratch, "image import -q layers layers.tar");
  compare_trees(scratch, "layers", 40, kDifferences);
}
