// `workshop cleanup`, which runs as root on people's machines: what it removes, and above all what it leaves
// alone. Every test has a host of its own (common/testing/sandbox.hpp) with an image store in /tmp/store.

#include <cstdlib>
#include <filesystem>

#include "common/testing/catch.hpp"
#include "common/testing/sandbox.hpp"
#include "common/testing/skip.hpp"
#include "common/testing/text.hpp"

using namespace workshop::testing;

namespace {

[[maybe_unused]] const bool judged = [] {
  const auto runner = std::filesystem::read_symlink("/proc/self/exe").parent_path() / "workshop";
  return ::setenv("WORKSHOP_PROGRAM", runner.c_str(), 1) == 0;
}();

/// $container is as level 1 leaves one. `container UUID` makes another.
const std::string kPrelude = R"sh(set -e
  uuid=11111111-2222-3333-4444-555555555555
  store=/tmp/store
  container=$store/containers/$uuid
  make_container() {
    mkdir -p $container/rootfs/proc $container/rootfs/sys $container/rootfs/dev $container/rootfs/etc $store/images
    echo '{}' > $store/workshop-store.json
    echo kept > $container/rootfs/etc/file
  }
  mount_as_level_1_does() {
    mount -t proc proc $container/rootfs/proc
    mount -t tmpfs tmpfs $container/rootfs/dev
  }
  is_mounted() { grep -q " $1 " /proc/self/mountinfo; }
  # What the machine's own store has is not ours to clean.
  awk '$2 ~ "^/var/lib/workshop/" { print $2 }' /proc/mounts | xargs -r umount -l
  if [ -d /var/lib/workshop ]; then mount -t tmpfs none /var/lib/workshop; fi
  make_container
)sh";

Run shell(const Sandbox& host, const std::string& script) {
  return host.shell(kPrelude + script);
}

}  // namespace

TEST_CASE("mounts and folder of a container that has ended are removed, and nothing else") {
  WORKSHOP_SANDBOX(host, As::root);
  const Run run = shell(host, R"sh(
    mount_as_level_1_does
    touch $store/images/image $store/containers/not-a-container
    is_mounted $container/rootfs/proc && echo control: mounted
    workshop cleanup
    ! is_mounted $container/rootfs/proc && ! is_mounted $container/rootfs/dev
    test ! -e $container && test -e $store/images/image && test -e $store/containers/not-a-container
    workshop cleanup
  )sh");
  WORKSHOP_EXPECT(run, run.status == 0, "is everything of the container gone, and nothing else?");
  WORKSHOP_EXPECT(run, contains(run.out, "control: mounted"), "the control: the mounts were there");
  WORKSHOP_EXPECT(run, contains(run.out, "Nothing to clean up"), "the second call finds nothing");
}

TEST_CASE("--dry-run says what it would do and does nothing") {
  WORKSHOP_SANDBOX(host, As::root);
  const Run run = shell(host, R"sh(
    mount_as_level_1_does
    workshop cleanup --dry-run
    is_mounted $container/rootfs/proc && is_mounted $container/rootfs/dev && test -e $container/rootfs/etc/file
  )sh");
  WORKSHOP_EXPECT(run, run.status == 0, "are the mounts and files still there?");
  WORKSHOP_EXPECT(run, contains(run.out, "would have unmounted /tmp/store/containers/1"),
                  "what it would do is said");
}

TEST_CASE("mounts on top of each other and with spaces in their path are unmounted") {
  WORKSHOP_SANDBOX(host, As::root);
  const Run run = shell(host, R"sh(
    store="/tmp/a store"; container="$store/containers/$uuid"
    mkdir -p "$container/rootfs/proc"
    echo '{}' > "$store/workshop-store.json"
    mount -t proc proc "$container/rootfs/proc"
    mount -t proc proc "$container/rootfs/proc"
    workshop cleanup
    test ! -e "$container"
  )sh");
  WORKSHOP_EXPECT(run, run.status == 0, "the store was to be found by its mounts alone");
}

TEST_CASE("a precious folder bound below a container's root keeps its files, and its mount") {
  WORKSHOP_SANDBOX(host, As::root);
  for (const std::string target : {"rootfs/dev", "rootfs/etc", "rootfs", "."}) {
    INFO("bound on " << target);
    const Run run = shell(host, "target=$container/" + target + R"sh(
      mkdir -p /tmp/precious && touch /tmp/precious/a /tmp/precious/b
      mount --bind /tmp/precious $target
      if workshop cleanup; then exit 3; fi
      test "$(ls /tmp/precious | wc -l)" = 2
      test "$(ls $target | wc -l)" = 2
      umount $target
    )sh");
    WORKSHOP_EXPECT(run, run.status == 0,
                    "the folder's files should be there, the mount too, and the status 1");
    WORKSHOP_EXPECT(run, contains(run.out, "left alone"), "why it was left alone should be said");
  }
}

TEST_CASE("a file system that no level mounts there is left alone, and the rest of that container with it") {
  WORKSHOP_SANDBOX(host, As::root);
  const Run run = shell(host, R"sh(
    mount_as_level_1_does
    mount -t tmpfs tmpfs $container/rootfs/etc
    if workshop cleanup; then exit 3; fi
    is_mounted $container/rootfs/etc && is_mounted $container/rootfs/proc
  )sh");
  WORKSHOP_EXPECT(run, run.status == 0, "nothing of that container should have been touched");
  WORKSHOP_EXPECT(run, contains(run.out, "umount '/tmp/store/containers/"), "it should say what can be done");
}

