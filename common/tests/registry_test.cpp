// `image pull` from a real registry.

#include <fmt/core.h>

#include <filesystem>
#include <fstream>
#include <optional>

#include "common/image/http.hpp"
#include "common/testing/catch.hpp"
#include "common/testing/skip.hpp"
#include "common/tests/registry_server.hpp"
#include "common/tests/shell.hpp"

using namespace workshop::testing;

namespace {

/// Skips where there is no registry; otherwise a registry with busybox in it as library/busybox.
#define REGISTRY(server, scratch)                                               \
  if (const auto why = no_registry_because(); !why.empty()) WORKSHOP_SKIP(why); \
  const Scratch scratch;                                                        \
  const RegistryServer server;                                                  \
  WORKSHOP_RUN(scratch, "image unpack busybox --store source");                 \
  server.push(scratch, "oci:source:busybox", "library/busybox")

/// What skopeo says of the busybox there; `format` is a Go template.
std::string inspect(const Scratch& scratch, const RegistryServer& server, const std::string& format) {
  const auto outcome = run(scratch, "skopeo inspect --tls-verify=false --format '" + format + "' docker://" +
                                        server.address() + "/library/busybox");
  INFO(outcome);
  REQUIRE(outcome.status == 0);
  return outcome.out.substr(0, outcome.out.find('\n'));
}

/// The digest of its layer, which skopeo has compressed.
std::string layer_of(const Scratch& scratch, const RegistryServer& server) {
  return inspect(scratch, server, "{{index .Layers 0}}");
}

/// The configuration that README.md hands to instructors, for an upstream and a place of the test's own.
std::string room_mirror_of(const std::string& upstream) {
  const std::string file = read_file(WORKSHOP_SOURCE "/common/setup/mirror.yml");
  const std::string here =
      substituted(substituted(file, ":5000", "ADDRESS"), "/var/tmp/workshop-mirror", "DATA");
  return substituted(here, "https://registry-1.docker.io", upstream);
}

}  // namespace

TEST_CASE("a pulled image is unpacked and listed, and a second pull finds it up to date") {
  REGISTRY(server, scratch);
  const std::string name = server.address() + "/library/busybox";
  WORKSHOP_RUN(scratch, "image pull " + name + " && image extract " + name + " tree && image verify");
  CHECK(difference(snapshot(scratch / "source/images/busybox/rootfs"), snapshot(scratch / "tree")) == "");
  std::string folder = name;
  std::replace(folder.begin(), folder.end(), '/', '+');
  CHECK(difference(snapshot(scratch / "tree"), snapshot(scratch / ("store/images/" + folder + "/rootfs"))) ==
        "");
  CHECK(run(scratch, "image list -q").out == name + "\n");
  const auto again = run(scratch, "image pull " + name);
  CHECK(again.status == 0);
  CHECK(contains(again.err, "up to date"));
  CHECK(again.out.empty());
  CHECK(run(scratch, "image pull -q " + name).err.empty());
}

TEST_CASE("a real Debian image gives the same tree from a registry and from every archive") {
  if (const auto why = no_registry_because(); !why.empty()) WORKSHOP_SKIP(why);
  if (::geteuid() != 0) WORKSHOP_SKIP("owners can be compared as root only");
  std::string why;
  const std::string archive = debian_archive(why);
  if (archive.empty()) WORKSHOP_SKIP(why);
  const Scratch scratch;
  const RegistryServer server;
  WORKSHOP_RUN(scratch, "image import debian '" + archive + "' --store source && mkdir tar && tar -xpf '" +
                            archive + "' -C tar --numeric-owner --xattrs --xattrs-include='*'");
  const auto expected = snapshot(scratch / "tar");
  REQUIRE(expected.size() > 5000);
  server.push(scratch, "oci:source:debian", "library/debian:12");
  const std::string name = server.address() + "/library/debian:12";
  WORKSHOP_RUN(scratch, "image pull " + name +
                            " && mv store/images/*debian:12/rootfs pulled && "
                            "cp pulled/etc/debian_version . && chroot pulled dpkg -l > packages");
  CHECK(difference(expected, snapshot(scratch / "pulled")) == "");
  for (const std::string kind :
       {"docker-archive:file:debian", "oci-archive:file:debian", "oci:file:debian"}) {
    CAPTURE(kind);
    WORKSHOP_RUN(scratch, "rm -rf file; skopeo --insecure-policy copy -q --src-tls-verify=false docker://" +
                              name + " " + kind +
                              " && image import it file --store other && image unpack it --store other");
    CHECK(difference(expected, snapshot(scratch / "other/images/it/rootfs")) == "");
    WORKSHOP_RUN(scratch, "image rm it --store other");
  }
}

