// SPDX-License-Identifier: MIT
// Status: what every call that can fail returns.
#ifndef NIBBLE_STATUS_H_
#define NIBBLE_STATUS_H_

#include <cstdint>
#include <string>
#include <utility>

namespace nibble {

enum class StatusCode : uint8_t {
  kOk = 0,
  kInvalidArgument,  // sizes, pointers, strides or options that do not fit
  kUnsupported,      // legal, but not built in or not on this machine
  kInvalidData,      // values: NaN weights, negative importance, broken rows
  kIo,               // files: cannot open, truncated, cannot write
  kResource,         // memory or device exhausted
};

// The outcome of a call: a code and, unless it is ok, one line saying what is
// wrong and where ("weights row 3, column 17: NaN"). Cheap when ok: no
// allocation. Immutable.
class [[nodiscard]] Status {
 public:
  Status() noexcept = default;
  Status(StatusCode code, std::string message) noexcept
      : code_(code), message_(std::move(message)) {}

  bool ok() const noexcept { return code_ == StatusCode::kOk; }
  StatusCode code() const noexcept { return code_; }
  const std::string& message() const noexcept { return message_; }

 private:
  StatusCode code_ = StatusCode::kOk;
  std::string message_;
};

inline Status OkStatus() noexcept { return Status(); }

// Returns a failed Status from the enclosing function.
#define NIBBLE_RETURN_IF_ERROR(expression)                       \
  do {                                                           \
    ::nibble::Status nibble_status_ = (expression);              \
    if (!nibble_status_.ok()) return nibble_status_;             \
  } while (false)

}  // namespace nibble

#endif  // NIBBLE_STATUS_H_
