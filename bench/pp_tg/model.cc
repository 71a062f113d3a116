// SPDX-License-Identifier: MIT
#include "bench/pp_tg/model.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <stdexcept>

#include "bench/require.h"
#include "bench/type_list.h"
#include "gguf/failure.h"
#include "gguf/gguf_file.h"
#include "gguf/recipe.h"
#include "gguf/tensor_types.h"

namespace nibble::pp_tg {
namespace {

// What llama.cpp calls the matrices of a layer, in the order of a forward pass;
// equal numbers share their input. exps: as many as there are experts; shexp:
// an expert that all tokens use.
struct Role {
  const char* name;
  size_t input;
  bool experts = false;
  bool by_choice = false;
};
constexpr Role kRoles[] = {{"attn_q", 0},
                           {"attn_k", 0},
                           {"attn_v", 0},
                           {"attn_qkv", 0},
                           {"attn_output", 1},
                           {"ffn_gate", 2},
                           {"ffn_up", 2},
                           {"ffn_gate_shexp", 2},
                           {"ffn_up_shexp", 2},
                           {"ffn_gate_exps", 2, true},
                           {"ffn_up_exps", 2, true},
                           {"ffn_down", 3},
                           {"ffn_down_shexp", 3},
                           {"ffn_down_exps", 3, true, true}};

const Role& FindRole(const std::string& name) {
  return *std::find_if(std::begin(kRoles), std::end(kRoles),
                       [&](const Role& role) { return role.name == name; });
}

std::string TensorName(size_t layer, const char* role) {
  return fmt::format("blk.{}.{}.weight", layer, role);
}

// A line of models.def.
struct Shape {
  const char* name;
  size_t layers, embedding, ffn, experts, used, heads, kv_heads, head_size,
      vocab;
  bool tied;
  uint64_t parameters;
};
constexpr Shape kShapes[] = {
#define NIBBLE_MODEL(...) Shape{__VA_ARGS__},
#include "bench/pp_tg/models.def"
#undef NIBBLE_MODEL
};

std::vector<Matrix> LayerOf(const Shape& shape, size_t layer) {
  const size_t q = shape.heads * shape.head_size;
  const size_t kv = shape.kv_heads * shape.head_size;
  const std::string exps = shape.experts > 1 ? "_exps" : "";
  const struct {
    std::string role;
    size_t rows, cols;
  } matrices[] = {{"attn_q", q, shape.embedding},
                  {"attn_k", kv, shape.embedding},
                  {"attn_v", kv, shape.embedding},
                  {"attn_output", shape.embedding, q},
                  {"ffn_gate" + exps, shape.ffn, shape.embedding},
                  {"ffn_up" + exps, shape.ffn, shape.embedding},
                  {"ffn_down" + exps, shape.embedding, shape.ffn}};
  std::vector<Matrix> result;
  for (const auto& m : matrices) {
    const Role& role = FindRole(m.role);
    Matrix matrix;
    matrix.name = TensorName(layer, role.name);
    matrix.rows = m.rows;
    matrix.cols = m.cols;
    matrix.input = role.input;
    if (role.experts) {
      matrix.experts = shape.experts;
      matrix.used = shape.used;
      matrix.by_choice = role.by_choice;
    }
    result.push_back(matrix);
  }
  return result;
}

Model ModelOf(const Shape& shape) {
  Model model;
  model.name = shape.name;
  model.parameters = shape.parameters;
  for (size_t l = 0; l < shape.layers; ++l) {
    model.layers.push_back(LayerOf(shape, l));
  }
  model.head.name = "output.weight";
  model.head.rows = shape.vocab;
  model.head.cols = shape.embedding;
  uint64_t matrices = model.LayerWeights(shape.layers) + model.head.weights();
  if (!shape.tied) {
    model.embedding = model.head;
    model.embedding->name = "token_embd.weight";
    matrices += model.embedding->weights();
  }
  model.other_bytes = (shape.parameters - matrices) * sizeof(float);
  return model;
}

// ---- GGUF files.

class FileReader {
 public:
  explicit FileReader(const std::string& path) {
    Require(gguf::GgufFile::Open(path, &file_));
    model_.name = std::filesystem::path(path).stem().string();
    const gguf::Metadata& metadata = file_.contents().metadata;
    const auto architecture = metadata.String("general.architecture");
    used_ =
        metadata.FirstUnsigned(architecture.value_or("") + ".expert_used_count")
            .value_or(0);
  }

  Model Read() {
    while (ReadLayer(model_.layers.size())) {
    }
    if (model_.layers.empty()) Refuse("blk.0", "there are no layers");
    ReadHead();
    for (const gguf::Tensor& tensor : file_.tensors()) CountOther(tensor);
    return std::move(model_);
  }

 private:
  [[noreturn]] void Refuse(const std::string& tensor, const char* why) const {
    throw std::runtime_error(
        fmt::format("{}: {}: {}", file_.path(), gguf::Printable(tensor), why));
  }

  // Null if there is no such matrix.
  const gguf::Tensor* Find(const std::string& name) {
    const gguf::Tensor* tensor = file_.contents().FindTensor(name);
    if (tensor == nullptr) return nullptr;
    found_[name] = tensor;
    return tensor;
  }

  Matrix MatrixOf(const gguf::Tensor& tensor, const Role& role) const {
    Matrix matrix;
    matrix.name = tensor.name;
    matrix.experts = tensor.matrices();
    matrix.rows = tensor.rows() / matrix.experts;
    matrix.cols = tensor.cols();
    matrix.input = role.input;
    matrix.stored_bytes = tensor.bytes;
    const std::optional<Type> type = gguf::LibraryType(tensor.type);
    if (type && FindTypeInfo(*type)->quantized) matrix.type = type;
    if (!role.experts) {
      if (matrix.experts != 1) Refuse(tensor.name, "not a single matrix");
      return matrix;
    }
    matrix.used = used_;
    matrix.by_choice = role.by_choice;
    if (used_ == 0 || used_ > matrix.experts) {
      Refuse(tensor.name, "expert_used_count does not fit its experts");
    }
    return matrix;
  }

