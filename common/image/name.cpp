#include "common/image/name.hpp"

#include <limits.h>

#include <algorithm>
#include <stdexcept>

namespace workshop {
namespace {

constexpr std::string_view kDefaultRegistry = "docker.io";
constexpr std::string_view kOfficial = "library/";
constexpr std::string_view kDefaultTag = "latest";

// Not isalnum(3) and its like: those depend on the locale.
bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_lower(char c) {
  return c >= 'a' && c <= 'z';
}
bool is_upper(char c) {
  return c >= 'A' && c <= 'Z';
}
bool is_letter(char c) {
  return is_lower(c) || is_upper(c);
}
bool is_hexadecimal(char c) {
  return is_digit(c) || (c >= 'a' && c <= 'f');
}

bool all_of(std::string_view text, bool (*is)(char)) {
  return !text.empty() && std::all_of(text.begin(), text.end(), is);
}

bool is_domain_character(char c) {
  return is_letter(c) || is_digit(c) || c == '.' || c == '-';
}
bool is_address_character(char c) {
  return is_hexadecimal(c) || (c >= 'A' && c <= 'F') || c == ':' || c == '.';
}
bool is_tag_character(char c) {
  return is_letter(c) || is_digit(c) || c == '_' || c == '.' || c == '-';
}

bool is_registry(std::string_view text) {
  std::string_view host = text;
  std::string_view port;
  const auto colon = text.rfind(':');
  const bool in_brackets = !text.empty() && text.back() == ']';
  if (colon != std::string_view::npos && !in_brackets) {
    host = text.substr(0, colon);
    port = text.substr(colon + 1);
    if (!all_of(port, is_digit) || port.size() > 5) return false;
  }
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    return all_of(host.substr(1, host.size() - 2), is_address_character);
  }
  return all_of(host, is_domain_character) && host.front() != '-' && host.front() != '.' &&
         host.back() != '-' && host.back() != '.' && host.find("..") == std::string_view::npos;
}

/// Whether what stands before the first "/" is a registry and not the beginning of a path: Docker's rule.
bool looks_like_registry(std::string_view text) {
  return text == "localhost" || text.find_first_of(".:[") != std::string_view::npos ||
         std::any_of(text.begin(), text.end(), is_upper);
}

/// One part of a path: lower-case letters and digits, between them single ".", "_", "__" or any number of
/// "-".
bool is_path_component(std::string_view text) {
  const auto is_alphanumeric = [](char c) { return is_lower(c) || is_digit(c); };
  if (text.empty() || !is_alphanumeric(text.front()) || !is_alphanumeric(text.back())) return false;
  for (std::size_t i = 0; i < text.size();) {
    if (is_alphanumeric(text[i])) {
      ++i;
      continue;
    }
    const auto end = std::find_if(text.begin() + i, text.end(), is_alphanumeric) - text.begin();
    const std::string_view separator = text.substr(i, end - i);
    if (separator != "." && separator != "_" && separator != "__" &&
        separator.find_first_not_of('-') != std::string_view::npos) {
      return false;
    }
    i = end;
  }
  return true;
}

bool is_path(std::string_view text) {
  for (;;) {
    const auto slash = text.find('/');
    if (!is_path_component(text.substr(0, slash))) return false;
    if (slash == std::string_view::npos) return true;
    text.remove_prefix(slash + 1);
  }
}

bool is_tag(std::string_view text) {
  return all_of(text, is_tag_character) && text.size() <= 128 && text.front() != '.' && text.front() != '-';
}

bool is_digest(std::string_view text) {
  constexpr std::string_view algorithm = "sha256:";
  return text.substr(0, algorithm.size()) == algorithm && text.size() == algorithm.size() + 64 &&
         all_of(text.substr(algorithm.size()), is_hexadecimal);
}

[[noreturn]] void refuse(std::string_view text, const std::string& reason) {
  throw std::runtime_error("invalid image name \"" + std::string(text) + "\": " + reason);
}

std::string join(const ImageName& name, const std::string& tag) {
  std::string text = name.registry + "/" + name.repository;
  if (!tag.empty()) text += ":" + tag;
  if (!name.digest.empty()) text += "@" + name.digest;
  return text;
}

std::string in_store(const ImageName& name, const std::string& store, const char* file) {
  return store + "/images/" + name.directory() + "/" + file;
}

}  // namespace

ImageName ImageName::parse(std::string_view text) {
  if (text.empty()) refuse(text, "it is empty");
  ImageName name;
  std::string_view rest = text;
  if (const auto at = rest.find('@'); at != std::string_view::npos) {
    name.digest = rest.substr(at + 1);
    rest = rest.substr(0, at);
    if (!is_digest(name.digest)) refuse(text, "after \"@\" there must be sha256: and 64 hexadecimal digits");
  }
  const auto slash = rest.find('/');
  if (slash != std::string_view::npos && looks_like_registry(rest.substr(0, slash))) {
    name.registry = rest.substr(0, slash);
    rest = rest.substr(slash + 1);
    if (!is_registry(name.registry))
      refuse(text, "\"" + name.registry + "\" is not a host name with an optional port");
  }
  if (const auto colon = rest.find(':'); colon != std::string_view::npos) {
    name.tag = rest.substr(colon + 1);
    rest = rest.substr(0, colon);
    if (!is_tag(name.tag)) {
      refuse(text, "after \":\" there must be a tag of at most 128 letters, digits, \"_\", \".\" and \"-\"");
    }
  }
  name.repository = rest;
  if (!is_path(name.repository)) {
    refuse(text,
           "between slashes there must be lower-case letters and digits, as in debian:12 or "
           "example.org/team/app");
  }
  if (name.registry.empty() || name.registry == "index.docker.io") name.registry = kDefaultRegistry;
  if (name.registry == kDefaultRegistry && name.repository.find('/') == std::string::npos) {
    name.repository.insert(0, kOfficial);
  }
  if (name.tag.empty() && name.digest.empty()) name.tag = kDefaultTag;
  if (name.familiar().size() > NAME_MAX)
    refuse(text, "it is longer than 255 characters, too long for a folder's name");
  return name;
}

std::string ImageName::canonical() const {
  return join(*this, tag);
}

std::string ImageName::familiar() const {
  std::string text = join(*this, tag == kDefaultTag && digest.empty() ? "" : tag);
  // "docker.io/a.b/c" stays in full: "a.b/c" would be an image of the registry a.b.
  if (registry != kDefaultRegistry || looks_like_registry(repository.substr(0, repository.find('/'))))
    return text;
  text.erase(0, kDefaultRegistry.size() + 1);
  const bool is_official = text.compare(0, kOfficial.size(), kOfficial) == 0 &&
                           repository.find('/', kOfficial.size()) == std::string::npos;
  if (is_official) text.erase(0, kOfficial.size());
  return text;
}

std::string ImageName::directory() const {
  std::string text = familiar();
  std::replace(text.begin(), text.end(), '/', '+');
  return text;
}

std::string rootfs_of(const ImageName& name, const std::string& store) {
  return in_store(name, store, "rootfs");
}

std::string config_of(const ImageName& name, const std::string& store) {
  return in_store(name, store, "config.json");
}

}  // namespace workshop
