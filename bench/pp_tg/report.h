// SPDX-License-Identifier: MIT
// Results as a Markdown table for people, TSV or JSON for programs.
#ifndef NIBBLE_BENCH_PP_TG_REPORT_H_
#define NIBBLE_BENCH_PP_TG_REPORT_H_

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace nibble::pp_tg {

enum class Format { kMarkdown, kTsv, kJson };

// One result; the keys, in their order, are the columns of TSV.
using Row = nlohmann::ordered_json;

// Prints to stdout, every row as soon as it is known.
class Report {
 public:
  // `captions`: what holds for all rows. Comments of a table, "caption" in
  // JSON.
  Report(Format format, const std::vector<std::string>& captions);
  void Add(const Row& row);
  // Ends the document.
  void Finish();

 private:
  Format format_;
  size_t rows_ = 0;
};

}  // namespace nibble::pp_tg

#endif  // NIBBLE_BENCH_PP_TG_REPORT_H_
