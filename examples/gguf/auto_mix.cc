// SPDX-License-Identifier: MIT
#include "gguf/auto_mix.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <regex>
#include <set>
#include <sstream>
#include <utility>

#include "gguf/failure.h"
#include "gguf/knapsack.h"
#include "gguf/tensor_types.h"
#include "nibble/dequantize.h"

namespace nibble::gguf {
namespace {

// Weights of a tensor that are enough to rank types, and a hundredth of the
// work for a tensor of 13 M. What is chosen is measured whole.
constexpr uint64_t kSampleWeights = uint64_t{1} << 17;

// Without types for models trained in one to two bits, hopeless elsewhere, and
// without interleaved rows.
constexpr const char* kDefaultCandidates =
    ".*,-iq[12]_bn,-tq[12]_0,-q[12]_0,-.*_r[0-9]+";

double BitsOf(Type type) { return FindTypeInfo(type)->bits_per_weight(); }

Status ParseCandidates(const std::string& list, std::vector<Type>* types) {
  const auto flags = std::regex::ECMAScript | std::regex::icase;
  std::set<std::pair<double, uint32_t>> chosen;  // by size
  std::istringstream stream(list.empty() ? kDefaultCandidates : list);
  for (std::string item; std::getline(stream, item, ',');) {
    const bool removes = item.rfind('-', 0) == 0;
    bool found = false;
    try {
      const std::regex pattern(removes ? item.substr(1) : item, flags);
      for (const TypeInfo& info : QuantizedTypes()) {
        if (!StoredInFiles(info.type)) continue;
        if (!std::regex_match(info.name, pattern)) continue;
        found = true;
        const std::pair key(info.bits_per_weight(), TypeId(info.type));
        removes ? (void)chosen.erase(key) : (void)chosen.insert(key);
      }
    } catch (const std::regex_error& error) {
      return Failure(StatusCode::kInvalidArgument,
                     "--candidates: {} is no regular expression: {}",
                     Quote(item), error.what());
    }
    if (!found && !removes) {
      return Failure(StatusCode::kInvalidArgument,
                     "--candidates: this build has no type {}", Quote(item));
    }
  }
  for (const auto& entry : chosen) {
    types->push_back(static_cast<Type>(entry.second));
  }
  if (types->empty()) {
    return Failure(StatusCode::kInvalidArgument, "--candidates: none is left");
  }
  return OkStatus();
}

// Rows of a tensor, spread evenly over it and over its matrices.
struct Sample {
  Tensor tensor;
  Importance importance;
  std::vector<float> values;
};

Status TakeSample(const Tensor& tensor, const Importance* importance,
                  Sample* sample) {
  const uint64_t matrices = importance != nullptr ? importance->matrices : 1;
  const uint64_t rows = tensor.rows() / matrices;
  const uint64_t wanted = std::max<uint64_t>(kSampleWeights / tensor.cols(), 8);
  const uint64_t taken = std::min(matrices, wanted);
  const uint64_t each = std::min(rows, (wanted + taken - 1) / taken);
  const uint64_t cols = tensor.cols();
  sample->values.resize(taken * each * cols);
  sample->importance.matrices = taken;
  const ConstMatrix source = RowsOf(tensor, *LibraryType(tensor.type));
  for (uint64_t m = 0; m < taken; ++m) {
    const uint64_t matrix = m * matrices / taken;
    for (uint64_t r = 0; r < each; ++r) {
      const uint64_t row = matrix * rows + (2 * r + 1) * rows / (2 * each);
      float* out = sample->values.data() + (m * each + r) * cols;
      NIBBLE_RETURN_IF_ERROR(
          Dequantize(source.Rows(row, row + 1), FloatMatrix(out, 1, cols)));
    }
    if (importance == nullptr) continue;
    const auto begin =
        importance->values.begin() + static_cast<std::ptrdiff_t>(matrix * cols);
    sample->importance.values.insert(sample->importance.values.end(), begin,
                                     begin + static_cast<std::ptrdiff_t>(cols));
    sample->importance.has_data.push_back(importance->has_data[matrix]);
  }
  sample->tensor = tensor;
  sample->tensor.type = TypeId(Type::kF32);
  sample->tensor.dims = {cols, taken * each, 1, 1};
  sample->tensor.bytes = sample->values.size() * sizeof(float);
  sample->tensor.data = reinterpret_cast<const uint8_t*>(sample->values.data());
  return OkStatus();
}

// A type that a tensor may get.
struct Candidate {
  Type type;
  uint64_t bytes;
  bool usable = true;
  bool exact = false;  // the whole tensor was measured
  ErrorSums sampled = {};
  ErrorSums error = {};
};

// A tensor that is up to the mix.
struct Subject {
  const Tensor* tensor;
  const Importance* importance;
  size_t index;  // in the model
  std::vector<Candidate> candidates;
  size_t pick = 0;
  double share = 1;  // weights of the tensor per weight of the sample
  double scale = 1;  // of its sums in the objective

