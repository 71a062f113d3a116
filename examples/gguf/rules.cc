// SPDX-License-Identifier: MIT
#include "gguf/rules.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <fstream>
#include <iterator>
#include <sstream>

#include "gguf/failure.h"
#include "gguf/tensor_types.h"

namespace nibble::gguf {
namespace {

constexpr const char* kNumbers[] = {"layer", "layers", "experts",
                                    "gqa",   "vocab",  "bits"};
constexpr const char* kFlags[] = {"more_bits", "tied", "imatrix"};

// std::regex compiles by recursion: 100,000 parentheses are a stack overflow.
// A thousand layers in one rule are 4,000 bytes.
constexpr size_t kMaxRuleBytes = 4096;

template <size_t N>
bool IsOneOf(const std::string& word, const char* const (&words)[N]) {
  return std::find(std::begin(words), std::end(words), word) != std::end(words);
}

bool IsSpace(char c) { return std::isspace(static_cast<unsigned char>(c)); }

std::string Trim(std::string_view text) {
  while (!text.empty() && IsSpace(text.front())) text.remove_prefix(1);
  while (!text.empty() && IsSpace(text.back())) text.remove_suffix(1);
  return std::string(text);
}

std::vector<std::string> Words(const std::string& text) {
  std::istringstream stream(text);
  return {std::istream_iterator<std::string>(stream), {}};
}

std::vector<std::string> Split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  std::istringstream stream(text);
  for (std::string part; std::getline(stream, part, separator);) {
    parts.push_back(Trim(part));
  }
  return parts;
}

Status Malformed(const std::string& what, const char* form) {
  return Failure(StatusCode::kInvalidArgument, "{} is not of the form {}",
                 Quote(what), form);
}

// The number in a match, or `otherwise` if there is none. Digits that overflow
// become the largest number.
uint64_t NumberOr(const std::string& digits, uint64_t otherwise) {
  if (digits.empty()) return otherwise;
  return std::strtoull(digits.c_str(), nullptr, 10);
}

double ValueOf(const std::string& subject, const ModelFacts& facts,
               uint64_t layer) {
  if (subject == "layer") return static_cast<double>(layer);
  if (subject == "layers") return static_cast<double>(facts.layers);
  if (subject == "experts") return static_cast<double>(facts.experts);
  if (subject == "gqa") return static_cast<double>(facts.gqa);
  if (subject == "vocab") return static_cast<double>(facts.vocab);
  if (subject == "bits") return facts.bits;
  if (subject == "tied") return facts.tied;
  if (subject == "imatrix") return facts.imatrix;
  return GetsMoreBits(layer, facts.layers);
}

Status ParseChoice(const std::string& name, Choice* choice) {
  *choice = Choice();
  if (name == "keep") return OkStatus();
  choice->kind = Choice::Kind::kMain;
  if (name == "main") return OkStatus();
  choice->kind = Choice::Kind::kType;
  const TensorType* type = FindTensorType(name);
  if (type == nullptr) {
    return Failure(StatusCode::kInvalidArgument, "unknown type {}",
                   Quote(name));
  }
  choice->type = type->id;
  return OkStatus();
}

// The first element of the array or the value itself: some models list their
// heads layer by layer.
uint64_t HeadsOf(const Contents& model, const std::string& key,
                 uint64_t otherwise) {
  const auto arch = model.metadata.String("general.architecture");
  if (!arch) return otherwise;
  return model.metadata.FirstUnsigned(*arch + "." + key).value_or(otherwise);
}

}  // namespace

ModelFacts FactsOf(const Contents& model, bool has_imatrix,
                   uint32_t main_type) {
  ModelFacts facts;
  for (const Tensor& tensor : model.tensors) {
    const std::optional<uint64_t> layer = LayerOf(tensor.name);
    if (layer) facts.layers = std::max(facts.layers, *layer + 1);
    if (tensor.name == "token_embd.weight") facts.vocab = tensor.rows();
  }
  facts.layers = HeadsOf(model, "block_count", facts.layers);
  facts.experts = HeadsOf(model, "expert_count", 0);
  const uint64_t heads = HeadsOf(model, "attention.head_count", 1);
  const uint64_t shared = HeadsOf(model, "attention.head_count_kv", heads);
  facts.gqa = shared == 0 ? 0 : heads / shared;
  facts.tied = model.FindTensor("output.weight") == nullptr;
  facts.imatrix = has_imatrix;
  const TensorType* type = FindTensorType(main_type);
  facts.bits = type != nullptr ? type->bits_per_weight() : 0;
  return facts;
}

