// The program `image`, without a network: the built-in image, archives, what goes wrong.

#include <sys/stat.h>

#include "common/image/images.hpp"
#include "common/sys/error.hpp"
#include "common/testing/catch.hpp"
#include "common/testing/skip.hpp"
#include "common/tests/registry_server.hpp"
#include "common/tests/shell.hpp"

using namespace workshop::testing;

namespace {

bool is_root() {
  return ::geteuid() == 0;
}

/// What is in a store, but for its locks.
Snapshot contents_of(const Scratch& scratch) {
  Snapshot contents;
  if (::access((scratch / "store").c_str(), F_OK) == -1) return contents;
  for (const auto& [path, line] : snapshot(scratch / "store")) {
    struct stat status {};
    ::lstat((scratch / "store/" + path).c_str(), &status);
    // A directory's time may change, and a store may have been made: it is what it holds that counts.
    if (!S_ISDIR(status.st_mode) && !path.starts_with("locks/")) contents[path] = line;
  }
  return contents;
}

/// A small image archive of each kind, made by skopeo from an OCI layout of ours.
void make_archives(const Scratch& scratch) {
  WORKSHOP_RUN(scratch,
               "image save busybox -o bundle.tar --store made\n"
               "mkdir layout && tar xf bundle.tar -C layout\n"
               "skopeo --insecure-policy copy -q oci:layout:busybox docker-archive:docker.tar:team/tool:7\n"
               "skopeo --insecure-policy copy -q oci:layout:busybox oci-archive:oci.tar:x\n"
               "skopeo --insecure-policy copy -q --dest-oci-accept-uncompressed-layers oci:layout:busybox "
               "oci:folder:x\n"
               "gzip -c docker.tar > docker.tar.gz; zstd -q oci.tar -o oci.tar.zst 2>/dev/null || cp oci.tar "
               "oci.tar.zst");
}

/// Another user may not be able to enter the folder of the built programs.
const std::string kForOthers = "chmod 755 .; cp \"$(command -v image)\" image; PATH=\"$PWD:$PATH\"; ";

}  // namespace

TEST_CASE("the built-in busybox is an image like any other, and the same each time") {
  const Scratch scratch;
  WORKSHOP_RUN(scratch,
               "image extract busybox root\n"
               "image extract busybox other --store elsewhere\n"
               "cmp store/index.json elsewhere/index.json\n"
               "test -x root/bin/sh -a -L root/bin/ls -a -d root/proc -a -d root/tmp\n"
               "grep -q '^root:x:0:0:' root/etc/passwd\n"
               "test \"$(stat -c %a root/etc/shadow root/tmp | tr '\\n' ' ')\" = '640 1777 '");
  CHECK(difference(snapshot(scratch / "other"), snapshot(scratch / "root")) == "");
  if (is_root())
    WORKSHOP_RUN(scratch,
                 "test \"$(stat -c %u:%g root/etc/shadow)\" = 0:42 && chroot root ls / | grep -q etc");
}

TEST_CASE("an image has one root file system, complete with its configuration") {
  const Scratch scratch;
  const std::string store = scratch / "store";
  WORKSHOP_RUN(scratch, "image unpack busybox");
  // With the root file system there, no tool is needed any more.
  CHECK(workshop::image_root("busybox", store) == store + "/images/busybox/rootfs");
  const auto config = workshop::image_config("busybox", store);
  CHECK(config.command == std::vector<std::string>{"sh"});
  REQUIRE(config.environment.size() == 1);
  CHECK(config.environment[0].starts_with("PATH="));
}

TEST_CASE("every kind of archive of an image gives the same tree") {
  if (const auto why = no_registry_because(); !why.empty()) WORKSHOP_SKIP(why);
  const Scratch scratch;
  make_archives(scratch);
  WORKSHOP_RUN(scratch, "image extract busybox expected");
  const auto expected = snapshot(scratch / "expected");
  REQUIRE(expected.size() > 200);
  for (const std::string archive :
       {"docker.tar", "docker.tar.gz", "oci.tar", "oci.tar.zst", "folder", "layout", "bundle.tar"}) {
    CAPTURE(archive);
    WORKSHOP_RUN(scratch, "rm -rf tree; image import it " + archive + " && image extract it tree");
    CHECK(difference(expected, snapshot(scratch / "tree")) == "");
  }
}