TEST_CASE("a registry that is not there, an image it does not have: one line, and no store is made") {
  REGISTRY(server, scratch);
  WORKSHOP_REFUSED(scratch, "image pull 127.0.0.1:1/x", "cannot reach the registry 127.0.0.1:1");
  WORKSHOP_REFUSED(scratch, "image pull " + server.address() + "/library/nothing",
                   "check the name and the tag");
  WORKSHOP_REFUSED(scratch, "image pull " + server.address() + "/library/busybox:9",
                   "check the name and the tag");
  WORKSHOP_RUN(scratch, "test ! -e store");
}

TEST_CASE("a blob with the wrong digest is refused, and the store stays as it was") {
  REGISTRY(server, scratch);
  const std::string name = server.address() + "/library/busybox";
  server.damage(layer_of(scratch, server));
  WORKSHOP_REFUSED(scratch, "image pull -q " + name, "wrong digest");
  WORKSHOP_RUN(scratch,
               "test -z \"$(image list -q)\" -a -z \"$(ls -A store/images)\" -a -z \"$(ls store/partial)\" "
               "-a -z \"$(ls store/blobs/sha256)\"");
  server.damage(layer_of(scratch, server));  // the same byte again: it is whole
  WORKSHOP_RUN(scratch, "image pull " + name + " && image verify");
}

TEST_CASE("a blob that is too short or too long is refused") {
  REGISTRY(server, scratch);
  const std::string file = server.blob(layer_of(scratch, server));
  const auto size = std::filesystem::file_size(file);
  for (const auto wrong : {size - 1000, size + 1000}) {
    CAPTURE(wrong);
    std::filesystem::resize_file(file, wrong);
    WORKSHOP_REFUSED(scratch, "image pull -q " + server.address() + "/library/busybox", "");
    WORKSHOP_RUN(scratch, "test -z \"$(image list -q)\" -a -z \"$(ls store/partial)\"");
  }
}

TEST_CASE("a manifest is what its digest says") {
  REGISTRY(server, scratch);
  const std::string digest = inspect(scratch, server, "{{.Digest}}");
  const std::string repository = server.address() + "/library/busybox@";
  WORKSHOP_RUN(scratch,
               "image pull " + repository + digest + " && image extract " + repository + digest + " tree");
  WORKSHOP_REFUSED(scratch, "image pull " + repository + "sha256:" + std::string(64, '0'),
                   "check the name and the tag");
}

TEST_CASE("what came before the connection broke is not fetched again") {
  REGISTRY(server, scratch);
  const std::string hex = layer_of(scratch, server).substr(7);
  const std::string name = server.address() + "/library/busybox";
  const std::string file = server.blob("sha256:" + hex);
  WORKSHOP_RUN(scratch, "image extract busybox x -q && image rm -q busybox && head -c 500000 '" + file +
                            "' > store/partial/" + hex);
  // From now on the registry has the rest only: its first bytes are damaged, and nobody may notice.
  WORKSHOP_RUN(scratch, "printf X | dd of='" + file +
                            "' bs=1 seek=100 conv=notrunc status=none; image pull " + name +
                            " && image verify");
  // Control: without the kept part, it is noticed.
  WORKSHOP_REFUSED(scratch, "image pull -q " + name + " --store fresh", "wrong digest");
}

