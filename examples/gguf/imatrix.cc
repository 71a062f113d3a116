// SPDX-License-Identifier: MIT
#include "gguf/imatrix.h"

#include <cmath>
#include <cstring>
#include <string_view>
#include <utility>

#include "gguf/byte_reader.h"
#include "gguf/failure.h"
#include "gguf/mapped_file.h"
#include "gguf/recipe.h"

namespace nibble::gguf {
namespace {

constexpr uint32_t kFloat32Id = 0;
constexpr std::string_view kSumsSuffix = ".in_sum2";
constexpr std::string_view kCountsSuffix = ".counts";
constexpr int32_t kMaxNameBytes = 1024;

bool EndsWith(std::string_view text, std::string_view suffix) {
  return text.size() >= suffix.size() &&
         text.substr(text.size() - suffix.size()) == suffix;
}

std::vector<float> FloatsAt(const uint8_t* data, size_t count) {
  std::vector<float> values(count);
  std::memcpy(values.data(), data, count * sizeof(float));
  return values;
}

Status Bad(const std::string& path, std::string_view message) {
  return Failure(StatusCode::kInvalidData, "{}: {}", path, message);
}

// Adds an entry whose `values` are already divided by their counts.
Status AddEntry(const std::string& name, Importance entry, Imatrix* imatrix) {
  for (size_t i = 0; i < entry.values.size(); ++i) {
    const float value = entry.values[i];
    if (!(value >= 0) || std::isinf(value)) {
      return Bad(imatrix->path, fmt::format("entry {}: value {} is {}",
                                            Quote(name), i, value));
    }
  }
  if (!imatrix->entries.emplace(name, std::move(entry)).second) {
    return Bad(imatrix->path,
               fmt::format("entry {} occurs twice", Quote(name)));
  }
  imatrix->names.push_back(name);
  return OkStatus();
}

// ---- GGUF

// Divides the sums of every matrix by its count.
Status AddSums(const std::string& name, const Tensor& sums,
               const Tensor& counts, Imatrix* imatrix) {
  const size_t matrices = counts.weights();
  if (sums.type != kFloat32Id || counts.type != kFloat32Id ||
      sums.rows() != matrices) {
    return Bad(imatrix->path,
               fmt::format("entry {}: {} rows of sums but {} counts, both of "
                           "which must be f32",
                           Quote(name), sums.rows(), matrices));
  }
  const std::vector<float> count = FloatsAt(counts.data, matrices);
  Importance entry;
  entry.matrices = matrices;
  entry.values = FloatsAt(sums.data, sums.weights());
  for (size_t m = 0; m < matrices; ++m) {
    if (!(count[m] >= 0) || std::isinf(count[m])) {
      return Bad(imatrix->path, fmt::format("entry {}: count {} is {}",
                                            Quote(name), m, count[m]));
    }
    entry.has_data.push_back(count[m] > 0);
    for (size_t c = 0; c < sums.cols(); ++c) {
      float& value = entry.values[m * sums.cols() + c];
      value = count[m] > 0 ? value / count[m] : 0;
    }
  }
  return AddEntry(name, std::move(entry), imatrix);
}

Status ParseGgufImatrix(const uint8_t* data, size_t size, Imatrix* imatrix) {
  Contents contents;
  NIBBLE_RETURN_IF_ERROR(ParseGguf(imatrix->path, data, size, &contents));
  const Metadata& metadata = contents.metadata;
  if (metadata.String("general.type") != "imatrix") {
    return Bad(imatrix->path,
               "a GGUF file, but not an imatrix "
               "(general.type is not 'imatrix')");
  }
  const auto datasets = metadata.Strings("imatrix.datasets");
  imatrix->dataset = datasets.empty() ? "" : datasets.front();
  imatrix->chunks = static_cast<uint32_t>(
      metadata.Unsigned("imatrix.chunk_count").value_or(0));
  std::unordered_map<std::string, const Tensor*> counts;
  for (const Tensor& tensor : contents.tensors) {
    if (EndsWith(tensor.name, kCountsSuffix)) counts[tensor.name] = &tensor;
  }
  for (const Tensor& tensor : contents.tensors) {
    if (!EndsWith(tensor.name, kSumsSuffix)) continue;
    const std::string name =
        tensor.name.substr(0, tensor.name.size() - kSumsSuffix.size());
    const auto found = counts.find(name + std::string(kCountsSuffix));
    if (found == counts.end()) {
      return Bad(imatrix->path,
                 fmt::format("entry {} has sums but no counts", Quote(name)));
    }
    NIBBLE_RETURN_IF_ERROR(AddSums(name, tensor, *found->second, imatrix));
  }
  return OkStatus();
}

// ---- Legacy .dat

class LegacyParser {
 public:
  LegacyParser(const uint8_t* data, size_t size, Imatrix* imatrix)
      : reader_(data, size), imatrix_(*imatrix) {}

  Status Parse() {
    int32_t entries;
    if (!reader_.Read(&entries)) return Truncated("the entry count");
    if (entries < 0) {
      return Bad(imatrix_.path,
                 fmt::format("not an imatrix: {} entries", entries));
    }
    for (int32_t i = 0; i < entries; ++i) {
      NIBBLE_RETURN_IF_ERROR(ReadEntry(i));
    }
    return ReadTail();
  }