TEST_CASE("the archive of a root file system becomes an image") {
  const Scratch scratch;
  WORKSHOP_RUN(scratch,
               "image extract busybox expected\n"
               "tar -C expected --numeric-owner -cf root.tar . && gzip -k root.tar\n"
               "image import plain root.tar && image import zipped root.tar.gz\n"
               "image extract plain a && image extract zipped b");
  CHECK(difference(snapshot(scratch / "expected"), snapshot(scratch / "a")) == "");
  CHECK(difference(snapshot(scratch / "expected"), snapshot(scratch / "b")) == "");
  CHECK(workshop::testing::run(scratch, "image list -q").out == "busybox\nplain\nzipped\n");
}

TEST_CASE("a bundle brings all its images to another store, with their names and digests") {
  const Scratch scratch;
  WORKSHOP_RUN(
      scratch,
      "image extract busybox root && tar -C root -cf root.tar .\n"
      "image import 127.0.0.1:5000/team/app:7 root.tar\n"
      "image save busybox 127.0.0.1:5000/team/app:7 -o bundle.tar\n"
      "image save 127.0.0.1:5000/team/app:7 busybox -o again.tar && cmp bundle.tar again.tar || true\n"
      "image import bundle.tar --store other && image verify --store other\n"
      "cmp store/index.json other/index.json");
  const auto outcome = run(scratch, "image import third bundle.tar");
  CHECK(outcome.status == 125);
  CHECK(contains(outcome.err, "has 2 images"));
}

TEST_CASE("a damaged archive is refused whole, and the store stays as it was") {
  if (const auto why = no_registry_because(); !why.empty()) WORKSHOP_SKIP(why);
  const Scratch scratch;
  make_archives(scratch);
  WORKSHOP_RUN(
      scratch,
      "image extract busybox root && tar -C root -cf root.tar . && gzip -k root.tar\n"
      "for f in docker.tar oci.tar bundle.tar root.tar root.tar.gz; do head -c 600000 $f > cut-$f; done\n"
      // One byte of the layer changed: in the archives, and in the folder.
      "for f in docker.tar bundle.tar; do cp $f bad-$f\n"
      "  printf X | dd of=bad-$f bs=1 seek=400000 conv=notrunc status=none; done\n"
      "cp -r folder bad-folder; b=$(ls -S bad-folder/blobs/sha256/* | head -1)\n"
      "printf X | dd of=$b bs=1 seek=400000 conv=notrunc status=none\n"
      "cp -r folder cut-folder; rm $(ls -S cut-folder/blobs/sha256/* | head -1)");
  const auto before = contents_of(scratch);
  REQUIRE(!before.empty());
  for (const std::string archive :
       {"cut-docker.tar", "cut-oci.tar", "cut-bundle.tar", "cut-root.tar", "cut-root.tar.gz"}) {
    CAPTURE(archive);
    WORKSHOP_REFUSED(scratch, "image import it " + archive, archive);
    CHECK(difference(before, contents_of(scratch)) == "");
  }
  for (const std::string archive : {"bad-docker.tar", "bad-bundle.tar", "bad-folder"}) {
    CAPTURE(archive);
    // In a store that does not have the blob yet.
    WORKSHOP_REFUSED(scratch, "image import it " + archive + " --store fresh", "wrong digest");
    WORKSHOP_RUN(scratch,
                 "test -z \"$(image list -q --store fresh)\" -a -z \"$(ls fresh/blobs/sha256 fresh/partial | "
                 "grep -v :)\"");
  }
  WORKSHOP_REFUSED(scratch, "image import it cut-folder --store fresh", "is missing");
  WORKSHOP_REFUSED(scratch, "image import it .err", "cannot import");
  CHECK(difference(before, contents_of(scratch)) == "");
}

TEST_CASE("a store on a full disk stays as it was") {
  if (!is_root()) WORKSHOP_SKIP("mounting a small tmpfs needs root");
  const Scratch scratch;
  WORKSHOP_RUN(
      scratch,
      "image extract busybox root && head -c 40000000 /dev/urandom > root/big && tar -C root -cf root.tar .");
  const auto outcome =
      run(scratch,
          "mkdir small && unshare -m sh -c 'mount -t tmpfs -o size=20m none small\n"
          "image import busy root.tar --store small/store; echo status $?\n"
          "image extract busybox small/root && find small/store -type f -size +1M | grep partial\n"
          "image list -q --store small/store; image verify --store small/store && echo whole'");
  INFO(outcome);
  CHECK(contains(outcome.out, "status 125"));
  CHECK(contains(outcome.out, "whole"));
  CHECK(!contains(outcome.out, "busy\n"));
  CHECK(contains(outcome.err, "No space left on device; the disk is full: make room"));
}

