#pragma once

#include <string>

namespace workshop {

/// Where an entry of a layer goes: `name` in `directory`, as in {"usr/bin", "env"}. Both are relative to the
/// root file system, without "." and "..". The root directory itself is {"", ""}.
struct EntryName {
  std::string directory;
  std::string name;

  /// From what the archive says ("./usr/bin/env", "/usr//bin/env", "usr/lib/../bin/env"). Throws
  /// std::runtime_error for a name that leads out of the root file system, or that the kernel would find too
  /// long.
  static EntryName parse(const std::string& name);

  /// Splits a path that is in that form already.
  static EntryName split(const std::string& path);

  std::string path() const { return directory.empty() ? name : directory + "/" + name; }

  friend bool operator==(const EntryName&, const EntryName&) = default;
};

/// What the name of an entry asks for (OCI image specification, layer.md, "Whiteouts").
enum class EntryKind {
  file,             ///< make what the entry describes
  whiteout,         ///< hide a lower layer's entry of that name
  opaque_whiteout,  ///< hide all that lower layers have in that directory
  aufs_metadata,    ///< left behind by Docker's first storage driver: nothing to do
};

/// Tells them apart and turns `name` into what it is about: {"a", ".wh.b"} into {"a", "b"}, {"a",
/// ".wh..wh..opq"} into
/// {"", "a"}. Throws std::runtime_error for a whiteout of nothing, of "." or of "..", and for one used as a
/// directory.
EntryKind parse_whiteout(EntryName& name);

}  // namespace workshop
