#pragma once

#include <memory>
#include <span>

#include "common/image/byte_source.hpp"
#include "common/image/digest.hpp"

namespace workshop {

/// A compressed layer being unpacked: one thread reads and inflates, a second computes the digest where it is
/// wanted, both some blocks ahead of the caller, who writes. Memory is that of the blocks, 2 MiB.
class Unpacking {
 public:
  enum class Hash { yes, no };
  Unpacking(const ByteSource& compressed, Hash hash);
  /// Ends the threads; waits for a call of `compressed` that is under way.
  ~Unpacking();
  Unpacking(const Unpacking&) = delete;
  Unpacking& operator=(const Unpacking&) = delete;

  /// The next unpacked bytes, valid until the following call; none at the end. Throws what reading, inflating
  /// or hashing threw.
  std::span<const std::byte> next();

  /// The digest of all unpacked bytes, once next() has returned none. With Hash::yes.
  const Digest& digest() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace workshop
