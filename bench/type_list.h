// SPDX-License-Identifier: MIT
// --type all|a,b for the table programs.
#ifndef NIBBLE_BENCH_TYPE_LIST_H_
#define NIBBLE_BENCH_TYPE_LIST_H_

#include <cctype>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "nibble/type.h"

namespace nibble {

// Throws std::invalid_argument naming the first unknown type.
inline std::vector<Type> ParseTypes(const std::string& list) {
  std::vector<Type> types;
  if (list == "all") {
    for (const TypeInfo& info : QuantizedTypes()) types.push_back(info.type);
    return types;
  }
  std::stringstream names(list);
  for (std::string name; std::getline(names, name, ',');) {
    const auto type = TypeFromName(name);
    if (!type || !FindTypeInfo(*type)->quantized) {
      throw std::invalid_argument("unknown quantized type: " + name);
    }
    types.push_back(*type);
  }
  return types;
}

// "q4_k": the tables spell types in lower case.
inline std::string TableName(Type type) {
  std::string name = TypeName(type);
  for (char& c : name) {
    c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  return name;
}

}  // namespace nibble

#endif  // NIBBLE_BENCH_TYPE_LIST_H_