TEST_CASE("a kept part that was wrong does no harm") {
  REGISTRY(server, scratch);
  const std::string hex = layer_of(scratch, server).substr(7);
  WORKSHOP_RUN(
      scratch,
      "image extract busybox x -q && image rm -q busybox && head -c 500000 /dev/zero > store/partial/" + hex +
          " && image pull " + server.address() + "/library/busybox && image verify");
}

TEST_CASE("pulls at the same time do not disturb each other") {
  REGISTRY(server, scratch);
  server.push(scratch, "oci:source:busybox", "team/other");
  const std::string a = server.address() + "/library/busybox";
  const std::string b = server.address() + "/team/other";
  WORKSHOP_RUN(
      scratch,
      "pids=; for n in " + a + " " + b + " " + a + " " + b +
          "; do image pull -q $n & pids=\"$pids $!\"; done; for p in $pids; do wait $p || exit 1; done\n"
          "image verify && test \"$(ls store/blobs/sha256 | wc -l)\" = 3 -a -z \"$(ls store/partial)\"");
  CHECK(run(scratch, "image list -q").out == a + "\n" + b + "\n");
}

TEST_CASE("who waits for a blob that another program fetches says for which one, and can be interrupted") {
  REGISTRY(server, scratch);
  const auto outcome = run(
      scratch,
      "image extract busybox tree && image rm -q busybox; mkfifo ready\n"
      "flock store/partial/" +
          layer_of(scratch, server).substr(7) +
          " sh -c 'echo > ready; exec sleep 60' & holder=$!; read x < ready\n"
          "image pull " +
          server.address() +
          "/library/busybox 2> message & pid=$!\n"
          "until grep -q \"waiting for process $holder (flock)\" message; do kill -0 $pid || exit 1; done\n"
          "kill -TERM $pid; wait $pid; echo $?; kill $holder; ls store/images");
  INFO(outcome);
  CHECK(outcome.out == "143\n");
}

TEST_CASE("what was asked for with https is not fetched without, not even from this machine") {
  REGISTRY(server, scratch);
  if (::geteuid() != 0) WORKSHOP_SKIP("trusting a certificate of the test's own takes root");
  const std::string there = "http://" + server.address() + "/v2/library/busybox/manifests/latest";
  const auto answer = [](const std::string& status, const std::string& location, const std::string& body) {
    return fmt::format("HTTP/1.1 {}\r\nLocation: {}\r\n\r\n{}", status, location, body);
  };
  std::ofstream(scratch.directory("documents") + "/plain") << answer("307 Away", there, "");
  std::ofstream(scratch / "documents/encrypted") << answer("307 Away", "/moved", "");
  std::ofstream(scratch / "moved") << answer("404 None", "", R"({"errors": [{"message": "seen by https"}]})");
  // A mirror of Docker Hub with TLS, which serves files that are whole answers (openssl-s_server(1), -HTTP).
  const auto outcome =
      run(scratch,
          "mkdir -p v2/library/busybox; mv documents v2/library/busybox/manifests\n"
          "openssl req -x509 -newkey rsa:2048 -nodes -keyout key -out certificate -subj /CN=here -days 2 "
          "-addext subjectAltName=IP:127.0.0.1 2> log || exit 1\n"
          "openssl s_server -HTTP -accept 127.0.0.1:0 -cert certificate -key key > log 2>&1 & tls=$!\n"
          "until grep -q ACCEPT log; do kill -0 $tls || exit 2; done\n"
          "export WORKSHOP_REGISTRY=https://127.0.0.1:$(sed -n 's/^ACCEPT.*://p' log) "
          "https_proxy=http://127.0.0.1:1\n"
          "for tag in plain encrypted; do unshare -m sh -c \"mount --bind certificate "
          "/etc/ssl/certs/ca-certificates.crt && exec image pull library/busybox:$tag\"; done; kill $tls");
  INFO(outcome);
  CHECK(contains(outcome.err, "refused to fetch " + there));
  CHECK(contains(outcome.err, "seen by https"));  // the control: what stays with https is followed
}