TEST_CASE("when the disk is full while an image is extracted, nothing is left of it") {
  if (!is_root()) WORKSHOP_SKIP("mounting a small tmpfs needs root");
  const Scratch scratch;
  const auto outcome =
      run(scratch,
          "image list; mkdir small && unshare -m sh -c 'mount -t tmpfs -o size=500k none small\n"
          "image extract busybox small/root; echo status $?; ls small; mkdir small/empty\n"
          "image extract busybox small/empty; echo status $?; ls -A small/empty'");
  INFO(outcome);
  CHECK(contains(outcome.out, "status 125\nstatus 125\n"));
  CHECK(contains(outcome.err, "No space left on device"));
}

TEST_CASE("a store that cannot be written is a clear error") {
  if (!is_root()) WORKSHOP_SKIP("becoming another user needs root");
  const Scratch scratch;
  WORKSHOP_REFUSED(scratch,
                   kForOthers +
                       "mkdir -m 755 locked; setpriv --reuid 65534 --clear-groups image extract "
                       "busybox /nowhere --store locked",
                   "Permission denied; you may not write or read there");
}

TEST_CASE("a folder that is no store, or one of another version, is not touched") {
  const Scratch scratch;
  WORKSHOP_RUN(scratch,
               "mkdir mine later && echo precious > mine/file && echo '{\"version\": 99}' > "
               "later/workshop-store.json");
  WORKSHOP_REFUSED(scratch, "image extract busybox root --store mine", "is not an image store");
  WORKSHOP_REFUSED(scratch, "image rm busybox --store mine", "is not an image store");
  WORKSHOP_REFUSED(scratch, "image list --store later", "is of version 99");
  WORKSHOP_RUN(scratch,
               "test \"$(ls mine later)\" = \"$(printf 'later:\\nworkshop-store.json\\n\\nmine:\\nfile')\"");
}

TEST_CASE("a name that is not there names its neighbours and the command that gets it") {
  const Scratch scratch;
  WORKSHOP_RUN(scratch,
               "image extract busybox root && tar -C root -cf root.tar . && image import debian:12 root.tar");
  WORKSHOP_REFUSED(scratch, "image extract debain:12 x",
                   "did you mean debian:12? get it with 'image pull debain:12'");
  WORKSHOP_REFUSED(scratch, "image extract busybox:1 x", "did you mean busybox?");
  WORKSHOP_REFUSED(scratch, "image rm nothing/like/it", "no image nothing/like/it");
  WORKSHOP_REFUSED(scratch, "image extract Debian x", "invalid image name \"Debian\"");
  WORKSHOP_RUN(scratch, "test ! -e x");
}

TEST_CASE("an image that unpacks to more than --max-size is refused, and nothing is left of it") {
  const Scratch scratch;
  WORKSHOP_RUN(scratch,
               "mkdir tree && truncate -s 20M tree/bomb && tar -C tree -czf bomb.tar.gz . && "
               "test $(stat -c %s bomb.tar.gz) -lt 100000 && image import bomb bomb.tar.gz");
  WORKSHOP_REFUSED(scratch, "image extract bomb root --max-size 10M",
                   "unpacks to more than 10 MiB; if it is what you want: --max-size");
  WORKSHOP_REFUSED(scratch, "image unpack bomb --max-size 10M", "unpacks to more than 10 MiB");
  WORKSHOP_RUN(scratch, "test ! -e root && test ! -e store/images/bomb && ! test -e store/images/.unpacking");
  WORKSHOP_RUN(scratch, "image extract bomb root --max-size 30M && test $(stat -c %s root/bomb) = 20971520");
  for (const char* size : {"0", "x", "1X", "-1", "99999999999999999999", "99999999999T", "1.5G", "\"\""}) {
    const auto refused = run(scratch, std::string("image extract bomb other --max-size ") + size);
    INFO(refused);
    CHECK(refused.status == 125);
    CHECK(contains(refused.err, "not a size"));
  }
}

TEST_CASE("extract refuses a destination with something in it and leaves it alone") {
  const Scratch scratch;
  WORKSHOP_RUN(scratch, "mkdir there && echo precious > there/file && echo x > plain");
  WORKSHOP_REFUSED(scratch, "image extract busybox there", "is not empty");
  WORKSHOP_REFUSED(scratch, "image extract busybox plain", "Not a directory");
  WORKSHOP_RUN(
      scratch,
      "test \"$(ls -A there)\" = file && test \"$(cat there/file plain | tr '\\n' ' ')\" = 'precious x '");
}

