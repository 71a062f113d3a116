// SPDX-License-Identifier: MIT
// The C API: conversions around the C++ calls, and no exception gets out.
#include "nibble/c/nibble.h"

#include <algorithm>
#include <cstring>
#include <exception>

#include "nibble/nibble.h"
#include "src/check.h"

namespace nibble {
namespace {

// ---- The two sides name the same numbers.

static_assert(NIBBLE_TYPE_F32 == static_cast<int>(Type::kF32));
static_assert(NIBBLE_TYPE_F16 == static_cast<int>(Type::kF16));
static_assert(NIBBLE_TYPE_BF16 == static_cast<int>(Type::kBF16));
#define NIBBLE_FORMAT(symbol, file, name, id, fallback, summary)             \
  static_assert(NIBBLE_TYPE_##symbol == static_cast<int>(Type::k##symbol) && \
                NIBBLE_TYPE_##symbol < NIBBLE_TYPE_UNKNOWN);
#include "nibble/formats/formats.def"
#undef NIBBLE_FORMAT

static_assert(NIBBLE_OK == static_cast<int>(StatusCode::kOk));
static_assert(NIBBLE_INVALID_ARGUMENT ==
              static_cast<int>(StatusCode::kInvalidArgument));
static_assert(NIBBLE_UNSUPPORTED == static_cast<int>(StatusCode::kUnsupported));
static_assert(NIBBLE_INVALID_DATA ==
              static_cast<int>(StatusCode::kInvalidData));
static_assert(NIBBLE_IO == static_cast<int>(StatusCode::kIo));
static_assert(NIBBLE_RESOURCE == static_cast<int>(StatusCode::kResource));

static_assert(NIBBLE_SEARCH_FAST == static_cast<int>(Search::kFast));
static_assert(NIBBLE_SEARCH_DEFAULT == static_cast<int>(Search::kDefault));
static_assert(NIBBLE_SEARCH_GRADIENT == static_cast<int>(Search::kGradient));
static_assert(NIBBLE_SEARCH_EXHAUSTIVE ==
              static_cast<int>(Search::kExhaustive));
static_assert(NIBBLE_WEIGHTS_IMPORTANCE_MAGNITUDE ==
              static_cast<int>(WeightRule::kImportanceMagnitude));
static_assert(NIBBLE_WEIGHTS_IMPORTANCE ==
              static_cast<int>(WeightRule::kImportance));
static_assert(NIBBLE_ACTIVATIONS_INT8_ROWS ==
              static_cast<int>(ActivationKind::kInt8Rows));
static_assert(NIBBLE_ACTIVATIONS_INT8_PANELS ==
              static_cast<int>(ActivationKind::kInt8Panels));
static_assert(NIBBLE_ACTIVATIONS_BF16_PANELS ==
              static_cast<int>(ActivationKind::kBf16Panels));

// ---- Conversions.

// Cuts what does not fit; `bytes` counts the terminating zero.
void CopyText(const char* from, char* to, size_t bytes) noexcept {
  if (to == nullptr || bytes == 0) return;
  const size_t n = std::min(std::strlen(from), bytes - 1);
  std::memcpy(to, from, n);
  to[n] = '\0';
}

nibble_status Report(const Status& status, nibble_message* message) noexcept {
  if (message != nullptr) {
    CopyText(status.message().c_str(), message->text, sizeof(message->text));
  }
  return static_cast<nibble_status>(status.code());
}

// Runs `call`, which returns a Status. The verbs themselves never throw; copies
// of names and messages may, when memory is out.
template <class Call>
nibble_status Guarded(nibble_message* message, const Call& call) noexcept {
  try {
    return Report(call(), message);
  } catch (const std::exception& e) {
    if (message != nullptr) {
      CopyText(e.what(), message->text, sizeof(message->text));
    }
  } catch (...) {
    if (message != nullptr) message->text[0] = '\0';
  }
  return NIBBLE_RESOURCE;
}

// 1 for yes.
int Answer(bool (*question)()) noexcept {
  int answer = 0;
  Guarded(nullptr, [&] {
    answer = question();
    return nibble::OkStatus();
  });
  return answer;
}

// A missing view becomes one without data, which every verb refuses by name.
ConstMatrix View(const nibble_const_matrix* m) noexcept {
  if (m == nullptr) return ConstMatrix(Type::kF32, nullptr, 1, 1);
  return ConstMatrix(static_cast<Type>(m->type),
                     static_cast<const uint8_t*>(m->data), m->rows, m->cols,
                     m->stride_bytes);
}
MutableMatrix View(const nibble_matrix* m) noexcept {
  if (m == nullptr) return MutableMatrix(Type::kF32, nullptr, 1, 1);
  return MutableMatrix(static_cast<Type>(m->type),
                       static_cast<uint8_t*>(m->data), m->rows, m->cols,
                       m->stride_bytes);
}

// All zero is everything, for which C++ says part 0 of 1.
Share ShareOf(const nibble_share& share) noexcept {
  if (share.part == 0 && share.parts == 0) return Share{};
  return Share{share.part, share.parts};
}

// The caller's threads, if any, as an object that lives as long as the call.
class Threads {
 public:
  explicit Threads(const nibble_parallel_for* p) noexcept
      : given_(p != nullptr) {
    if (given_) parallel_ = ParallelFor{p->run, p->context, p->threads};
  }
  const ParallelFor* get() const noexcept {
    return given_ ? &parallel_ : nullptr;
  }

 private:
  bool given_;
  ParallelFor parallel_;
};

// Numbers C lets through and the C++ enums do not have.
Status CheckOptions(const nibble_quantize_options& o) noexcept {
  if (o.search > NIBBLE_SEARCH_EXHAUSTIVE) {
    return InvalidArgument("options: no search %u", o.search);
  }
  if (o.weights > NIBBLE_WEIGHTS_IMPORTANCE) {
    return InvalidArgument("options: no weight rule %u", o.weights);
  }
  return OkStatus();
}
Status CheckLayout(const nibble_activation_layout& layout) noexcept {
  if (layout.kind > NIBBLE_ACTIVATIONS_BF16_PANELS ||
      layout.order > UINT16_MAX) {
    return InvalidArgument("activations: no layout %u.%u", layout.kind,
                           layout.order);
  }
  return OkStatus();
}

ActivationLayout LayoutOf(const nibble_activation_layout& layout) noexcept {
  return ActivationLayout{static_cast<ActivationKind>(layout.kind),
                          static_cast<uint16_t>(layout.order)};
}
nibble_activation_layout LayoutOf(const ActivationLayout& layout) noexcept {
  return {static_cast<nibble_activation_kind>(layout.kind), layout.order};
}

// *view = the C++ view of x.
Status ActivationsOf(const nibble_packed_activations* x,
                     PackedActivations* view) noexcept {
  if (x == nullptr) return InvalidArgument("x is null");
  NIBBLE_RETURN_IF_ERROR(CheckLayout(x->layout));
  *view = PackedActivations{LayoutOf(x->layout),
                            static_cast<const uint8_t*>(x->data), x->tokens,
                            x->cols};
  return OkStatus();
}

Routing RoutingOf(const nibble_routing& r) noexcept {
  return Routing{r.experts, r.begin, r.x_rows, r.y_rows};
}
nibble_routing RoutingOf(const Routing& r) noexcept {
  return {r.experts, r.begin, r.x_rows, r.y_rows};
}

MatmulOptions OptionsOf(const nibble_matmul_options& o,
                        const Threads& threads) noexcept {
  MatmulOptions options;
  options.share = ShareOf(o.share);
  options.parallel = threads.get();
  options.scratch = o.scratch;
  options.scratch_bytes = o.scratch_bytes;
  return options;
}

}  // namespace
}  // namespace nibble

using nibble::Guarded;
using nibble::View;

extern "C" {

const char* nibble_version(void) { return NIBBLE_VERSION; }

// ---- Types.

size_t nibble_type_count(void) { return nibble::QuantizedTypes().size(); }

nibble_type nibble_type_at(size_t index) {
  const nibble::TypeList types = nibble::QuantizedTypes();
  if (index >= types.size()) return NIBBLE_TYPE_UNKNOWN;
  return static_cast<nibble_type>(types.first[index].type);
}

int nibble_find_type_info(nibble_type type, nibble_type_info* out) {
  const nibble::TypeInfo* info =
      nibble::FindTypeInfo(static_cast<nibble::Type>(type));
  if (info == nullptr || out == nullptr) return 0;
  out->type = type;
  out->name = info->name;
  out->symbol = info->symbol;
  out->summary = info->summary;
  out->block_weights = info->block_weights;
  out->block_bytes = info->block_bytes;
  out->sub_block_weights = info->sub_block_weights;
  out->row_header_bytes = info->row_header_bytes;
  out->quantized = info->quantized;
  out->wants_importance = info->wants_importance;
  out->fallback = static_cast<nibble_type>(info->fallback);
  out->inference_factor = info->inference_factor;
  return 1;
}

nibble_type nibble_type_from_name(const char* name) {
  if (name == nullptr) return NIBBLE_TYPE_UNKNOWN;
  const auto type = nibble::TypeFromName(name);
  if (!type.has_value()) return NIBBLE_TYPE_UNKNOWN;
  return static_cast<nibble_type>(*type);
}

const char* nibble_type_name(nibble_type type) {
  return nibble::TypeName(static_cast<nibble::Type>(type));
}

size_t nibble_row_bytes(nibble_type type, size_t cols) {
  return nibble::RowBytes(static_cast<nibble::Type>(type), cols);
}

nibble_type nibble_fallback_type(nibble_type type, size_t cols) {
  return static_cast<nibble_type>(
      nibble::FallbackType(static_cast<nibble::Type>(type), cols));
}

// ---- Targets.

size_t nibble_target_count(void) {
  size_t count = 0;
  Guarded(nullptr, [&] {
    count = nibble::AvailableTargets().size();
    return nibble::OkStatus();
  });
  return count;
}

void nibble_target_name(size_t index, char* name, size_t bytes) {
  nibble::CopyText("", name, bytes);
  Guarded(nullptr, [&] {
    const auto names = nibble::AvailableTargets();
    if (index < names.size()) {
      nibble::CopyText(names[index].c_str(), name, bytes);
    }
    return nibble::OkStatus();
  });
}

void nibble_chosen_target(char* name, size_t bytes) {
  nibble::CopyText("", name, bytes);
  Guarded(nullptr, [&] {
    nibble::CopyText(nibble::ChosenTarget().c_str(), name, bytes);
    return nibble::OkStatus();
  });
}

nibble_status nibble_force_target(const char* target, nibble_message* message) {
  return Guarded(message, [&] {
    return nibble::ForceTarget(target != nullptr ? target : "");
  });
}

// ---- Rows.

nibble_status nibble_dequantize(const nibble_const_matrix* packed,
                                const nibble_matrix* out,
                                nibble_message* message) {
  return Guarded(message,
                 [&] { return nibble::Dequantize(View(packed), View(out)); });
}

nibble_status nibble_validate(const nibble_const_matrix* packed,
                              nibble_message* message) {
  return Guarded(message, [&] { return nibble::Validate(View(packed)); });
}

// ---- Row-interleaved types.

size_t nibble_interleaved_count(void) {
  return nibble::InterleavedTypes().size();
}

nibble_interleaved_type nibble_interleaved_at(size_t index) {
  const nibble::InterleavedList types = nibble::InterleavedTypes();
  if (index >= types.size()) return NIBBLE_INTERLEAVED_UNKNOWN;
  return static_cast<nibble_interleaved_type>(types.first[index].type);
}

int nibble_find_interleaved(nibble_interleaved_type type,
                            nibble_interleaved_info* info) {
  const nibble::InterleavedInfo* found =
      nibble::FindInterleaved(static_cast<nibble::InterleavedType>(type));
  if (found == nullptr || info == nullptr) return 0;
  *info = nibble_interleaved_info{type, found->name, found->symbol,
                                  static_cast<nibble_type>(found->base),
                                  found->rows};
  return 1;
}

nibble_interleaved_type nibble_interleaved_from_name(const char* name) {
  if (name == nullptr) return NIBBLE_INTERLEAVED_UNKNOWN;
  const auto type = nibble::InterleavedFromName(name);
  if (!type) return NIBBLE_INTERLEAVED_UNKNOWN;
  return static_cast<nibble_interleaved_type>(*type);
}

size_t nibble_interleaved_bytes(nibble_interleaved_type type, size_t rows,
                                size_t cols) {
  return nibble::InterleavedBytes(static_cast<nibble::InterleavedType>(type),
                                  rows, cols);
}

nibble_status nibble_interleave(const nibble_const_matrix* rows,
                                nibble_interleaved_type type, void* groups,
                                size_t bytes, nibble_message* message) {
  return Guarded(message, [&] {
    return nibble::Interleave(View(rows),
                              static_cast<nibble::InterleavedType>(type),
                              static_cast<uint8_t*>(groups), bytes);
  });
}

nibble_status nibble_deinterleave(nibble_interleaved_type type,
                                  const void* groups, size_t bytes,
                                  const nibble_matrix* rows,
                                  nibble_message* message) {
  return Guarded(message, [&] {
    return nibble::Deinterleave(static_cast<nibble::InterleavedType>(type),
                                static_cast<const uint8_t*>(groups), bytes,
                                View(rows));
  });
}

void nibble_quantize_options_init(nibble_quantize_options* options) {
  if (options == nullptr) return;
  *options = nibble_quantize_options{};
  options->search = NIBBLE_SEARCH_DEFAULT;
}

size_t nibble_quantize_scratch_bytes(nibble_type type, size_t cols) {
  return nibble::QuantizeScratchBytes(static_cast<nibble::Type>(type), cols);
}

nibble_status nibble_quantize(const nibble_const_matrix* source,
                              const nibble_matrix* packed,
                              const nibble_quantize_options* options,
                              nibble_message* message) {
  nibble_quantize_options o;
  nibble_quantize_options_init(&o);
  if (options != nullptr) o = *options;
  const nibble::Threads threads(o.parallel);
  return Guarded(message, [&] {
    NIBBLE_RETURN_IF_ERROR(nibble::CheckOptions(o));
    nibble::QuantizeOptions all;
    all.search = static_cast<nibble::Search>(o.search);
    all.weights = static_cast<nibble::WeightRule>(o.weights);
    all.importance = o.importance;
    all.share = nibble::ShareOf(o.share);
    all.parallel = threads.get();
    all.scratch = o.scratch;
    all.scratch_bytes = o.scratch_bytes;
    return nibble::Quantize(View(source), View(packed), all);
  });
}

// ---- Activations and products.

nibble_activation_layout nibble_choose_activation_layout(nibble_type type,
                                                         size_t tokens) {
  return nibble::LayoutOf(
      nibble::ChooseActivationLayout(static_cast<nibble::Type>(type), tokens));
}

size_t nibble_packed_activation_bytes(nibble_activation_layout layout,
                                      size_t tokens, size_t cols) {
  if (!nibble::CheckLayout(layout).ok()) return 0;
  return nibble::PackedActivationBytes(nibble::LayoutOf(layout), tokens, cols);
}

nibble_status nibble_pack_activations(nibble_activation_layout layout,
                                      const nibble_const_matrix* x, void* out,
                                      nibble_packed_activations* packed,
                                      nibble_message* message) {
  return Guarded(message, [&] {
    NIBBLE_RETURN_IF_ERROR(nibble::CheckLayout(layout));
    if (packed == nullptr) return nibble::InvalidArgument("packed is null");
    nibble::PackedActivations view;
    NIBBLE_RETURN_IF_ERROR(
        nibble::PackActivations(nibble::LayoutOf(layout), View(x), out, &view));
    *packed = {nibble::LayoutOf(view.layout), view.data, view.tokens,
               view.cols};
    return nibble::OkStatus();
  });
}

nibble_status nibble_matvec(const nibble_const_matrix* weights,
                            const nibble_packed_activations* x,
                            const nibble_matrix* y,
                            const nibble_matvec_options* options,
                            nibble_message* message) {
  const nibble_matvec_options o =
      options != nullptr ? *options : nibble_matvec_options{};
  const nibble::Threads threads(o.parallel);
  return Guarded(message, [&] {
    nibble::PackedActivations view;
    NIBBLE_RETURN_IF_ERROR(nibble::ActivationsOf(x, &view));
    return nibble::Matvec(View(weights), view, View(y),
                          {nibble::ShareOf(o.share), threads.get()});
  });
}

nibble_status nibble_dot(const nibble_const_matrix* row,
                         const nibble_packed_activations* x, size_t token,
                         float* result, nibble_message* message) {
  return Guarded(message, [&] {
    if (result == nullptr) return nibble::InvalidArgument("result is null");
    nibble::PackedActivations view;
    NIBBLE_RETURN_IF_ERROR(nibble::ActivationsOf(x, &view));
    return nibble::Dot(View(row), view, token, result);
  });
}

size_t nibble_matmul_scratch_bytes(nibble_activation_layout layout, size_t rows,
                                   size_t cols, size_t tokens) {
  if (!nibble::CheckLayout(layout).ok()) return 0;
  return nibble::MatmulScratchBytes(nibble::LayoutOf(layout), rows, cols,
                                    tokens);
}

nibble_status nibble_matmul(const nibble_const_matrix* weights,
                            const nibble_packed_activations* x,
                            const nibble_matrix* y,
                            const nibble_matmul_options* options,
                            nibble_message* message) {
  const nibble_matmul_options o =
      options != nullptr ? *options : nibble_matmul_options{};
  const nibble::Threads threads(o.parallel);
  return Guarded(message, [&] {
    nibble::PackedActivations view;
    NIBBLE_RETURN_IF_ERROR(nibble::ActivationsOf(x, &view));
    return nibble::Matmul(View(weights), view, View(y),
                          nibble::OptionsOf(o, threads));
  });
}

nibble_status nibble_matmul_floats(const nibble_const_matrix* weights,
                                   const nibble_const_matrix* x,
                                   const nibble_matrix* y,
                                   const nibble_matmul_options* options,
                                   nibble_message* message) {
  const nibble_matmul_options o =
      options != nullptr ? *options : nibble_matmul_options{};
  const nibble::Threads threads(o.parallel);
  return Guarded(message, [&] {
    return nibble::Matmul(View(weights), View(x), View(y),
                          nibble::OptionsOf(o, threads));
  });
}

// ---- Experts.

size_t nibble_routing_bytes(size_t experts, size_t tokens, size_t used) {
  return nibble::RoutingBytes(experts, tokens, used);
}

nibble_status nibble_route_tokens(const nibble_expert_ids* ids, size_t experts,
                                  void* memory, nibble_token_routing* routing,
                                  nibble_message* message) {
  return Guarded(message, [&] {
    if (ids == nullptr) return nibble::InvalidArgument("ids is null");
    if (routing == nullptr) return nibble::InvalidArgument("routing is null");
    nibble::TokenRouting view;
    NIBBLE_RETURN_IF_ERROR(
        nibble::RouteTokens({ids->ids, ids->tokens, ids->used, ids->stride},
                            experts, memory, &view));
    *routing = {view.experts, view.begin, view.tokens, view.slots};
    return nibble::OkStatus();
  });
}

size_t nibble_packed_expert_activation_bytes(nibble_type type, size_t experts,
                                             size_t entries, size_t cols) {
  return nibble::PackedExpertActivationBytes(static_cast<nibble::Type>(type),
                                             experts, entries, cols);
}

nibble_status nibble_pack_expert_activations(
    nibble_type type, const nibble_const_matrix* x,
    const nibble_routing* routing, void* out,
    nibble_packed_expert_activations* packed,
    const nibble_pack_expert_options* options, nibble_message* message) {
  const nibble_pack_expert_options o =
      options != nullptr ? *options : nibble_pack_expert_options{};
  const nibble::Threads threads(o.parallel);
  return Guarded(message, [&] {
    if (routing == nullptr) return nibble::InvalidArgument("routing is null");
    if (packed == nullptr) return nibble::InvalidArgument("packed is null");
    nibble::PackedExpertActivations view;
    NIBBLE_RETURN_IF_ERROR(nibble::PackExpertActivations(
        static_cast<nibble::Type>(type), View(x), nibble::RoutingOf(*routing),
        out, &view, {nibble::ShareOf(o.share), threads.get()}));
    *packed = {nibble::RoutingOf(view.routing),
               static_cast<nibble_type>(view.type), view.data, view.cols,
               view.target};
    return nibble::OkStatus();
  });
}

size_t nibble_matmul_experts_scratch_bytes(nibble_type type, size_t rows,
                                           size_t cols, size_t entries) {
  return nibble::MatmulExpertsScratchBytes(static_cast<nibble::Type>(type),
                                           rows, cols, entries);
}

nibble_status nibble_matmul_experts(const nibble_expert_weights* weights,
                                    const nibble_packed_expert_activations* x,
                                    const nibble_matrix* y,
                                    const nibble_matmul_options* options,
                                    nibble_message* message) {
  const nibble_matmul_options o =
      options != nullptr ? *options : nibble_matmul_options{};
  const nibble::Threads threads(o.parallel);
  return Guarded(message, [&] {
    if (weights == nullptr) return nibble::InvalidArgument("weights is null");
    if (x == nullptr) return nibble::InvalidArgument("x is null");
    const nibble::PackedExpertActivations packed = {
        nibble::RoutingOf(x->routing), static_cast<nibble::Type>(x->type),
        static_cast<const uint8_t*>(x->data), x->cols, x->target};
    return nibble::MatmulExperts(
        {View(&weights->first), weights->experts, weights->expert_stride_bytes},
        packed, View(y), nibble::OptionsOf(o, threads));
  });
}

int nibble_uses_amx(void) { return nibble::Answer(nibble::UsesAmx); }
int nibble_uses_avx_vnni(void) { return nibble::Answer(nibble::UsesAvxVnni); }
int nibble_uses_i8mm(void) { return nibble::Answer(nibble::UsesI8mm); }
}  // extern "C"
