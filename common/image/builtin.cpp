#include "common/image/builtin.hpp"

#include <elf.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <nlohmann/json.hpp>
#include <sstream>

#include "common/image/blob_writer.hpp"
#include "common/image/tar_writer.hpp"
#include "common/sys/error.hpp"

namespace workshop {
namespace {

/// What is in the image beside busybox. Ids as Debian has them.
const TarEntry kContents[] = {
    TarEntry::folder("./"),
    TarEntry::folder("bin"),
    TarEntry::folder("dev"),
    TarEntry::folder("etc"),
    TarEntry::folder("home"),
    TarEntry::folder("mnt"),
    TarEntry::folder("proc"),
    TarEntry::folder("root", 0700),
    TarEntry::folder("run"),
    TarEntry::folder("sbin"),
    TarEntry::folder("sys"),
    TarEntry::folder("tmp", 01777),
    TarEntry::folder("usr"),
    TarEntry::folder("usr/bin"),
    TarEntry::folder("usr/sbin"),
    TarEntry::folder("var"),
    TarEntry::folder("var/log"),
    TarEntry::folder("var/spool"),
    TarEntry::folder("var/tmp", 01777),
    TarEntry::file("etc/passwd",
                   "root:x:0:0:root:/root:/bin/sh\n"
                   "nobody:x:65534:65534:nobody:/:/bin/false\n"),
    TarEntry::file("etc/group", "root:x:0:\ntty:x:5:\nshadow:x:42:\nusers:x:100:\nnogroup:x:65534:\n"),
    TarEntry::file("etc/shadow", "root:*:19000:0:99999:7:::\nnobody:*:19000:0:99999:7:::\n", 0640, 42),
    TarEntry::file("etc/hosts", "127.0.0.1\tlocalhost\n::1\tlocalhost\n"),
    TarEntry::file("etc/resolv.conf", ""),
    TarEntry::link("var/run", "../run"),
};

constexpr const char* kMissing =
    "the built-in image busybox is made from a statically linked busybox, which this machine does not have: "
    "install it "
    "with 'sudo apt-get install busybox-static'";

/// A static program has no program header of type PT_INTERP, which would name its loader (elf(5)).
bool is_static(const std::string& program) {
  Elf64_Ehdr header{};
  if (program.size() < sizeof header) return false;
  std::memcpy(&header, program.data(), sizeof header);
  if (std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 || header.e_ident[EI_CLASS] != ELFCLASS64)
    return false;
  for (int i = 0; i < header.e_phnum; ++i) {
    Elf64_Phdr segment{};
    const std::size_t offset = header.e_phoff + i * header.e_phentsize;
    if (offset > program.size() || program.size() - offset < sizeof segment) return false;
    std::memcpy(&segment, program.data() + offset, sizeof segment);
    if (segment.p_type == PT_INTERP) return false;
  }
  return true;
}

struct Busybox {
  std::string path;
  std::string program;
};

Busybox find_busybox() {
  const char* path = std::getenv("PATH");
  std::istringstream folders(std::string(path ? path : "") + ":/bin:/usr/bin:/sbin:/usr/sbin");
  for (std::string folder; std::getline(folders, folder, ':');) {
    const std::string candidate = folder + "/busybox";
    if (folder.empty() || ::access(candidate.c_str(), R_OK | X_OK) == -1) continue;
    std::string program = read_document(file_source(candidate));
    if (is_static(program)) return {candidate, std::move(program)};
  }
  throw std::runtime_error(kMissing);
}

/// The commands it can be called as, with their places: "usr/bin/env".
std::vector<std::string> applets_of(const Busybox& busybox) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> output(
      ::popen(fmt::format("'{}' --list-full", busybox.path).c_str(), "re"), ::pclose);
  std::vector<std::string> applets;
  for (char line[256]; output && std::fgets(line, sizeof line, output.get());) {
    applets.push_back(std::string(line, std::strcspn(line, "\n")));
  }
  if (applets.empty())
    throw std::runtime_error(fmt::format("{} --list-full names no commands: {}", busybox.path, kMissing));
  return applets;
}

/// "bin/busybox" as seen from the folder of `applet`.
std::string busybox_from(const std::string& applet) {
  std::string target;
  for (const char c : applet) target += c == '/' ? "../" : "";
  return applet.rfind("bin/", 0) == 0 ? "busybox" : target + "bin/busybox";
}

/// The layer as an archive, and that is how it is kept: it is unpacked here and at once, and compressing it
/// would take longest of all.
std::string layer(const Busybox& busybox) {
  std::string archive;
  TarWriter tar([&](std::span<const std::byte> bytes) {
    archive.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  });
  for (const auto& entry : kContents) tar.add(entry);
  tar.add(TarEntry::file("bin/busybox", busybox.program, 0755));
  for (const auto& applet : applets_of(busybox)) {
    if (applet != "bin/busybox") tar.add(TarEntry::link(applet, busybox_from(applet)));
  }
  tar.finish();
  return archive;
}

std::string configuration(const Digest& diff_id) {
  const Platform platform = Platform::of_this_machine();
  return nlohmann::json{
      {"architecture", platform.architecture},
      {"os", platform.os},
      {"created", "1970-01-01T00:00:00Z"},
      {"config",
       {{"Cmd", {"sh"}}, {"Env", {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}}}},
      {"rootfs", {{"type", "layers"}, {"diff_ids", {diff_id.string()}}}},
      {"history",
       {{{"created", "1970-01-01T00:00:00Z"}, {"created_by", "the static busybox of this machine"}}}}}
      .dump();
}

}  // namespace

bool is_builtin(const ImageName& name) {
  return name == ImageName::parse("busybox");
}

StoredImage make_builtin(Store& store) {
  const Busybox busybox = find_busybox();
  const std::string archive = layer(busybox);
  const Manifest manifest{write_blob(store, configuration(digest_of(archive)), media_type::oci_config),
                          {write_blob(store, archive, media_type::oci_layer)}};
  StoredImage image{ImageName::parse("busybox"),
                    write_blob(store, manifest.text(), media_type::oci_manifest)};
  image.manifest.platform = Platform::of_this_machine();
  if (!store.add(image))
    throw std::runtime_error("another program removed parts of busybox meanwhile: try again");
  return image;
}

}  // namespace workshop