TEST_CASE("rm removes an image and the blobs that no other image needs") {
  const Scratch scratch;
  WORKSHOP_RUN(scratch,
               "image unpack busybox && image save busybox -o bundle.tar && image import again bundle.tar\n"
               "image rm busybox && image extract again tree && image verify\n"
               "test ! -e store/images/busybox -a \"$(ls store/blobs/sha256 | wc -l)\" = 3\n"
               "image rm again && test -z \"$(ls store/blobs/sha256)\"");
}

TEST_CASE("a root file system in use is neither removed nor replaced") {
  if (!is_root()) WORKSHOP_SKIP("chroot needs root");
  const Scratch scratch;
  WORKSHOP_RUN(scratch,
               "image unpack busybox && image extract busybox root && echo new > root/new && tar -C root -cf "
               "root.tar .");
  const auto outcome =
      run(scratch,
          "mkfifo up go; chroot store/images/busybox/rootfs sh -c 'echo up; read x' < go > up "
          "& exec 8> go; read x < up\n"
          "image rm busybox; echo $?; image import busybox root.tar; echo $?\n"
          "test -e store/images/busybox/rootfs/bin/sh && echo there; exec 8>&-; wait\n"
          "image import busybox root.tar && test -e store/images/busybox/rootfs/new && "
          "image rm busybox && echo gone");
  INFO(outcome);
  CHECK(outcome.out == "125\n125\nthere\ngone\n");
  CHECK(contains(outcome.err, "has it as its root; end that first"));
}

TEST_CASE("verify finds a damaged blob and says which image needs it") {
  const Scratch scratch;
  WORKSHOP_RUN(scratch,
               "image extract busybox root && image verify\n"
               "b=$(ls -S store/blobs/sha256/* | head -1); printf X | dd of=$b bs=1 seek=5000 conv=notrunc "
               "status=none");
  const auto outcome = run(scratch, "image verify");
  INFO(outcome);
  CHECK(outcome.status == 125);
  CHECK(contains(outcome.err, "is damaged: removed"));
  CHECK(contains(outcome.err, "busybox is damaged"));
}

TEST_CASE("a layer is compared with its diff_id once, and again when its file has changed") {
  const Scratch scratch;
  // Not compressed: there is no check sum but the diff_id.
  WORKSHOP_RUN(
      scratch,
      "mkdir root && echo original > root/text && tar -C root -cf root.tar . && image import plain root.tar\n"
      "b=$(ls -S store/blobs/sha256/* | head -1); at=$(grep -abo original $b | cut -d: -f1)\n"
      "printf O | dd of=$b bs=1 seek=$at conv=notrunc status=none");
  WORKSHOP_REFUSED(scratch, "image extract plain tree", "wrong digest");
  // With a note about the file as it is now, nothing but `verify` looks at it again.
  WORKSHOP_RUN(scratch,
               "b=$(ls -S store/blobs/sha256/* | head -1); note=store/verified/$(basename $b)\n"
               "ln -sfn \"$(readlink $note | cut -d' ' -f1) $(stat -c %.9Z $b)\" $note\n"
               "image extract plain tree && grep Original tree/text && image unpack plain");
  const auto verified = run(scratch, "image verify");
  INFO(verified);
  CHECK(verified.status == 125);
  CHECK(contains(verified.err, "is damaged: removed"));
  WORKSHOP_RUN(scratch, "image import plain root.tar && image rm plain && test -z \"$(ls store/verified)\"");
}

TEST_CASE("an image that is not what its configuration says is not unpacked") {
  const Scratch scratch;
  WORKSHOP_RUN(scratch,
               "image save busybox -o b.tar && mkdir l && tar xf b.tar -C l && cd l\n"
               // A layer with a correct digest of its own, in place of the one the configuration means.
               "layer=$(ls -S blobs/sha256 | head -1); mkdir r; tar -C r -czf other.gz . ; new=$(sha256sum "
               "other.gz | cut -d' ' -f1)\n"
               "size=$(stat -c %s other.gz); old=$(stat -c %s blobs/sha256/$layer)\n"
               "m=$(grep -o 'sha256:[0-9a-f]*' index.json | head -1 | cut -d: -f2)\n"
               "sed \"s/$layer/$new/; s/$old/$size/\" blobs/sha256/$m > m.json; n=$(sha256sum m.json | cut "
               "-d' ' -f1)\n"
               "sed -i \"s/$m/$n/; s/\\\"size\\\": [0-9]*/\\\"size\\\": $(stat -c %s m.json)/\" index.json\n"
               "mv m.json blobs/sha256/$n; mv other.gz blobs/sha256/$new; rm -rf r");
  WORKSHOP_REFUSED(scratch, "image import swapped l", "wrong digest: layer 1 of swapped");
  WORKSHOP_RUN(scratch, "test -z \"$(image list -q | grep swapped)\"");
}