TEST_CASE("a container that runs is left alone, and removed when it has ended") {
  WORKSHOP_SANDBOX(host, As::root);
  const Run run = shell(host, R"sh(
    mount_as_level_1_does
    cp "$(command -v busybox)" $container/rootfs/busybox
    chroot $container/rootfs /busybox sleep 1000 &
    while [ "$(readlink /proc/$!/root)" = / ]; do :; done
    workshop cleanup
    is_mounted $container/rootfs/proc && test -e $container/rootfs/etc/file
    kill $!; wait $! || true
    workshop cleanup
    test ! -e $container
  )sh");
  WORKSHOP_EXPECT(run, run.status == 0, "while it runs everything should stay; afterwards nothing");
  WORKSHOP_EXPECT(run, contains(run.out, "(busybox) uses it"), "who uses it should be said");
}

TEST_CASE("a container that a level is making is left alone, before anything shows whose it is") {
  WORKSHOP_SANDBOX(host, As::root);
  const Run run = shell(host, R"sh(
    rm -rf $container
    # A process called level01 that only sleeps: the kernel names it by its file.
    ln -s "$(command -v sleep)" level01
    ./level01 1000 &
    while [ "$(cat /proc/$!/comm)" != level01 ]; do :; done
    make_container
    workshop cleanup
    test -e $container/rootfs/etc/file
    kill $!; wait $! || true
    workshop cleanup
    test ! -e $container
  )sh");
  WORKSHOP_EXPECT(run, run.status == 0,
                  "it is younger than a level's program that runs, which may be making it");
}

TEST_CASE("a symbolic link in place of a container, or of the folder of containers, leads nowhere") {
  WORKSHOP_SANDBOX(host, As::root);
  const Run run = shell(host, R"sh(
    mkdir -p /tmp/precious/rootfs/proc && touch /tmp/precious/file
    mount -t proc proc /tmp/precious/rootfs/proc
    rm -rf $container && ln -s /tmp/precious $container
    workshop cleanup || true
    test -e /tmp/precious/file && is_mounted /tmp/precious/rootfs/proc
    mkdir -p /tmp/elsewhere/$uuid && touch /tmp/elsewhere/$uuid/file
    rm $container && rmdir $store/containers && ln -s /tmp/elsewhere $store/containers
    workshop cleanup || true
    test -e /tmp/elsewhere/$uuid/file
  )sh");
  WORKSHOP_EXPECT(run, run.status == 0, "what the links lead to should be untouched");
}

TEST_CASE("a folder without the store's marker is nobody's store") {
  WORKSHOP_SANDBOX(host, As::root);
  const Run run = shell(host, R"sh(
    mount_as_level_1_does
    rm $store/workshop-store.json
    if workshop cleanup; then exit 2; fi
    is_mounted $container/rootfs/proc && test -e $container/rootfs/etc/file
    if workshop cleanup $store; then exit 3; fi
  )sh");
  WORKSHOP_EXPECT(run, contains(run.out, "sudo umount '") && contains(run.out, "/rootfs/proc'"),
                  "what to do with the mounts should be said");
  WORKSHOP_EXPECT(run, run.status == 0, "nothing should have been touched");
  WORKSHOP_EXPECT(run, contains(run.err, "is not an image store"), "asked for by name, it should be refused");
}

TEST_CASE("a store on a file system of its own is cleaned like any other") {
  WORKSHOP_SANDBOX(host, As::root);
  const Run run = shell(host, R"sh(
    rm -rf $store/*
    mount -t tmpfs tmpfs $store
    make_container
    mount_as_level_1_does
    workshop cleanup
    test ! -e $container && is_mounted $store
  )sh");
  WORKSHOP_EXPECT(run, run.status == 0, "the container should be gone, the store's own mount not");
}

TEST_CASE("what another process still has open makes the container stay, and the rest is cleaned") {
  WORKSHOP_SANDBOX(host, As::root);
  const Run run = shell(host, R"sh(
    mount_as_level_1_does
    sleep 1000 < $container/rootfs/etc/file &
    other=$store/containers/66666666-2222-3333-4444-555555555555
    mkdir -p $other/rootfs
    workshop cleanup
    test -e $container/rootfs/etc/file && is_mounted $container/rootfs/proc && test ! -e $other
    kill $!
  )sh");
  WORKSHOP_EXPECT(run, run.status == 0, "the one in use should stay, the other not");
}

TEST_CASE("killed half-way among many containers and run again, it finishes") {
  WORKSHOP_SANDBOX(host, As::root);
  const Run run = shell(host, R"sh(
    many=0
    while [ $many -lt 60 ]; do
      container=$store/containers/11111111-2222-3333-4444-$((many + 100000000000))
      make_container
      mount_as_level_1_does
      many=$((many + 1))
    done
    all=$(ls $store/containers | wc -l)
    workshop cleanup > /dev/null &
    # Counted by the shell itself: a program started for it would come too late.
    while set -- $store/containers/*; [ $# -eq $all ]; do :; done
    kill -KILL $!
    status=0; wait $! || status=$?
    test $status = 137
    test "$(ls $store/containers | wc -l)" -gt 0 && echo control: some are left
    workshop cleanup
    test "$(ls $store/containers | wc -l)" = 0
    ! is_mounted "$store/.*"
  )sh");
  WORKSHOP_EXPECT(run, run.status == 0, "the second call should remove what the first did not get to");
  WORKSHOP_EXPECT(run, contains(run.out, "control: some are left"), "the control: the first did not finish");
}