TEST_CASE("a registry that wants a password gets the one docker login keeps") {
  if (const auto why = no_registry_because(); !why.empty()) WORKSHOP_SKIP(why);
  const Scratch scratch;
  // learner, "open sesame": bcrypt, as docker-registry wants it.
  WORKSHOP_RUN(scratch,
               "printf '%s\\n' 'learner:$2y$04$GQFqnRNKDtCVsaLSMloqgeS7v/KcXZcOXdtCkbrKX4S9WlVIIDSbq' > "
               "htpasswd && image unpack busybox --store source");
  const RegistryServer server(plain_registry() +
                              "auth: {htpasswd: {realm: test, path: " + scratch / "htpasswd" + "}}\n");
  WORKSHOP_RUN(scratch,
               "skopeo --insecure-policy copy -q --dest-tls-verify=false --dest-creds 'learner:open sesame' "
               "oci:source:busybox docker://" +
                   server.address() + "/x");
  const std::string pull = "image pull " + server.address() + "/x";
  WORKSHOP_REFUSED(scratch, pull, "log in with 'docker login " + server.address() + "'");
  const auto login = [&](const std::string& password) {
    return "mkdir -p .docker; printf '{\"auths\": {\"" + server.address() +
           "\": {\"auth\": \"%s\"}}}' \"$(printf 'learner:" + password +
           "' | base64)\" > .docker/config.json; ";
  };
  WORKSHOP_REFUSED(scratch, login("wrong") + pull, "log in with 'docker login");
  WORKSHOP_RUN(scratch, login("open sesame") + pull + " && image extract " + server.address() + "/x tree");
  WORKSHOP_REFUSED(scratch, "echo nonsense > .docker/config.json; " + pull + " --store other",
                   "config.json makes no sense");
}

TEST_CASE("WORKSHOP_REGISTRY stands in for docker.io") {
  REGISTRY(server, scratch);
  WORKSHOP_RUN(scratch, "export WORKSHOP_REGISTRY=http://" + server.address() +
                            "; image pull busybox && test \"$(image list -q)\" = busybox && image verify");
}

TEST_CASE("the mirror for a room fetches an image once, and has it also when Docker Hub is out of reach") {
  if (const auto why = no_registry_because(); !why.empty()) WORKSHOP_SKIP(why);
  const Scratch scratch;
  WORKSHOP_RUN(scratch, "image unpack busybox --store source");
  std::optional<RegistryServer> hub(std::in_place);
  hub->push(scratch, "oci:source:busybox", "library/alpine");
  const RegistryServer mirror(room_mirror_of("http://" + hub->address()));
  const auto pull = [&](const std::string& tag, const std::string& store) {
    return fmt::format("WORKSHOP_REGISTRY=http://{} image pull alpine:{} --store {}", mirror.address(), tag,
                       store);
  };
  WORKSHOP_RUN(scratch, pull("latest", "first"));
  hub.reset();
  const auto second = run(
      scratch, pull("latest", "second") + " && image verify --store second && image list -q --store second");
  INFO(second);
  CHECK(second.status == 0);
  CHECK(second.out == "alpine\n");
  CHECK(difference(snapshot(scratch / "source/images/busybox/rootfs"),
                   snapshot(scratch / "second/images/alpine/rootfs")) == "");
  CHECK(contains(run(scratch, pull("3.18", "second")).err, "mirror"));  // the control: what it never had
}