 private:
  Status Truncated(std::string_view what) const {
    return Failure(StatusCode::kIo,
                   "{}: truncated, or not an imatrix: {} at byte {} does not "
                   "fit the {} bytes of the file",
                   imatrix_.path, what, reader_.position(),
                   reader_.position() + reader_.remaining());
  }

  Status ReadEntry(int32_t index) {
    std::string_view name;
    int32_t length, calls, count;
    if (!reader_.Read(&length)) {
      return Truncated(fmt::format("entry {}", index));
    }
    if (length < 0 || length > kMaxNameBytes) {
      return Bad(imatrix_.path,
                 fmt::format("not an imatrix: entry {} has a name of {} bytes",
                             index, length));
    }
    if (!reader_.ReadBytes(static_cast<uint64_t>(length), &name) ||
        !reader_.Read(&calls) || !reader_.Read(&count)) {
      return Truncated(fmt::format("entry {}", index));
    }
    if (calls < 0 || count <= 0) {
      return Bad(imatrix_.path, fmt::format("entry {}: {} values of {} calls",
                                            Quote(name), count, calls));
    }
    return ReadValues(std::string(name), static_cast<size_t>(count), calls);
  }

  Status ReadValues(const std::string& name, size_t count, int32_t calls) {
    std::string_view bytes;
    if (!reader_.ReadBytes(count * sizeof(float), &bytes)) {
      return Truncated(
          fmt::format("the {} values of entry {}", count, Quote(name)));
    }
    Importance entry;
    entry.has_data = {calls > 0};
    entry.values =
        FloatsAt(reinterpret_cast<const uint8_t*>(bytes.data()), count);
    for (float& value : entry.values) {
      value = calls > 0 ? value / static_cast<float>(calls) : 0;
    }
    return AddEntry(name, std::move(entry), &imatrix_);
  }

  // Old files end here; newer ones add the chunk count and the dataset.
  Status ReadTail() {
    if (reader_.remaining() == 0) return OkStatus();
    int32_t chunks, length;
    std::string_view dataset;
    if (!reader_.Read(&chunks) || !reader_.Read(&length) || length < 0 ||
        !reader_.ReadBytes(static_cast<uint64_t>(length), &dataset)) {
      return Truncated("the dataset name");
    }
    imatrix_.chunks = chunks > 0 ? static_cast<uint32_t>(chunks) : 0;
    imatrix_.dataset = std::string(dataset);
    return OkStatus();
  }

  ByteReader reader_;
  Imatrix& imatrix_;
};

// ---- The model

// Gives the entry the shape of its tensor.
Status FitEntry(const Tensor& tensor, const Imatrix& imatrix,
                Importance* entry) {
  const uint64_t expected = tensor.cols() * tensor.matrices();
  const bool legacy = entry->matrices == 1;
  if (entry->values.size() != expected ||
      (!legacy && entry->matrices != tensor.matrices())) {
    return Bad(imatrix.path,
               fmt::format("belongs to another model: entry {} has {} values, "
                           "the tensor {} columns x {} matrices",
                           Quote(tensor.name), entry->values.size(),
                           tensor.cols(), tensor.matrices()));
  }
  entry->matrices = tensor.matrices();
  entry->has_data.resize(entry->matrices, entry->has_data.front());
  return OkStatus();
}

}  // namespace

const Importance* Imatrix::Find(const std::string& name) const {
  const auto found = entries.find(name);
  return found == entries.end() ? nullptr : &found->second;
}

Status ParseImatrix(const std::string& path, const uint8_t* data, size_t size,
                    Imatrix* imatrix) {
  *imatrix = Imatrix();
  imatrix->path = path;
  const bool is_gguf = size >= 4 && std::memcmp(data, "GGUF", 4) == 0;
  NIBBLE_RETURN_IF_ERROR(is_gguf ? ParseGgufImatrix(data, size, imatrix)
                                 : LegacyParser(data, size, imatrix).Parse());
  if (imatrix->entries.empty()) return Bad(path, "an imatrix without entries");
  return OkStatus();
}

Status LoadImatrix(const std::string& path, Imatrix* imatrix) {
  MappedFile file;
  NIBBLE_RETURN_IF_ERROR(MappedFile::Open(path, &file));
  return ParseImatrix(path, file.data(), file.size(), imatrix);
}

Status CheckImatrix(const Contents& model, const std::string& model_path,
                    Imatrix* imatrix) {
  size_t wanted = 0;   // tensors an imatrix tool would have seen
  size_t covered = 0;  // of these, how many have an entry
  size_t known = 0;    // entries that name a tensor
  for (const Tensor& tensor : model.tensors) {
    const bool is_wanted = IsWeightMatrix(tensor) && !IsVocabulary(tensor);
    wanted += is_wanted;
    const auto found = imatrix->entries.find(tensor.name);
    if (found == imatrix->entries.end()) continue;
    NIBBLE_RETURN_IF_ERROR(FitEntry(tensor, *imatrix, &found->second));
    covered += is_wanted;
    ++known;
  }
  const size_t entries = imatrix->entries.size();
  if (2 * known < entries || 2 * covered < wanted) {
    return Bad(imatrix->path,
               fmt::format("belongs to another model: {} of its {} entries "
                           "name tensors of {}, {} of whose {} matrices have "
                           "an entry (first entry: {})",
                           known, entries, model_path, covered, wanted,
                           Quote(imatrix->names.front())));
  }
  return OkStatus();
}

}  // namespace nibble::gguf
