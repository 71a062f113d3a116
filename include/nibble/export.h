// SPDX-License-Identifier: MIT
// NIBBLE_API: what a shared library shows. Everything else is hidden.
#ifndef NIBBLE_EXPORT_H_
#define NIBBLE_EXPORT_H_

#if defined(__GNUC__)
#define NIBBLE_API __attribute__((visibility("default")))
#else
#define NIBBLE_API
#endif

#endif  // NIBBLE_EXPORT_H_
