// SPDX-License-Identifier: MIT
#include "gguf/quantize_model.h"

#include <sys/stat.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "gguf/failure.h"
#include "gguf/gguf_writer.h"
#include "gguf/quantize_tensor.h"
#include "gguf/rule_writer.h"
#include "gguf/tensor_types.h"
#include "gguf/thread_pool.h"
#include "nibble/cpu.h"

namespace nibble::gguf {
namespace {

constexpr uint32_t kQuantizationVersion = 2;
constexpr uint64_t kCopyBytes = uint64_t{16} << 20;

using Clock = std::chrono::steady_clock;

double SecondsSince(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

bool IsSameFile(const std::string& a, const std::string& b) {
  struct stat first, second;
  return stat(a.c_str(), &first) == 0 && stat(b.c_str(), &second) == 0 &&
         first.st_dev == second.st_dev && first.st_ino == second.st_ino;
}

// One model on its way from input to output.
class ModelJob {
 public:
  ModelJob(const ModelOptions& options, ModelReport* report)
      : options_(options),
        report_(*report),
        recipe_(options.recipe),
        pool_(options.threads),
        quantizer_(options.search, options.weights, pool_) {}

  Status Run() {
    NIBBLE_RETURN_IF_ERROR(Read());
    NIBBLE_RETURN_IF_ERROR(Prefix(options_.input, Plan()));
    DescribePlan();
    WarnAboutImportance();
    if (options_.planned != nullptr) options_.planned(report_);
    if (options_.dry_run) return OkStatus();
    return Write();
  }

 private:
  Status Read();
  Status ReadImatrix();
  Status Plan();
  Status PlanMix();
  uint64_t FileBytes(const std::vector<TensorPlan>& plans) const;
  void DescribePlan();
  TensorReport DescribeTensor(const TensorPlan& plan) const;
  void WarnAboutImportance();
  Metadata OutputMetadata() const;
  std::vector<Tensor> OutputTensors(const std::vector<TensorPlan>& plans) const;
  Status Write();
  Status WriteTensor(size_t index);
  Status CopyTensor(const Tensor& tensor);
  Status Advance(size_t index, uint64_t weights, bool tensor_done);

  const Importance* ImportanceOf(const Tensor& tensor) const {
    return imatrix_.Find(tensor.name);
  }

  const ModelOptions& options_;
  ModelReport& report_;
  Recipe recipe_;
  ThreadPool pool_;
  TensorQuantizer quantizer_;
  GgufFile input_;
  Imatrix imatrix_;
  std::vector<TensorPlan> plans_;
  GgufWriter writer_;
  Clock::time_point begin_;
  uint64_t weights_total_ = 0;
  uint64_t weights_done_ = 0;
};

Status ModelJob::Read() {
  const std::string& path = options_.input;
  NIBBLE_RETURN_IF_ERROR(GgufFile::Open(path, &input_));
  if (input_.contents().metadata.Unsigned("split.count").value_or(1) > 1) {
    return Failure(StatusCode::kUnsupported,
                   "{}: one part of a split model (split.count > 1): merge the "
                   "parts first",
                   path);
  }
  if (!options_.dry_run && IsSameFile(path, options_.output)) {
    return Failure(StatusCode::kInvalidArgument,
                   "{}: the output is the input file", options_.output);
  }
  return options_.imatrix.empty() ? OkStatus() : ReadImatrix();
}

Status ModelJob::ReadImatrix() {
  NIBBLE_RETURN_IF_ERROR(LoadImatrix(options_.imatrix, &imatrix_));
  NIBBLE_RETURN_IF_ERROR(
      CheckImatrix(input_.contents(), options_.input, &imatrix_));
  const auto strangers = std::count_if(
      imatrix_.names.begin(), imatrix_.names.end(),
      [&](const auto& name) { return !input_.contents().FindTensor(name); });
  if (strangers > 0) {
    report_.warnings.push_back(
        fmt::format("{} entries of {} name no tensor of the model", strangers,
                    options_.imatrix));
  }
  return OkStatus();
}

Status ModelJob::Plan() {
  recipe_.imatrix = !options_.imatrix.empty();
  if (options_.mix.goal.kind != MixGoal::Kind::kNone) {
    NIBBLE_RETURN_IF_ERROR(PlanMix());
  }
  return MakePlan(input_.contents(), recipe_, &plans_);
}

// The mix becomes a rule file, and the rule file the recipe of this run:
// whoever uses the file gets the same bytes.
Status ModelJob::PlanMix() {
  const MixContext context = {
      input_.contents(),
      imatrix_,
      quantizer_,
      [this](const std::vector<TensorPlan>& plans) { return FileBytes(plans); },
      options_.log,
      options_.cancel};
  Mix mix;
  NIBBLE_RETURN_IF_ERROR(ChooseMix(context, options_.mix, recipe_, &mix));
  report_.decisions = std::move(mix.decisions);
  Recipe chosen;
  chosen.type = MainType(mix.plans, recipe_.type);
  chosen.allow_requantize = recipe_.allow_requantize;
  chosen.imatrix = recipe_.imatrix;
  RuleFile file;
  NIBBLE_RETURN_IF_ERROR(
      ParseRules("automatic mix", RulesOf(mix.plans, chosen), &file));
  AddRules(std::move(file), &chosen);
  recipe_ = std::move(chosen);
  return OkStatus();
}

uint64_t ModelJob::FileBytes(const std::vector<TensorPlan>& plans) const {
  const uint32_t alignment = input_.contents().alignment;
  uint64_t bytes =
      SerializeHeader(OutputMetadata(), OutputTensors(plans), alignment).size();
  for (const TensorPlan& plan : plans) {
    bytes += (plan.bytes + alignment - 1) / alignment * alignment;
  }
  return bytes;
}

TensorReport ModelJob::DescribeTensor(const TensorPlan& plan) const {
  const Tensor& tensor = *plan.source;
  TensorReport report;
  report.name = tensor.name;
  report.dims = tensor.dims;
  report.from = tensor.type;
  report.to = plan.type;
  report.weights = tensor.weights();
  report.bytes_before = tensor.bytes;
  report.bytes_after = plan.bytes;
  report.note = plan.note;
  const std::optional<Type> rows = RowType(plan.type);
  report.quantized = !plan.copies() && FindTypeInfo(*rows)->quantized &&
                     rows != RowType(tensor.type);
  const Importance* importance = ImportanceOf(tensor);
  if (!report.quantized || importance == nullptr) return report;
  const auto& has_data = importance->has_data;
  const auto unused = std::count(has_data.begin(), has_data.end(), false);
  report.has_importance = unused < static_cast<int64_t>(has_data.size());
  if (unused > 0) {
    report.note +=
        fmt::format("{}no importance data for {} of {} matrices",
                    report.note.empty() ? "" : "; ", unused, has_data.size());
  }
  return report;
}

void ModelJob::DescribePlan() {
  report_.input = options_.input;
  report_.output = options_.dry_run ? "" : options_.output;
  report_.imatrix = options_.imatrix;
  report_.recipe = recipe_.name;
  report_.type = recipe_.type;
  report_.rules = RulesOf(plans_, recipe_);
  report_.threads = pool_.threads();
  report_.target = ChosenTarget();
  report_.file_bytes_before = input_.file_bytes();
  report_.file_bytes_after = FileBytes(plans_);
  for (const TensorPlan& plan : plans_) {
    report_.tensors.push_back(DescribeTensor(plan));
    if (!plan.copies()) weights_total_ += plan.source->weights();
  }
}

void ModelJob::WarnAboutImportance() {
  size_t count = 0;
  std::string first;
  for (const TensorReport& tensor : report_.tensors) {
    if (!tensor.quantized || tensor.has_importance) continue;
    const TypeInfo* info = FindTypeInfo(*RowType(tensor.to));
    if (!info->wants_importance) continue;
    if (count++ == 0)
      first = fmt::format("{} to {}", Quote(tensor.name), info->name);
  }
  if (count == 0) return;
  report_.warnings.push_back(fmt::format(
      "{} tensors lack the importance data their type needs, all columns count "
      "the same there (first: {})",
      count, first));
}

Metadata ModelJob::OutputMetadata() const {
  Metadata metadata = input_.contents().metadata;
  metadata.SetUint32("general.file_type", recipe_.FileType());
  metadata.SetUint32("general.quantization_version", kQuantizationVersion);
  if (options_.imatrix.empty()) return metadata;
  metadata.SetString("quantize.imatrix.file", options_.imatrix);
  metadata.SetString("quantize.imatrix.dataset", imatrix_.dataset);
  metadata.SetUint32("quantize.imatrix.entries_count",
                     static_cast<uint32_t>(imatrix_.entries.size()));
  metadata.SetUint32("quantize.imatrix.chunks_count", imatrix_.chunks);
  return metadata;
}

std::vector<Tensor> ModelJob::OutputTensors(
    const std::vector<TensorPlan>& plans) const {
  std::vector<Tensor> tensors = input_.tensors();
  for (size_t i = 0; i < tensors.size(); ++i) {
    tensors[i].type = plans[i].type;
    tensors[i].bytes = plans[i].bytes;
  }
  return tensors;
}

Status ModelJob::Write() {
  begin_ = Clock::now();
  NIBBLE_RETURN_IF_ERROR(writer_.Open(options_.output, OutputMetadata(),
                                      OutputTensors(plans_),
                                      input_.contents().alignment));
  for (size_t i = 0; i < plans_.size(); ++i) {
    NIBBLE_RETURN_IF_ERROR(WriteTensor(i));
    NIBBLE_RETURN_IF_ERROR(Advance(i, 0, true));
  }
  return writer_.Commit();
}

Status ModelJob::WriteTensor(size_t index) {
  const TensorPlan& plan = plans_[index];
  const Tensor& tensor = *plan.source;
  if (plan.copies()) return CopyTensor(tensor);
  const Type type = *RowType(plan.type);
  std::vector<uint8_t> groups;
  const auto sink = [&](const PackedChunk& chunk) {
    const uint8_t* data = chunk.data;
    if (const InterleavedInfo* info = Interleaved(plan.type)) {
      groups.resize(chunk.bytes);
      const ConstMatrix rows(type, chunk.data, chunk.weights / tensor.cols(),
                             tensor.cols());
      NIBBLE_RETURN_IF_ERROR(
          Interleave(rows, info->type, groups.data(), groups.size()));
      data = groups.data();
    }
    NIBBLE_RETURN_IF_ERROR(writer_.Write(data, chunk.bytes));
    return Advance(index, chunk.weights, false);
  };
  TensorResult result;
  NIBBLE_RETURN_IF_ERROR(Prefix(
      options_.input, quantizer_.Run(tensor, type, ImportanceOf(tensor), sink,
                                     &result)));
  report_.tensors[index].error = result.error;
  report_.tensors[index].seconds = result.seconds;
  return OkStatus();
}

// A NaN makes a model useless wherever it stands; an infinity can be meant
// (masks, frequency factors).
Status ModelJob::CopyTensor(const Tensor& tensor) {
  const std::optional<Type> type = LibraryType(tensor.type);
  if (type && !FindTypeInfo(*type)->quantized) {
    const std::string bad = FindBadWeight(RowsOf(tensor, *type), 0, true);
    if (!bad.empty()) {
      return Failure(StatusCode::kInvalidData, "{}: tensor {}: {}",
                     options_.input, Quote(tensor.name), bad);
    }
  }
  for (uint64_t done = 0; done < tensor.bytes; done += kCopyBytes) {
    NIBBLE_RETURN_IF_ERROR(writer_.Write(
        tensor.data + done, std::min(kCopyBytes, tensor.bytes - done)));
  }
  return OkStatus();
}

Status ModelJob::Advance(size_t index, uint64_t weights, bool tensor_done) {
  weights_done_ += weights;
  if (options_.cancel != nullptr && options_.cancel->load()) {
    return Failure(StatusCode::kResource, "interrupted; no output written");
  }
  if (options_.progress == nullptr) return OkStatus();
  Progress progress;
  progress.tensor = index;
  progress.tensors = plans_.size();
  progress.report = &report_.tensors[index];
  progress.tensor_done = tensor_done;
  progress.weights_done = weights_done_;
  progress.weights_total = weights_total_;
  progress.seconds = SecondsSince(begin_);
  options_.progress(progress);
  return OkStatus();
}

}  // namespace

Status QuantizeModel(const ModelOptions& options, ModelReport* report) {
  const auto begin = Clock::now();
  *report = ModelReport();
  const Status status = ModelJob(options, report).Run();
  report->seconds = SecondsSince(begin);
  return status;
}

}  // namespace nibble::gguf