  bool ReadLayer(size_t layer) {
    std::vector<Matrix> matrices;
    for (const Role& role : kRoles) {
      const gguf::Tensor* tensor = Find(TensorName(layer, role.name));
      if (tensor != nullptr) matrices.push_back(MatrixOf(*tensor, role));
    }
    if (matrices.empty()) return false;
    model_.layers.push_back(std::move(matrices));
    return true;
  }

  void ReadHead() {
    const gguf::Tensor* embedding = Find("token_embd.weight");
    const gguf::Tensor* output = Find("output.weight");
    if (embedding == nullptr) Refuse("token_embd.weight", "is not there");
    const Role head = {"output", 0};
    if (output != nullptr) model_.embedding = MatrixOf(*embedding, head);
    model_.head = MatrixOf(output != nullptr ? *output : *embedding, head);
  }

  void CountOther(const gguf::Tensor& tensor) {
    model_.parameters += tensor.weights();
    if (found_.count(tensor.name) != 0) return;
    if (gguf::IsWeightMatrix(tensor)) {
      Refuse(tensor.name,
             "a matrix this program does not know: only those of attention, "
             "feed-forward networks and experts");
    }
    model_.other_bytes += tensor.bytes;
  }

  gguf::GgufFile file_;
  uint64_t used_;  // experts per token
  Model model_;
  std::map<std::string, const gguf::Tensor*> found_;
};

// ---- Types.

void SetType(Type wanted, Matrix* matrix) {
  matrix->type = FallbackType(wanted, matrix->cols);
  const TypeInfo* info = FindTypeInfo(*matrix->type);
  if (info == nullptr || !info->quantized) {
    throw std::invalid_argument(fmt::format(
        "{}: neither {} nor a substitute in this build can store "
        "rows of {} weights",
        gguf::Printable(matrix->name), TypeName(wanted), matrix->cols));
  }
}

void RequireType(const Matrix& matrix) {
  if (matrix.type) return;
  throw std::invalid_argument(
      fmt::format("{}: of no quantized type of this build: give --type",
                  gguf::Printable(matrix.name)));
}

}  // namespace

double Matrix::Needed(size_t tokens) const {
  const double chosen =
      static_cast<double>(used) / static_cast<double>(experts);
  return 1 - std::pow(1 - chosen, static_cast<double>(tokens));
}

uint64_t Model::Bytes() const {
  return LayerBytes(layers.size()) + head.bytes() +
         (embedding ? embedding->bytes() : 0) + other_bytes;
}

double Model::UsedWeights() const {
  double weights = 0;
  for (const auto& layer : layers) {
    for (const Matrix& matrix : layer) {
      weights += static_cast<double>(matrix.weights() / matrix.experts) *
                 static_cast<double>(matrix.used);
    }
  }
  return weights;
}

double Model::NeededBytes(size_t tokens) const {
  double bytes = 0;
  for (const auto& layer : layers) {
    for (const Matrix& matrix : layer) {
      bytes += static_cast<double>(matrix.bytes()) * matrix.Needed(tokens);
    }
  }
  return bytes;
}

uint64_t Model::LayerWeights(size_t count) const {
  uint64_t weights = 0;
  for (size_t l = 0; l < count; ++l) {
    for (const Matrix& matrix : layers[l]) weights += matrix.weights();
  }
  return weights;
}

uint64_t Model::LayerBytes(size_t count) const {
  uint64_t bytes = 0;
  for (size_t l = 0; l < count; ++l) {
    for (const Matrix& matrix : layers[l]) bytes += matrix.bytes();
  }
  return bytes;
}

std::string Model::LayerTypes() const {
  std::map<Type, uint64_t> weights;
  for (const auto& layer : layers) {
    for (const Matrix& matrix : layer)
      weights[*matrix.type] += matrix.weights();
  }
  std::vector<std::pair<uint64_t, Type>> sorted;
  for (const auto& [type, count] : weights) sorted.emplace_back(count, type);
  std::sort(sorted.rbegin(), sorted.rend());
  std::string names;
  for (const auto& [count, type] : sorted) {
    names += (names.empty() ? "" : "+") + TableName(type);
  }
  return names;
}

double Model::LayerBits() const {
  return 8.0 * static_cast<double>(LayerBytes(layers.size())) /
         static_cast<double>(LayerWeights(layers.size()));
}

std::string ModelNames() {
  std::string names;
  for (const Shape& shape : kShapes) {
    names += (names.empty() ? "" : "|") + std::string(shape.name);
  }
  return names;
}

Model FindModel(const std::string& name) {
  for (const Shape& shape : kShapes) {
    if (name == shape.name) return ModelOf(shape);
  }
  throw std::invalid_argument("unknown model: " + name + ", known are " +
                              ModelNames());
}

Model ReadModel(const std::string& path) { return FileReader(path).Read(); }

Model WithTypes(Model model, Type main, Type head) {
  for (auto& layer : model.layers) {
    for (Matrix& matrix : layer) SetType(main, &matrix);
  }
  SetType(head, &model.head);
  if (model.embedding) SetType(main, &*model.embedding);
  return model;
}

void RequireTypes(const Model& model) {
  for (const auto& layer : model.layers) {
    for (const Matrix& matrix : layer) RequireType(matrix);
  }
  RequireType(model.head);
}

}  // namespace nibble::pp_tg