TEST_CASE("an image for several platforms: this machine's is chosen, or the one asked for") {
  REGISTRY(server, scratch);
  // Two images that differ in their platform, and an index of both, as `docker buildx` pushes it.
  WORKSHOP_RUN(
      scratch,
      "cp -r source two && cd two && m=$(grep -o 'sha256:[0-9a-f]*' index.json | head -1 | cut -d: -f2)\n"
      "c=$(grep -o '\"config\":{[^}]*}' blobs/sha256/$m | grep -o 'sha256:[0-9a-f]*' | cut -d: -f2)\n"
      "sed 's/\"architecture\":\"[a-z0-9]*\"/\"architecture\":\"s390x\"/' blobs/sha256/$c > c2; "
      "c2=$(sha256sum c2 | cut -c1-64)\n"
      "sed \"s/$c/$c2/; s/\\\"size\\\":$(stat -c %s blobs/sha256/$c)/\\\"size\\\":$(stat -c %s c2)/\" "
      "blobs/sha256/$m > m2\n"
      "m2=$(sha256sum m2 | cut -c1-64); arch=$(grep -o '\"architecture\":\"[a-z0-9]*\"' blobs/sha256/$c | "
      "cut -d'\"' -f4)\n"
      "entry() { printf "
      "'{\"mediaType\":\"application/"
      "vnd.oci.image.manifest.v1+json\",\"digest\":\"sha256:%s\",\"size\":%s,\"platform\":{\"os\":\"linux\","
      "\"architecture\":\"%s\"}}' $1 $2 $3; }\n"
      "printf "
      "'{\"schemaVersion\":2,\"mediaType\":\"application/"
      "vnd.oci.image.index.v1+json\",\"manifests\":[%s,%s]}' \"$(entry $m2 $(stat -c %s m2) s390x)\" "
      "\"$(entry $m $(stat -c %s blobs/sha256/$m) $arch)\" > i\n"
      "i=$(sha256sum i | cut -c1-64); printf "
      "'{\"schemaVersion\":2,\"manifests\":[{\"mediaType\":\"application/"
      "vnd.oci.image.index.v1+json\",\"digest\":\"sha256:%s\",\"size\":%s,\"annotations\":{\"org."
      "opencontainers.image.ref.name\":\"multi\"}}]}' $i $(stat -c %s i) > index.json\n"
      "mv c2 blobs/sha256/$c2; mv m2 blobs/sha256/$m2; mv i blobs/sha256/$i");
  WORKSHOP_RUN(scratch,
               "skopeo --insecure-policy copy -q --all --dest-tls-verify=false oci:two:multi docker://" +
                   server.address() + "/multi");
  const std::string name = server.address() + "/multi";
  WORKSHOP_RUN(scratch, "image pull " + name +
                            " && ! grep -q s390x store/images/*multi/config.json && image pull " + name +
                            " --platform linux/s390x && grep -q s390x store/images/*multi/config.json");
  WORKSHOP_REFUSED(scratch, "image pull " + name + " --platform linux/mips",
                   "there is no image for linux/mips, only for linux/s390x, linux/");
  WORKSHOP_RUN(scratch,
               "image import here two && image import there two --platform linux/s390x && image list | grep "
               "there | grep -q s390x");
}

TEST_CASE("plain HTTP is for this machine only") {
  CHECK(workshop::is_loopback("127.0.0.1:5000"));
  CHECK(workshop::is_loopback("127.9.8.7"));
  CHECK(workshop::is_loopback("localhost:5000"));
  CHECK(workshop::is_loopback("[::1]:5000"));
  for (const char* host :
       {"127.0.0.1.example.org", "127.example.org:80", "localhost.example.org", "10.0.0.1:5000", "[::2]"}) {
    CAPTURE(host);
    CHECK_FALSE(workshop::is_loopback(host));
  }
  workshop::HttpClient http;
  CHECK(contains(error_of([&] { http.perform({"http://192.0.2.1:5000/v2/"}); }),
                 "plain HTTP is for registries on this machine only"));
}
