#pragma once

#include <string>
#include <vector>

// What a level's program needs of images. The work itself is done by the `image` tool, which these functions
// run and which stands beside the program (as git runs git-remote-https): libcurl and libarchive take longer
// to load than a container takes to start. Where the tool fails it has told the user why, and AlreadyReported
// is thrown.

namespace workshop {

/// What an image says about the command to run in it (OCI image specification, config.md, "config").
struct ImageConfig {
  std::vector<std::string> entrypoint;  ///< the program and its first arguments; may be empty
  std::vector<std::string>
      command;  ///< "Cmd": arguments for the entrypoint, or the command where there is none
  std::vector<std::string> environment;  ///< "Env": NAME=VALUE
  std::string working_directory;         ///< "WorkingDir"; empty means "/"
};

/// The image store where no --store is given: $WORKSHOP_STORE, else /var/lib/workshop for root, else
/// $XDG_DATA_HOME/workshop, else ~/.local/share/workshop. Root of a user namespace is not root of the machine
/// (user_namespaces(7), /proc/self/uid_map): its store is the user's.
std::string default_store();

/// Fetches `image` from its registry into `store` and unpacks it to <store>/images/<name>/rootfs, with its
/// configuration in config.json beside it.
void pull(const std::string& image, const std::string& store);

/// Unpacks the layers of `image` into the directory `destination`, which is made if it is missing and refused
/// if it is not empty.
void extract(const std::string& image, const std::string& destination, const std::string& store);

/// <store>/images/<name>/rootfs, the one root file system of an image. Unpacked first if this has not been
/// done: the built-in image, an imported one, or one that under sudo only the calling user's store has.
std::string image_root(const std::string& image, const std::string& store);

/// The configuration of an image whose root file system is there (image_root), from its config.json.
ImageConfig image_config(const std::string& image, const std::string& store);

}  // namespace workshop
