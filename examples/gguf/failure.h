// SPDX-License-Identifier: MIT
// One-line failures: how the example programs word what went wrong and where.
#ifndef NIBBLE_EXAMPLES_GGUF_FAILURE_H_
#define NIBBLE_EXAMPLES_GGUF_FAILURE_H_

#include <functional>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "nibble/status.h"

namespace nibble::gguf {

// A failed Status with a formatted message.
template <class... Args>
Status Failure(StatusCode code, fmt::format_string<Args...> format,
               Args&&... args) {
  return Status(code, fmt::format(format, std::forward<Args>(args)...));
}

// `text` fit for one line of a terminal: bytes outside printable ASCII become
// \xNN and long text is cut. Names come from files nobody vouches for, and what
// is shown of them must stay one line and must not steer the terminal.
std::string Printable(std::string_view text);

// The same in quotes.
std::string Quote(std::string_view text);

// "Permission denied" for an errno value.
std::string ErrnoText(int error);

// `status` with "where: " in front of its message; ok stays ok.
Status Prefix(std::string_view where, const Status& status);

// A program's exit code: 0, or 1 after the line "program: message" on stderr.
int ExitCode(const char* program, const Status& status);

// Runs what main is for. An exception (out of memory, mostly) ends it as a
// failed status would.
int RunProgram(const char* program, const std::function<int()>& run) noexcept;

}  // namespace nibble::gguf

#endif  // NIBBLE_EXAMPLES_GGUF_FAILURE_H_