  Candidate* Find(Type type);
  ErrorSums Estimate(const Candidate& candidate) const;
  double Energy() const;
};

Candidate* Subject::Find(Type type) {
  for (Candidate& candidate : candidates) {
    if (candidate.type == type) return &candidate;
  }
  return nullptr;
}

// What was measured; else what the sample says, corrected by the candidates
// that were: how far the sample is off is much the same for all types.
ErrorSums Subject::Estimate(const Candidate& candidate) const {
  if (candidate.exact) return candidate.error;
  ErrorSums whole, sampled;
  for (const Candidate& other : candidates) {
    if (!other.exact) continue;
    whole += other.error;
    sampled += other.sampled;
  }
  const auto corrected = [&](double value, double by, double of) {
    return value * (of > 0 ? by / of : share);
  };
  ErrorSums sums = candidate.sampled;
  sums.weighted_error = corrected(sums.weighted_error, whole.weighted_error,
                                  sampled.weighted_error);
  sums.weighted_square = corrected(sums.weighted_square, whole.weighted_square,
                                   sampled.weighted_square);
  return sums;
}

// sum w x^2, which is the same for all types.
double Subject::Energy() const {
  for (const Candidate& candidate : candidates) {
    if (candidate.usable) return Estimate(candidate).weighted_square;
  }
  return 0;
}

// What makes the sums of a tensor those of the objective.
double ScaleOf(MixObjective objective, const Tensor& tensor, double energy) {
  if (objective == MixObjective::kTotal || energy <= 0) return 1;
  return static_cast<double>(tensor.weights()) / energy;
}

ErrorSums Scaled(ErrorSums sums, double scale) {
  sums.weighted_error *= scale;
  sums.weighted_square *= scale;
  return sums;
}

class Chooser {
 public:
  Chooser(const MixContext& context, const MixOptions& options,
          const Recipe& recipe)
      : context_(context), options_(options), recipe_(recipe) {}

  Status Run(Mix* mix) {
    NIBBLE_RETURN_IF_ERROR(ParseCandidates(options_.candidates, &types_));
    FindSubjects();
    if (subjects_.empty()) {
      return Failure(StatusCode::kInvalidArgument,
                     "there is no tensor whose type is up to the mix");
    }
    if (options_.has_skeleton) NIBBLE_RETURN_IF_ERROR(PlanSkeleton());
    NIBBLE_RETURN_IF_ERROR(MeasureSamples());
    if (options_.has_skeleton) {
      NIBBLE_RETURN_IF_ERROR(MeasureSkeleton());
    } else {
      NIBBLE_RETURN_IF_ERROR(ChooseSkeleton());
    }
    NIBBLE_RETURN_IF_ERROR(MeasureFixed());
    NIBBLE_RETURN_IF_ERROR(Choose());
    Describe(mix);
    return OkStatus();
  }

