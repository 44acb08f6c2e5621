#pragma once

#include <string>

namespace workshop {

class Progress;

/// The one whose lines are on the terminal now, or null.
void set_progress(Progress* progress);

/// From here on say() is silent (-q).
void be_quiet();
bool is_quiet();

/// Tells the user how things go, on standard error, where it does not get into data.
void say(const std::string& message);

/// "31.4 MB"; units of 1000, as disks and networks are sold.
std::string human_size(unsigned long long bytes);

}  // namespace workshop
