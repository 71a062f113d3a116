// SPDX-License-Identifier: MIT
#include "gguf/report.h"

#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "gguf/failure.h"
#include "gguf/tensor_types.h"

namespace nibble::gguf {
namespace {

using Json = nlohmann::ordered_json;

// Totals per type written, in order of first appearance, and of everything.
using TypeTotals = std::vector<std::pair<uint32_t, Totals>>;

TypeTotals ByType(const ModelReport& report) {
  TypeTotals totals;
  for (const TensorReport& tensor : report.tensors) {
    size_t i = 0;
    while (i < totals.size() && totals[i].first != tensor.to) ++i;
    if (i == totals.size()) totals.emplace_back(tensor.to, Totals());
    totals[i].second.Add(tensor);
  }
  return totals;
}

Totals Everything(const ModelReport& report) {
  Totals totals;
  for (const TensorReport& tensor : report.tensors) totals.Add(tensor);
  return totals;
}

// A dash where there is nothing to measure: copies, dry runs.
std::string Measured(double value, bool is_measured, int digits) {
  return is_measured ? fmt::format("{:.{}f}", value, digits) : "-";
}

std::string TableRow(const std::string& name, const Totals& totals) {
  const bool measured = totals.seconds > 0;
  return fmt::format("{:<10} {:>7} {:>12} {:>12} {:>7.3f} {:>9} {:>11}\n", name,
                     totals.tensors, HumanBytes(totals.bytes_before),
                     HumanBytes(totals.bytes_after), totals.BitsPerWeight(),
                     Measured(totals.error.WeightedRmse(), measured, 5),
                     Measured(totals.MweightsPerSecond(), measured, 1));
}

Json MeasuredJson(double value, bool is_measured) {
  return is_measured ? Json(value) : Json(nullptr);
}

Json TotalsJson(const Totals& totals) {
  const bool measured = totals.seconds > 0;
  return {
      {"tensors", totals.tensors},
      {"weights", totals.weights},
      {"bytes_before", totals.bytes_before},
      {"bytes_after", totals.bytes_after},
      {"bits_per_weight", totals.BitsPerWeight()},
      {"weighted_rmse", MeasuredJson(totals.error.WeightedRmse(), measured)},
      {"cosine", MeasuredJson(totals.error.Cosine(), measured)},
      {"mweights_per_second",
       MeasuredJson(totals.MweightsPerSecond(), measured)},
      {"quantize_seconds", totals.seconds},
  };
}

Json TensorJson(const TensorReport& tensor) {
  Totals totals;
  totals.Add(tensor);
  Json json = {{"name", tensor.name},
               {"dims", tensor.dims},
               {"from", TensorTypeName(tensor.from)},
               {"to", TensorTypeName(tensor.to)},
               {"has_importance", tensor.has_importance},
               {"note", tensor.note}};
  json.update(TotalsJson(totals));
  json.erase("tensors");
  return json;
}

}  // namespace

void Totals::Add(const TensorReport& tensor) {
  ++tensors;
  weights += tensor.weights;
  bytes_before += tensor.bytes_before;
  bytes_after += tensor.bytes_after;
  if (!tensor.quantized) return;
  quantized_weights += tensor.weights;
  error += tensor.error;
  seconds += tensor.seconds;
}

double Totals::BitsPerWeight() const {
  return weights == 0 ? 0
                      : 8.0 * static_cast<double>(bytes_after) /
                            static_cast<double>(weights);
}

double Totals::MweightsPerSecond() const {
  return seconds == 0 ? 0
                      : static_cast<double>(quantized_weights) / seconds / 1e6;
}

std::string HumanBytes(uint64_t bytes) {
  const auto value = static_cast<double>(bytes);
  if (bytes < 1000) return fmt::format("{} B", bytes);
  if (bytes < 1000 * 1000) return fmt::format("{:.1f} kB", value / 1e3);
  if (bytes < 1000 * 1000 * 1000) return fmt::format("{:.2f} MB", value / 1e6);
  return fmt::format("{:.2f} GB", value / 1e9);
}

std::string SummaryTable(const ModelReport& report) {
  std::string table =
      fmt::format("{:<10} {:>7} {:>12} {:>12} {:>7} {:>9} {:>11}\n", "type",
                  "tensors", "before", "after", "bpw", "wrmse", "Mweights/s");
  for (const auto& [type, totals] : ByType(report)) {
    table += TableRow(TensorTypeName(type), totals);
  }
  return table + TableRow("total", Everything(report));
}

std::string TensorLine(const TensorReport& tensor) {
  std::string line =
      fmt::format("{:<36} {:>6} x {:<7} {:>5} -> {:<7} {:>10}",
                  Printable(tensor.name), tensor.dims[0],
                  tensor.weights / tensor.dims[0], TensorTypeName(tensor.from),
                  tensor.from == tensor.to ? "kept" : TensorTypeName(tensor.to),
                  HumanBytes(tensor.bytes_after));
  if (tensor.seconds > 0) {
    line += fmt::format("  wrmse {:.5f}", tensor.error.WeightedRmse());
  }
  if (tensor.has_importance) line += "  imatrix";
  if (!tensor.note.empty()) line += "  (" + tensor.note + ")";
  return line;
}

std::string ReportJson(const ModelReport& report) {
  Json types = Json::array();
  for (const auto& [type, totals] : ByType(report)) {
    Json json = {{"type", TensorTypeName(type)}};
    json.update(TotalsJson(totals));
    types.push_back(std::move(json));
  }
  Json tensors = Json::array();
  for (const TensorReport& tensor : report.tensors) {
    tensors.push_back(TensorJson(tensor));
  }
  const Json json = {
      {"input", report.input},
      {"output", report.output},
      {"imatrix", report.imatrix},
      {"recipe", report.recipe},
      {"type", TensorTypeName(TypeId(report.type))},
      {"threads", report.threads},
      {"target", report.target},
      {"file_bytes_before", report.file_bytes_before},
      {"file_bytes_after", report.file_bytes_after},
      {"seconds", report.seconds},
      {"total", TotalsJson(Everything(report))},
      {"types", types},
      {"warnings", report.warnings},
      {"tensors", tensors},
  };
  // Names come from the file: what is not UTF-8 is replaced, not thrown.
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace nibble::gguf
