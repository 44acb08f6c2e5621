# config.json of an OCI bundle (runtime-spec, config.md, config-linux.md), with the mounts of level 5
# (solutions/level05.cpp) and its ids: $maps has lines as `level05 maps` prints them, "uid INSIDE OUTSIDE COUNT".

def ids($kind): $maps | split("\n") | map(split(" ") | select(.[0] == $kind) | .[1:] | map(tonumber)
  | {containerID: .[0], hostID: .[1], size: .[2]});

def bind($options): {destination: ., type: "bind", source: ., options: $options};

{
  ociVersion: "1.0.2",
  root: {path: $root},
  process: {user: {uid: 0, gid: 0}, cwd: "/", args: ["/bin/true"], env: ["PATH=/bin"]},
  mounts: [
    {destination: "/proc", type: "proc", source: "proc", options: ["nosuid", "nodev", "noexec"]},
    (("/dev/null", "/dev/full", "/dev/random", "/dev/urandom", "/dev/zero", "/dev/tty") | bind(["bind"])),
    {destination: "/dev/pts", type: "devpts", source: "devpts",
      options: ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"]},
    ("/sys" | bind(["rbind"])),
    ("/etc/resolv.conf" | bind(["bind", "ro"]))
  ],
  linux: {
    namespaces: [("user", "mount", "pid", "uts") | {type: .}],
    uidMappings: ids("uid"),
    gidMappings: ids("gid")
  }
}