std::optional<uint64_t> LayerOf(std::string_view tensor_name) {
  const size_t begin = tensor_name.find("blk.");
  if (begin == std::string_view::npos) return std::nullopt;
  // Nine digits are more layers than any model has and fit the type.
  uint64_t layer = 0;
  size_t i = begin + 4;
  for (; i < tensor_name.size() && i < begin + 13; ++i) {
    const char c = tensor_name[i];
    if (c < '0' || c > '9') break;
    layer = 10 * layer + static_cast<uint64_t>(c - '0');
  }
  const bool ends = i < tensor_name.size() && tensor_name[i] == '.';
  if (!ends || i == begin + 4) return std::nullopt;
  return layer;
}

bool GetsMoreBits(uint64_t layer, uint64_t layers) {
  const uint64_t eighth = layers / 8;
  return layer < eighth || layer >= 7 * layers / 8 || (layer - eighth) % 3 == 2;
}

Condition::Operator Condition::OperatorOf(const std::string& sign) {
  return sign == "="    ? Operator::kEqual
         : sign == "!=" ? Operator::kNotEqual
         : sign == "<"  ? Operator::kLess
         : sign == "<=" ? Operator::kLessEqual
         : sign == ">"  ? Operator::kMore
                        : Operator::kMoreEqual;
}

Status Condition::Parse(const std::string& text, Condition* condition) {
  static const std::regex kFlag("(!?)([a-z_]+)");
  static const std::regex kComparison(
      "([a-z_]+)(%([1-9][0-9]*))?(<=|>=|!=|<|>|=)"
      "(([0-9]*)n(/([1-9][0-9]*))?([+-][0-9]+)?|([0-9]+(\\.[0-9]+)?))");
  *condition = Condition();
  std::smatch match;
  bool known = false;
  if (std::regex_match(text, match, kFlag)) {
    condition->subject_ = match[2];
    known = IsOneOf(condition->subject_, kFlags);
    const bool negated = match[1].length() != 0;
    condition->operator_ = negated ? Operator::kEqual : Operator::kNotEqual;
  } else if (std::regex_match(text, match, kComparison)) {
    condition->subject_ = match[1];
    known = IsOneOf(condition->subject_, kNumbers);
    condition->modulus_ = NumberOr(match[3], 0);
    condition->operator_ = OperatorOf(match[4]);
    const bool by_layers = match[10].length() == 0;
    condition->layers_times_ = by_layers ? NumberOr(match[6], 1) : 0;
    condition->layers_over_ = NumberOr(match[8], 1);
    const std::string value = match[by_layers ? 9 : 10];
    condition->value_ = std::strtod(value.c_str(), nullptr);
  }
  if (known) return OkStatus();
  return Failure(StatusCode::kInvalidArgument,
                 "{} is no condition: {} compared with a number (layer<4, "
                 "layer>=7n/8, layer%2=0), or {} (!tied)",
                 Quote(text), fmt::join(kNumbers, ", "),
                 fmt::join(kFlags, ", "));
}

bool Condition::Holds(const ModelFacts& facts,
                      std::optional<uint64_t> layer) const {
  const bool about_a_layer = subject_ == "layer" || subject_ == "more_bits";
  if (about_a_layer && !layer) return false;
  double value = ValueOf(subject_, facts, layer.value_or(0));
  if (modulus_ != 0) value = std::fmod(value, static_cast<double>(modulus_));
  const double bound = std::floor(static_cast<double>(layers_times_) *
                                  static_cast<double>(facts.layers) /
                                  static_cast<double>(layers_over_)) +
                       value_;
  switch (operator_) {
    case Operator::kEqual:
      return value == bound;
    case Operator::kNotEqual:
      return value != bound;
    case Operator::kLess:
      return value < bound;
    case Operator::kLessEqual:
      return value <= bound;
    case Operator::kMore:
      return value > bound;
    case Operator::kMoreEqual:
      return value >= bound;
  }
  return false;
}

bool Rule::Matches(const std::string& tensor_name,
                   const ModelFacts& facts) const {
  const std::optional<uint64_t> layer = LayerOf(tensor_name);
  const bool holds = std::all_of(conditions.begin(), conditions.end(),
                                 [&](const Condition& condition) {
                                   return condition.Holds(facts, layer);
                                 });
  return holds && std::regex_search(tensor_name, pattern);
}