TEST_CASE("an interrupted extraction leaves nothing behind") {
  const Scratch scratch;
  WORKSHOP_RUN(scratch,
               "image extract busybox root && head -c 500000000 /dev/zero > root/zeros\n"
               "tar -C root -czf root.tar.gz ./bin ./zeros && image import large root.tar.gz");
  // TERM and not INT, which a shell without job control has its background commands ignore.
  const auto outcome = run(scratch,
                           "mkdir there; for destination in there made/here; do\n"
                           "  image extract large $destination & pid=$!\n"
                           "  until [ -e $destination/zeros ]; do kill -0 $pid || exit 1; done\n"
                           "  kill -TERM $pid; wait $pid; echo $?; done\n"
                           "ls -A there; test ! -e made/here");
  INFO(outcome);
  CHECK(outcome.status == 0);
  CHECK(outcome.out == "143\n143\n");
}

TEST_CASE("who waits for another program says so, and can be interrupted") {
  const Scratch scratch;
  WORKSHOP_RUN(scratch, "image unpack busybox && image rm busybox");
  const auto outcome =
      run(scratch,
          "mkfifo ready; flock store/locks/unpack-* sh -c 'echo > ready; exec sleep 60' & "
          "holder=$!; read x < ready\n"
          "image unpack busybox 2> message & pid=$!\n"
          "until grep -q \"waiting for process $holder (flock)\" message; do kill -0 $pid || exit 1; done\n"
          "kill -TERM $pid; wait $pid; echo $?; kill $holder; ls store/images");
  INFO(outcome);
  CHECK(outcome.out == "143\n");
}

TEST_CASE("as root of a user namespace nothing is left in the store that the user could not remove") {
  if (!is_root()) WORKSHOP_SKIP("becoming another user needs root");
  const Scratch scratch;
  const auto outcome = run(scratch, kForOthers +
                                        "mkdir -m 700 mine && chown 61234:61234 mine\n"
                                        "setpriv --reuid 61234 --regid 61234 --clear-groups env "
                                        "HOME=$PWD/mine WORKSHOP_STORE= unshare -r \\\n"
                                        "  sh -c 'image unpack busybox && image extract busybox mine/root'\n"
                                        "echo status $?; find mine ! -uid 61234; test -f "
                                        "mine/.local/share/workshop/images/busybox/config.json");
  INFO(outcome);
  if (contains(outcome.err, "unshare:")) WORKSHOP_SKIP("no user namespaces here: " + outcome.err);
  CHECK(outcome.status == 0);
  CHECK(outcome.out == "status 0\n");
}

TEST_CASE("mistakes on the command line point to --help") {
  const Scratch scratch;
  for (const std::string arguments :
       {"", "bogus", "pull", "save busybox", "pull --bogus x", "extract busybox", "list x"}) {
    CAPTURE(arguments);
    const auto outcome = run(scratch, "image " + arguments);
    CHECK(outcome.status == 125);
    CHECK(contains(outcome.err, "--help"));
    CHECK(outcome.out.empty());
  }
  for (const std::string command :
       {"", "pull", "import", "extract", "unpack", "save", "list", "rm", "verify"}) {
    CAPTURE(command);
    const auto outcome = run(scratch, "image " + command + " --help");
    CHECK(outcome.status == 0);
    CHECK(outcome.err.empty());
    CHECK(contains(outcome.out, "--store"));
  }
}

TEST_CASE("under sudo an image that only the calling user has is found, and that store is not changed") {
  if (!is_root()) WORKSHOP_SKIP("needs root");
  const Scratch scratch;
  // getpwuid(3) must know a user whose home is in the scratch directory: a private /etc/passwd.
  const auto outcome = run(
      scratch,
      "mkdir -p home/.local/share; image extract busybox r --store s; tar -C r -cf r.tar .\n"
      "image import theirs r.tar --store home/.local/share/workshop -q\n"
      "find home | xargs ls -ld --time-style=full-iso > before\n"
      "(cat /etc/passwd; echo \"learner:x:54321:54321::$PWD/home:/bin/sh\") > passwd\n"
      "unshare -m sh -c 'mount --bind passwd /etc/passwd; export SUDO_UID=54321\n"
      "image extract theirs x && image unpack theirs && ls store/images'\n"
      "find home | xargs ls -ld --time-style=full-iso | cmp before - && echo same; image extract theirs y");
  INFO(outcome);
  CHECK(outcome.out == "theirs\nsame\n");
  CHECK(outcome.status == 125);  // without sudo it is not there
}