 private:
  bool ByError() const { return options_.goal.kind == MixGoal::Kind::kError; }
  bool IsSubject(const Tensor& tensor, const ModelFacts& facts) const;
  void FindSubjects();
  Status MeasureSamples();
  Status MeasureSample(Subject* subject);
  Status Judge(const Tensor& tensor, const Status& status, bool* usable) const;
  Status ChooseSkeleton();
  bool MeetsGoal(Type type, const std::vector<TensorPlan>& plans) const;
  Status PlanSkeleton();
  void LimitSteps();
  Status MeasureSkeleton();
  Status MeasureFixed();
  double SizeOf(const TensorPlan& plan) const;
  double FixedSize() const;
  double Limit() const;
  Status Solve();
  Status Unreachable(double least) const;
  Status Choose();
  Status Measure(Subject* subject, Candidate* candidate);
  Status Exact(const Tensor& tensor, const Importance* importance, Type type,
               ErrorSums* error);
  void Describe(Mix* mix) const;
  Status Check() const;
  void Log(const std::string& line) const {
    if (context_.log != nullptr) context_.log(line);
  }

  const MixContext& context_;
  const MixOptions& options_;
  Recipe recipe_;
  std::vector<Type> types_;  // candidates by size
  std::vector<Subject> subjects_;
  std::vector<TensorPlan> plans_;        // the skeleton's, then the mix's
  std::vector<ErrorSums> fixed_errors_;  // per tensor
};

Status Chooser::Check() const {
  if (context_.cancel != nullptr && context_.cancel->load()) {
    return Failure(StatusCode::kResource, "interrupted; no output written");
  }
  return OkStatus();
}

// Errors compare where the imatrix knows the tensor; without one they compare
// among the layers.
bool Chooser::IsSubject(const Tensor& tensor, const ModelFacts& facts) const {
  if (!IsWeightMatrix(tensor) || !LibraryType(tensor.type) ||
      WishFor(tensor, recipe_, facts).ruled) {
    return false;
  }
  const bool is_float = !FindTypeInfo(*LibraryType(tensor.type))->quantized;
  if (!is_float && !recipe_.allow_requantize) return false;
  if (!recipe_.imatrix) return !IsVocabulary(tensor);
  const Importance* importance = context_.imatrix.Find(tensor.name);
  return importance != nullptr &&
         std::find(importance->has_data.begin(), importance->has_data.end(),
                   true) != importance->has_data.end();
}

void Chooser::FindSubjects() {
  const std::vector<Tensor>& tensors = context_.model.tensors;
  const ModelFacts facts =
      FactsOf(context_.model, recipe_.imatrix, TypeId(recipe_.type));
  for (size_t i = 0; i < tensors.size(); ++i) {
    if (!IsSubject(tensors[i], facts)) continue;
    Subject subject = {
        &tensors[i], context_.imatrix.Find(tensors[i].name), i, {}};
    for (const Type type : types_) {
      const uint64_t row_bytes = RowBytes(type, tensors[i].cols());
      if (row_bytes == 0) continue;
      subject.candidates.push_back({type, tensors[i].rows() * row_bytes});
    }
    if (!subject.candidates.empty()) subjects_.push_back(std::move(subject));
  }
}

Status Chooser::MeasureSamples() {
  Log(fmt::format("measuring {} tensors as {} types, by sample",
                  subjects_.size(), types_.size()));
  for (Subject& subject : subjects_) {
    NIBBLE_RETURN_IF_ERROR(MeasureSample(&subject));
  }
  return OkStatus();
}

Status Chooser::MeasureSample(Subject* subject) {
  Sample sample;
  NIBBLE_RETURN_IF_ERROR(
      TakeSample(*subject->tensor, subject->importance, &sample));
  const bool whole = sample.tensor.rows() == subject->tensor->rows();
  subject->share = static_cast<double>(subject->tensor->weights()) /
                   static_cast<double>(sample.tensor.weights());
  const Importance* importance =
      subject->importance != nullptr ? &sample.importance : nullptr;
  for (Candidate& candidate : subject->candidates) {
    NIBBLE_RETURN_IF_ERROR(Check());
    NIBBLE_RETURN_IF_ERROR(Judge(
        *subject->tensor,
        Exact(sample.tensor, importance, candidate.type, &candidate.sampled),
        &candidate.usable));
    candidate.exact = whole;
    candidate.error = candidate.sampled;
  }
  subject->scale =
      ScaleOf(options_.objective, *subject->tensor, subject->Energy());
  return OkStatus();
}

// A weight can be too large for the scales of a type, or the rows too few: it
// is then not usable. A weight that is no number is an error, whatever the
// type.
Status Chooser::Judge(const Tensor& tensor, const Status& status,
                      bool* usable) const {
  *usable = status.ok();
  if (status.ok() || status.code() == StatusCode::kResource) return status;
  const std::string bad =
      FindBadWeight(RowsOf(tensor, *LibraryType(tensor.type)), 0, false);
  if (bad.empty()) return OkStatus();
  return Failure(StatusCode::kInvalidData, "tensor {}: {}", Quote(tensor.name),
                 bad);
}

Status Chooser::Exact(const Tensor& tensor, const Importance* importance,
                      Type type, ErrorSums* error) {
  MixCache own;
  MixCache& cache = options_.cache != nullptr ? *options_.cache : own;
  const auto key = std::tuple(tensor.name, TypeId(type), tensor.rows());
  if (cache.count(key) == 0) {
    const auto discard = [](const PackedChunk&) { return OkStatus(); };
    TensorResult result;
    NIBBLE_RETURN_IF_ERROR(
        context_.quantizer.Run(tensor, type, importance, discard, &result));
    cache[key] = result;
  }
  *error = cache[key].error;
  return OkStatus();
}

// Whether a file mostly of one type meets the goal.
bool Chooser::MeetsGoal(Type type, const std::vector<TensorPlan>& plans) const {
  if (!ByError()) {
    double size = FixedSize();
    for (const Subject& subject : subjects_) {
      size += SizeOf(plans[subject.index]);
    }
    return size <= Limit();
  }
  ErrorSums sums;
  for (const Subject& subject : subjects_) {
    for (const Candidate& candidate : subject.candidates) {
      if (candidate.type == type) {
        sums += Scaled(subject.Estimate(candidate), subject.scale);
      }
    }
  }
  return sums.WeightedRmse() <= options_.goal.value;
}

// The largest type that keeps a size, the smallest that keeps an error.
Status Chooser::ChooseSkeleton() {
  std::vector<Type> types = types_;
  if (!ByError()) std::reverse(types.begin(), types.end());
  for (const Type type : types) {
    recipe_.type = type;
    recipe_.name = TypeName(type);
    NIBBLE_RETURN_IF_ERROR(MakePlan(context_.model, recipe_, &plans_));
    if (MeetsGoal(type, plans_)) return OkStatus();
  }
  return OkStatus();  // the last is the nearest
}

// The skeleton's types are candidates, too.
Status Chooser::PlanSkeleton() {
  NIBBLE_RETURN_IF_ERROR(MakePlan(context_.model, recipe_, &plans_));
  for (Subject& subject : subjects_) {
    const TensorPlan& plan = plans_[subject.index];
    const Type type = *RowType(plan.type);
    if (subject.Find(type) == nullptr && FindTypeInfo(type)->quantized) {
      subject.candidates.push_back({type, plan.bytes});
    }
  }
  LimitSteps();
  return OkStatus();
}

// Sizes, not types, are the steps: q4_0 and q4_K are one.
void Chooser::LimitSteps() {
  if (!options_.steps) return;
  std::set<double> sizes;
  for (const Subject& subject : subjects_) {
    for (const Candidate& candidate : subject.candidates) {
      sizes.insert(BitsOf(candidate.type));
    }
  }
  const auto rung = [&](Type type) {
    return std::distance(sizes.begin(), sizes.lower_bound(BitsOf(type)));
  };
  for (Subject& subject : subjects_) {
    const auto middle = rung(*RowType(plans_[subject.index].type));
    std::vector<Candidate> near;
    for (const Candidate& candidate : subject.candidates) {
      const auto distance = std::abs(rung(candidate.type) - middle);
      if (static_cast<size_t>(distance) <= *options_.steps) {
        near.push_back(candidate);
      }
    }
    subject.candidates = std::move(near);
  }
}

// Whole, not by sample: the mix must not be worse than its skeleton.
Status Chooser::MeasureSkeleton() {
  for (Subject& subject : subjects_) {
    Candidate* candidate =
        subject.Find(*RowType(plans_[subject.index].type));
    if (candidate == nullptr || !candidate->usable || candidate->exact) {
      continue;
    }
    NIBBLE_RETURN_IF_ERROR(Measure(&subject, candidate));
  }
  return OkStatus();
}

// Only the error of everything includes what is not up to the mix.
Status Chooser::MeasureFixed() {
  fixed_errors_.resize(plans_.size());
  if (!ByError()) return OkStatus();
  std::set<size_t> subjects;
  for (const Subject& subject : subjects_) subjects.insert(subject.index);
  for (size_t i = 0; i < plans_.size(); ++i) {
    const TensorPlan& plan = plans_[i];
    if (subjects.count(i) != 0 || plan.copies() ||
        !FindTypeInfo(*RowType(plan.type))->quantized) {
      continue;
    }
    NIBBLE_RETURN_IF_ERROR(Check());
    NIBBLE_RETURN_IF_ERROR(
        Exact(*plan.source, context_.imatrix.Find(plan.source->name),
              *RowType(plan.type), &fixed_errors_[i]));
    fixed_errors_[i] =
        Scaled(fixed_errors_[i], ScaleOf(options_.objective, *plan.source,
                                         fixed_errors_[i].weighted_square));
  }
  return OkStatus();
}

// In a file every tensor is padded.
double Chooser::SizeOf(const TensorPlan& plan) const {
  const uint64_t alignment = context_.model.alignment;
  const bool padded = options_.goal.kind == MixGoal::Kind::kBytes;
  return static_cast<double>(padded ? (plan.bytes + alignment - 1) / alignment *
                                          alignment
                                    : plan.bytes);
}

// Of everything that is not up to the mix.
double Chooser::FixedSize() const {
  double size = 0;
  for (const TensorPlan& plan : plans_) size += SizeOf(plan);
  if (options_.goal.kind == MixGoal::Kind::kBytes) {
    size = static_cast<double>(context_.file_bytes(plans_));
  }
  for (const Subject& subject : subjects_) {
    size -= SizeOf(plans_[subject.index]);
  }
  return size;
}

double Chooser::Limit() const {
  const double value = options_.goal.value;
  if (options_.goal.kind != MixGoal::Kind::kBits) return value;
  double weights = 0;
  for (const Tensor& tensor : context_.model.tensors) {
    weights += static_cast<double>(tensor.weights());
  }
  return value * weights / 8;
}

// The best picks by what is known so far.
Status Chooser::Solve() {
  ErrorSums sums;  // of everything, if the error is the goal
  for (const ErrorSums& error : fixed_errors_) sums += error;
  std::vector<OptionClass> classes;
  std::vector<std::vector<size_t>> owners;
  double least = ByError() ? sums.weighted_error : FixedSize();
  for (const Subject& subject : subjects_) {
    classes.emplace_back();
    owners.emplace_back();
    double least_load = std::numeric_limits<double>::infinity();
    for (size_t c = 0; c < subject.candidates.size(); ++c) {
      const Candidate& candidate = subject.candidates[c];
      if (!candidate.usable) continue;
      const double size = SizeOf(PlanOf(*subject.tensor, TypeId(candidate.type)));
      const double error =
          subject.scale * subject.Estimate(candidate).weighted_error;
      classes.back().push_back(ByError() ? Option{size, error}
                                         : Option{error, size});
      owners.back().push_back(c);
      least_load = std::min(least_load, classes.back().back().load);
    }
    if (classes.back().empty()) {
      return Failure(StatusCode::kInvalidData,
                     "tensor {}: none of the candidates can hold its weights",
                     Quote(subject.tensor->name));
    }
    sums.weighted_square += subject.scale * subject.Energy();
    least += least_load;
  }
  const double limit =
      ByError() ? Limit() * Limit() * sums.weighted_square - sums.weighted_error
                : Limit() - FixedSize();
  const std::vector<size_t> picks = SolveKnapsack(classes, limit);
  if (picks.empty()) {
    return Unreachable(ByError() ? std::sqrt(least / sums.weighted_square)
                                 : least);
  }
  for (size_t i = 0; i < subjects_.size(); ++i) {
    subjects_[i].pick = owners[i][picks[i]];
  }
  return OkStatus();
}

Status Chooser::Unreachable(double least) const {
  const double value = options_.goal.value;
  switch (options_.goal.kind) {
    case MixGoal::Kind::kBytes:
      return Failure(StatusCode::kInvalidArgument,
                     "no mix of these types fits {:.0f} bytes; the smallest "
                     "has {:.0f}",
                     value, least);
    case MixGoal::Kind::kError:
      return Failure(StatusCode::kInvalidArgument,
                     "no mix of these types has an error of at most {:.6g}; "
                     "the best has {:.6g}",
                     value, least);
    default:
      return Failure(StatusCode::kInvalidArgument,
                     "no mix of these types fits {:.6g} bits per weight; the "
                     "smallest has {:.6g}",
                     value, value * least / Limit());
  }
}

Status Chooser::Measure(Subject* subject, Candidate* candidate) {
  NIBBLE_RETURN_IF_ERROR(Check());
  const Status status = Exact(*subject->tensor, subject->importance,
                              candidate->type, &candidate->error);
  candidate->exact = status.ok();
  return Judge(*subject->tensor, status, &candidate->usable);
}

// Measures what was picked and picks again, until every pick was measured.
Status Chooser::Choose() {
  for (int round = 1;; ++round) {
    NIBBLE_RETURN_IF_ERROR(Solve());
    std::vector<Subject*> guessed;
    for (Subject& subject : subjects_) {
      if (!subject.candidates[subject.pick].exact) guessed.push_back(&subject);
    }
    if (guessed.empty()) return OkStatus();
    Log(fmt::format("round {}: measuring {} choices whole", round,
                    guessed.size()));
    for (Subject* subject : guessed) {
      NIBBLE_RETURN_IF_ERROR(
          Measure(subject, &subject->candidates[subject->pick]));
    }
  }
}

void Chooser::Describe(Mix* mix) const {
  mix->plans = plans_;
  std::vector<const Candidate*> picks(plans_.size());
  for (const Subject& subject : subjects_) {
    const Candidate& pick = subject.candidates[subject.pick];
    picks[subject.index] = &pick;
    mix->plans[subject.index] = PlanOf(*subject.tensor, TypeId(pick.type));
  }
  for (size_t i = 0; i < plans_.size(); ++i) {
    const TensorPlan& plan = mix->plans[i];
    if (picks[i] == nullptr && plan.copies()) continue;
    MixDecision decision;
    decision.tensor = plan.source->name;
    decision.skeleton = plans_[i].type;
    decision.chosen = plan.type;
    decision.weights = plan.source->weights();
    decision.bytes = plan.bytes;
    decision.measured = picks[i] != nullptr;
    decision.error =
        decision.measured
            ? Scaled(picks[i]->error, ScaleOf(options_.objective, *plan.source,
                                              picks[i]->error.weighted_square))
            : fixed_errors_[i];
    mix->decisions.push_back(std::move(decision));
  }
}

}  // namespace

Status ChooseMix(const MixContext& context, const MixOptions& options,
                 const Recipe& recipe, Mix* mix) {
  *mix = Mix();
  return Chooser(context, options, recipe).Run(mix);
}

std::string DecisionTable(const std::vector<MixDecision>& decisions) {
  ErrorSums total;
  for (const MixDecision& decision : decisions) total += decision.error;
  std::string table =
      fmt::format("{:<36} {:>8} -> {:<8} {:>7} {:>9} {:>8}\n", "tensor",
                  "skeleton", "mix", "bpw", "wrmse", "of error");
  for (const MixDecision& decision : decisions) {
    table += fmt::format(
        "{:<36} {:>8} -> {:<8} {:>7.3f}", Printable(decision.tensor),
        TensorTypeName(decision.skeleton), TensorTypeName(decision.chosen),
        8.0 * static_cast<double>(decision.bytes) /
            static_cast<double>(decision.weights));
    table += decision.measured
                 ? fmt::format(" {:>9.5f} {:>7.1f}%\n",
                               decision.error.WeightedRmse(),
                               100 * decision.error.weighted_error /
                                   std::max(total.weighted_error, 1e-300))
                 : fmt::format(" {:>9} {:>8}\n", "-", "fixed");
  }
  return table;
}

}  // namespace nibble::gguf
