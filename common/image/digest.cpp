#include "common/image/digest.hpp"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <new>

#include "common/sys/error.hpp"

namespace workshop {
namespace {

constexpr std::string_view kAlgorithm = "sha256:";
constexpr std::size_t kDigits = 64;

bool is_digit(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

}  // namespace

Digest Digest::parse(const std::string& text) {
  const bool valid = text.starts_with(kAlgorithm) && text.size() == kAlgorithm.size() + kDigits &&
                     std::all_of(text.begin() + kAlgorithm.size(), text.end(), is_digit);
  if (valid) return Digest(text);
  throw std::runtime_error(
      fmt::format("\"{}\" is not a digest: sha256: and {} lower-case hexadecimal digits", text, kDigits));
}

std::string Digest::hex() const {
  return text_.substr(kAlgorithm.size());
}

struct Hasher::Context {
  std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)> evp{::EVP_MD_CTX_new(), ::EVP_MD_CTX_free};
};

Hasher::Hasher() : context_(std::make_unique<Context>()) {
  if (!context_->evp) throw std::bad_alloc();
  if (::EVP_DigestInit_ex(context_->evp.get(), ::EVP_sha256(), nullptr) != 1) {
    throw std::runtime_error("libcrypto offers no SHA-256");
  }
}

Hasher::~Hasher() = default;
Hasher::Hasher(Hasher&&) noexcept = default;
Hasher& Hasher::operator=(Hasher&&) noexcept = default;

void Hasher::update(std::span<const std::byte> bytes) {
  if (::EVP_DigestUpdate(context_->evp.get(), bytes.data(), bytes.size()) != 1) {
    throw std::runtime_error("EVP_DigestUpdate failed");
  }
}

Digest Hasher::finish() {
  std::array<unsigned char, kDigits / 2> value{};
  if (::EVP_DigestFinal_ex(context_->evp.get(), value.data(), nullptr) != 1) {
    throw std::runtime_error("EVP_DigestFinal_ex failed");
  }
  std::string text(kAlgorithm);
  for (const auto byte : value) text += fmt::format("{:02x}", byte);
  return Digest::parse(text);
}

}  // namespace workshop
