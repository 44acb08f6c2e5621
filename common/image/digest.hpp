#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>

namespace workshop {

/// The name of a blob by its content, "sha256:" and 64 lower-case hexadecimal digits (OCI image
/// specification, descriptor.md, "Digests"). Being used in paths and URLs, it is checked once, when it is
/// made.
class Digest {
 public:
  /// Throws std::runtime_error, which quotes the text, for anything else. Algorithms other than sha256 are
  /// refused: no registry uses them.
  static Digest parse(const std::string& text);

  const std::string& string() const { return text_; }  ///< "sha256:0123…"
  std::string hex() const;                             ///< the 64 digits alone

  friend bool operator==(const Digest&, const Digest&) = default;
  friend auto operator<=>(const Digest&, const Digest&) = default;

 private:
  explicit Digest(std::string text) : text_(std::move(text)) {}

  std::string text_;
};

/// Computes the Digest of bytes that come piece by piece.
class Hasher {
 public:
  Hasher();
  ~Hasher();
  Hasher(Hasher&&) noexcept;
  Hasher& operator=(Hasher&&) noexcept;

  void update(std::span<const std::byte> bytes);

  /// The digest of everything so far. Once: the Hasher is used up.
  Digest finish();

 private:
  struct Context;
  std::unique_ptr<Context> context_;
};

}  // namespace workshop
