#pragma once

#include <functional>
#include <optional>
#include <string>

#include "common/runner/attempt.hpp"
#include "common/runner/needs.hpp"

// What the table of needs (needs.cpp) is made of.

namespace workshop {

inline constexpr const char* kVirtualMachine = "vagrant up && vagrant ssh   (README.md: a virtual machine)";
inline constexpr const char* kPrivileged = "start that container with --privileged (docker run, podman run)";

Answer failed(const std::string& problem, const std::string& mend);

/// The value of a line "NAME:\tVALUE" of /proc/self/status (proc_pid_status(5)); "" where there is none.
std::string own_status(const std::string& name);
bool has_proc();

/// The first known cause of a refusal, and what mends it.
Answer explain(const Failure& failure);

/// Tries it in a child process, as `user` if one is given.
Answer tried(const std::function<void()>& function, const std::optional<User>& user = {});

// Parts of attempts, for a child process with a mount namespace of its own. They throw std::system_error.
void make_mounts_private();
/// On /tmp, which every machine has.
void mount_scratch();
void mount_proc();
/// Runs `function` as the first process of the PID namespace that unshare(2) has prepared.
void as_first_process(const std::function<void()>& function);

// needs_machine.cpp: of all levels.
Answer kernel(const Machine& machine);
Answer proc(const Machine& machine);
Answer static_busybox(const Machine& machine);
Answer memory(const Machine& machine);
Answer build_space(const Machine& machine);
Answer root_store(const Machine& machine);
Answer user_store(const Machine& machine);

// needs_root.cpp: of levels 1 and 2.
Answer root_access(const Machine& machine);
Answer root_mounts(const Machine& machine);
Answer root_devices(const Machine& machine);
Answer root_proc(const Machine& machine);

// needs_user.cpp: of levels 3 to 5.
Answer user_namespace(const Machine& machine);
Answer own_id_map(const Machine& machine);
Answer user_mounts(const Machine& machine);
Answer user_proc(const Machine& machine);
Answer mappers(const Machine& machine);
Answer subordinate_ids(const Machine& machine);

}  // namespace workshop
