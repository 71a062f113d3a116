// SPDX-License-Identifier: MIT
#include "bench/pp_tg/report.h"

#include <fmt/format.h>

#include <cstdio>

namespace nibble::pp_tg {
namespace {

std::string HumanSize(double bytes) {
  const double mib = bytes / (1 << 20);
  return mib < 1024 ? fmt::format("{:.2f} MiB", mib)
                    : fmt::format("{:.2f} GiB", mib / 1024);
}

std::string HumanCount(double count) {
  return count < 1e9 ? fmt::format("{:.2f} M", count * 1e-6)
                     : fmt::format("{:.2f} B", count * 1e-9);
}

// The columns people know, and what tells how good they are.
void PrintMarkdownHead() {
  fmt::print(
      "| {:<36} | {:>10} | {:>8} | {:<16} | {:>7} | {:>6} | {:>16} "
      "| {:>7} | {:>6} |\n",
      "model", "size", "params", "backend", "threads", "test", "t/s", "GFLOPS",
      "GB/s");
  fmt::print(
      "| {:-<36} | {:->9}: | {:->7}: | {:-<16} | {:->6}: | {:->5}: "
      "| {:->15}: | {:->6}: | {:->5}: |\n",
      "", "", "", "", "", "", "", "", "");
}

void PrintMarkdown(const Row& row) {
  const std::string model =
      fmt::format("{} {} - {:.4g} bpw", row["model"].get<std::string>(),
                  row["type"].get<std::string>(), row["bpw"].get<double>());
  const std::string speed =
      fmt::format("{:.2f} ± {:.2f}", row["tps"].get<double>(),
                  row["tps_deviation"].get<double>());
  fmt::print(
      "| {:<36} | {:>10} | {:>8} | {:<16} | {:>7} | {:>6} | {:>16} "
      "| {:>7.1f} | {:>6.1f} |\n",
      model, HumanSize(row["size"].get<double>()),
      HumanCount(row["params"].get<double>()),
      row["backend"].get<std::string>(), row["threads"].get<size_t>(),
      row["test"].get<std::string>(), speed, row["gflops"].get<double>(),
      row["gbps"].get<double>());
}

void PrintTsv(const Row& row, bool head) {
  std::string names, values;
  for (const auto& [name, value] : row.items()) {
    const char* tab = names.empty() ? "" : "\t";
    names += tab + name;
    values +=
        tab + (value.is_string() ? value.get<std::string>() : value.dump());
  }
  if (head) fmt::print("{}\n", names);
  fmt::print("{}\n", values);
}

}  // namespace

Report::Report(Format format, const std::vector<std::string>& captions)
    : format_(format) {
  switch (format) {
    case Format::kMarkdown:
      for (const std::string& line : captions) fmt::print("{}  \n", line);
      fmt::print("\n");
      PrintMarkdownHead();
      break;
    case Format::kTsv:
      for (const std::string& line : captions) fmt::print("# {}\n", line);
      break;
    case Format::kJson:
      fmt::print("{{\n\"caption\": {},\n\"results\": [",
                 nlohmann::json(captions).dump());
  }
  std::fflush(stdout);
}

void Report::Add(const Row& row) {
  switch (format_) {
    case Format::kMarkdown:
      PrintMarkdown(row);
      break;
    case Format::kTsv:
      PrintTsv(row, rows_ == 0);
      break;
    case Format::kJson:
      fmt::print("{}\n{}", rows_ == 0 ? "" : ",", row.dump());
  }
  ++rows_;
  std::fflush(stdout);
}

void Report::Finish() {
  if (format_ == Format::kJson) fmt::print("\n]\n}}\n");
  std::fflush(stdout);
}

}  // namespace nibble::pp_tg
