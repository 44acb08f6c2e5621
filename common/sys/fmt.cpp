// fmt, compiled here once and linked in. The distribution has it only as libfmt.so, which brings libstdc++.so
// along: together half a millisecond at every start, of the two that a container takes. Everybody else
// includes <fmt/core.h>, compiles in half a second, and finds the functions it declares in this file.
#define FMT_HEADER_ONLY
#include <fmt/format.h>

namespace workshop {

// Header-only functions are inline: what is not used in this file would not be in its object.
extern const void* const fmt_functions[];
const void* const fmt_functions[] = {
    reinterpret_cast<const void*>(
        static_cast<std::string (*)(fmt::string_view, fmt::format_args)>(fmt::vformat)),
    reinterpret_cast<const void*>(
        static_cast<void (*)(std::FILE*, fmt::string_view, fmt::format_args)>(fmt::vprint)),
    reinterpret_cast<const void*>(static_cast<void (*)(fmt::string_view, fmt::format_args)>(fmt::vprint)),
};

}  // namespace workshop