Status ParseRule(const std::string& text, Rule* rule) {
  constexpr const char* kForm = "REGEX [CONDITION...] = TYPE [| TYPE...]";
  const std::string where = "rule " + Quote(text);
  if (text.size() > kMaxRuleBytes) {
    return Failure(StatusCode::kInvalidArgument,
                   "rule {}: {} bytes are too long (at most {})", Quote(text),
                   text.size(), kMaxRuleBytes);
  }
  *rule = Rule();
  rule->text = text;
  const size_t equals = text.rfind('=');
  const std::vector<std::string> left = Words(text.substr(0, equals));
  if (equals == std::string::npos || left.empty()) {
    return Prefix("rule", Malformed(text, kForm));
  }
  for (const std::string& name : Split(text.substr(equals + 1), '|')) {
    rule->choices.emplace_back();
    NIBBLE_RETURN_IF_ERROR(
        Prefix(where, ParseChoice(name, &rule->choices.back())));
  }
  if (rule->choices.empty()) return Prefix("rule", Malformed(text, kForm));
  for (size_t i = 1; i < left.size(); ++i) {
    rule->conditions.emplace_back();
    NIBBLE_RETURN_IF_ERROR(
        Prefix(where, Condition::Parse(left[i], &rule->conditions.back())));
  }
  try {
    rule->pattern = std::regex(left[0]);
  } catch (const std::regex_error& error) {
    return Failure(StatusCode::kInvalidArgument,
                   "{}: {} is no regular expression: {}", where, Quote(left[0]),
                   error.what());
  }
  return OkStatus();
}

namespace {

// "type q4_K", "file_type 15".
Status ParseSetting(const std::string& key, const std::string& value,
                    RuleFile* file) {
  if (key == "type") {
    Choice choice;
    NIBBLE_RETURN_IF_ERROR(ParseChoice(value, &choice));
    if (choice.kind == Choice::Kind::kType) {
      file->type = choice.type;
      return OkStatus();
    }
  }
  const bool is_number =
      value.size() <= 9 &&
      value.find_first_not_of("0123456789") == std::string::npos;
  if (key != "file_type" || !is_number) {
    return Malformed(key + " " + value,
                     "'type TYPE', 'file_type NUMBER' or REGEX = TYPE");
  }
  file->file_type = static_cast<uint32_t>(NumberOr(value, 0));
  return OkStatus();
}

Status ParseLine(const std::string& line, const std::string& where,
                 RuleFile* file) {
  if (line.empty()) return OkStatus();
  if (line.front() == '#') {
    if (file->about.empty()) file->about = Trim(line.substr(1));
    return OkStatus();
  }
  const std::vector<std::string> words = Words(line);
  if (words.size() == 2 && line.find('=') == std::string::npos) {
    return ParseSetting(words[0], words[1], file);
  }
  Rule rule;
  NIBBLE_RETURN_IF_ERROR(ParseRule(line, &rule));
  rule.where = where;
  file->rules.push_back(std::move(rule));
  return OkStatus();
}

}  // namespace

Status ParseRules(const std::string& name, const std::string& text,
                  RuleFile* file) {
  *file = RuleFile();
  file->name = name;
  std::istringstream stream(text);
  std::string line;
  for (int number = 1; std::getline(stream, line); ++number) {
    const std::string where = fmt::format("{}:{}", name, number);
    NIBBLE_RETURN_IF_ERROR(Prefix(where, ParseLine(Trim(line), where, file)));
  }
  return OkStatus();
}

Status ReadRules(const std::string& path, RuleFile* file) {
  std::ifstream stream(path, std::ios::binary);
  if (!stream) return Failure(StatusCode::kIo, "{}: cannot open", path);
  const std::string text{std::istreambuf_iterator<char>(stream), {}};
  if (stream.bad()) return Failure(StatusCode::kIo, "{}: cannot read", path);
  return ParseRules(path, text, file);
}

std::string Escaped(std::string_view text) {
  std::string pattern;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (std::isalnum(byte) || c == '_' || c == '-') {
      pattern += c;
    } else if (c == '.') {
      pattern += "\\.";
    } else if (byte < 0x80) {
      pattern += fmt::format("\\x{:02x}", byte);
    } else {
      pattern += '.';  // std::regex compares signed characters
    }
  }
  return pattern;
}

}  // namespace nibble::gguf
