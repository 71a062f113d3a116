// SPDX-License-Identifier: MIT
// pp_tg: prompt processing and token generation in tokens per second, as far as
// the weight matmuls of a model decide it. docs/benchmarks.md says what that
// leaves out.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <numeric>
#include <stdexcept>
#include <string>
#include <vector>

#include "bench/pp_tg/forward.h"
#include "bench/pp_tg/machine.h"
#include "bench/pp_tg/model.h"
#include "bench/pp_tg/plan.h"
#include "bench/pp_tg/report.h"
#include "bench/require.h"
#include "bench/stream_rate.h"
#include "bench/timing.h"
#include "bench/type_list.h"
#include "gguf/thread_pool.h"
#include "nibble/cpu.h"

namespace nibble::pp_tg {
namespace {

constexpr size_t kStreamBytes = size_t{768} << 20;
constexpr double kGiB = 1 << 30;

// Mean and deviation of a sample, the latter 0 for a single value.
struct Spread {
  double mean, deviation, best;

  explicit Spread(const std::vector<double>& values) {
    const double count = static_cast<double>(values.size());
    mean = std::accumulate(values.begin(), values.end(), 0.0) / count;
    double squares = 0;
    for (const double v : values) squares += (v - mean) * (v - mean);
    deviation = values.size() > 1 ? std::sqrt(squares / (count - 1)) : 0;
    best = *std::max_element(values.begin(), values.end());
  }
};

class Bench {
 public:
  explicit Bench(const Arguments& args);
  void Run();

 private:
  size_t TimedLayers() const {
    return args_.layers != 0 ? args_.layers : models_[0].layers.size();
  }
  size_t LargestBatch() const;
  void RequireMemory() const;
  std::vector<std::string> Captions(double stream) const;
  void RunModel(const Model& model, double stream, uint8_t* memory,
                Report& report);
  void WarnIfCached(const Model& model) const;
  double TestSeconds(const Test& test, const Model& model,
                     Forward& forward) const;
  Row RowOf(const Model& model, const Test& test, double stream,
            const std::vector<double>& speeds) const;

  Arguments args_;
  std::vector<Test> tests_;
  std::vector<Model> models_;
  gguf::ThreadPool pool_;
  ParallelFor threads_;
  const ParallelFor* parallel_;
};

Bench::Bench(const Arguments& args)
    : args_(args),
      tests_(ParseTests(args.tests)),
      models_(ModelsOf(args)),
      pool_(args.threads),
      threads_(pool_.AsParallelFor()),
      parallel_(args.threads > 1 ? &threads_ : nullptr) {}

size_t Bench::LargestBatch() const {
  size_t batch = 1;
  for (const Test& test : tests_) batch = std::max(batch, test.batch());
  return batch;
}

// Refuses what would be killed half way.
void Bench::RequireMemory() const {
  const uint64_t available = AvailableMemory();
  for (const Model& model : models_) {
    const uint64_t needed =
        Weights::Bytes(model, TimedLayers()) +
        Forward::Bytes(model, LargestBatch(), args_.threads);
    if (needed <= available) continue;
    throw std::runtime_error(fmt::format(
        "{} in {} with {} layers needs {:.2f} GiB of memory, {:.2f} GiB are "
        "available: time fewer with --layers",
        model.name, model.LayerTypes(), TimedLayers(),
        static_cast<double>(needed) / kGiB,
        static_cast<double>(available) / kGiB));
  }
}

std::vector<std::string> Bench::Captions(double stream) const {
  const size_t layers = models_[0].layers.size();
  return {
      "Weight matmuls only: attention itself, norms and sampling are not "
      "computed",
      fmt::format(
          "{}: {} of {} layers timed{}; the head in {}, once per prompt "
          "and once per generated token",
          models_[0].name, TimedLayers(), layers,
          TimedLayers() < layers ? ", scaled up to all" : "",
          TableName(*models_[0].head.type)),
      fmt::format("{}, {} thread(s), raw stream read {:.2f} GB/s, {} pages ({} "
                  "MiB huge)",
                  CpuName(), args_.threads, stream, args_.pages,
                  PageBuffer::HugeKib() / 1024)};
}

void Bench::WarnIfCached(const Model& model) const {
  const size_t cache = LastLevelCacheBytes();
  const size_t read = Weights::Bytes(model, TimedLayers());
  if (read >= 2 * cache) return;
  fmt::print(stderr,
             "pp_tg: warning: a token in {} reads {} MiB and the last level "
             "cache holds {} MiB: tg may not read from memory\n",
             model.LayerTypes(), read >> 20, cache >> 20);
}

// The layers that are timed stand for all.
double Bench::TestSeconds(const Test& test, const Model& model,
                          Forward& forward) const {
  const double scale = static_cast<double>(model.layers.size()) /
                       static_cast<double>(TimedLayers());
  double layers = 0, heads = 0;
  for (size_t begin = 0; begin < test.tokens; begin += test.batch()) {
    const size_t tokens = std::min(test.batch(), test.tokens - begin);
    layers += Seconds([&] { forward.Layers(tokens); });
    if (test.prompt && begin + tokens < test.tokens) continue;
    heads += Seconds([&] { forward.Head(); });
  }
  return layers * scale + heads;
}

Row Bench::RowOf(const Model& model, const Test& test, double stream,
                 const std::vector<double>& speeds) const {
  const Spread speed(speeds);
  const double tokens = static_cast<double>(test.tokens);
  const double head_share = static_cast<double>(test.heads()) / tokens;
  const double flops =
      2 * (model.UsedWeights() +
           head_share * static_cast<double>(model.head.weights()));
  double bytes = head_share * static_cast<double>(model.head.bytes());
  for (size_t begin = 0; begin < test.tokens; begin += test.batch()) {
    bytes +=
        model.NeededBytes(std::min(test.batch(), test.tokens - begin)) / tokens;
  }
  return {{"model", model.name},
          {"type", model.LayerTypes()},
          {"bpw", model.LayerBits()},
          {"head_type", TableName(*model.head.type)},
          {"size", model.Bytes()},
          {"params", model.parameters},
          {"backend", "CPU " + ChosenBackend()},
          {"cpu", CpuName()},
          {"threads", args_.threads},
          {"pages", args_.pages},
          {"layers", model.layers.size()},
          {"layers_timed", TimedLayers()},
          {"test", test.name},
          {"tokens", test.tokens},
          {"repetitions", speeds.size()},
          {"tps", speed.mean},
          {"tps_deviation", speed.deviation},
          {"tps_best", speed.best},
          {"flops_per_token", flops},
          {"bytes_per_token", bytes},
          {"gflops", 1e-9 * flops * speed.mean},
          {"gbps", 1e-9 * bytes * speed.mean},
          {"stream_gbps", stream}};
}

void Bench::RunModel(const Model& model, double stream, uint8_t* memory,
                     Report& report) {
  WarnIfCached(model);
  const Weights weights(model, TimedLayers(), memory);
  Forward forward(model, weights, LargestBatch(), parallel_);
  for (const Test& test : tests_) {
    forward.Check(test.batch());
    TestSeconds(test, model, forward);  // warms up
    std::vector<double> speeds;
    for (size_t r = 0; r < args_.repetitions; ++r) {
      speeds.push_back(static_cast<double>(test.tokens) /
                       TestSeconds(test, model, forward));
    }
    report.Add(RowOf(model, test, stream, speeds));
  }
}

void Bench::Run() {
  RequireMemory();
  size_t bytes = 0;
  for (const Model& model : models_) {
    bytes = std::max(bytes, Weights::Bytes(model, TimedLayers()));
  }
  PageBuffer memory(bytes, PagesByName().at(args_.pages));
  const size_t streamed = std::min(bytes, kStreamBytes);
  std::fill_n(memory.data(), streamed, uint8_t{1});
  const double stream = StreamRate(memory.data(), streamed, parallel_, 0.5);

  const Format format = args_.format == "md"    ? Format::kMarkdown
                        : args_.format == "tsv" ? Format::kTsv
                                                : Format::kJson;
  Report report(format, Captions(stream));
  for (const Model& model : models_) {
    RunModel(model, stream, memory.data(), report);
  }
  report.Finish();
}

void AddOptions(CLI::App& app, Arguments* args) {
  app.add_option("--model", args->model, "shapes of " + ModelNames());
  app.add_option("--gguf", args->gguf, "shapes, and types, of this file");
  app.add_option(
      "--type", args->types,
      "all, or names separated by commas; default: those of the file, "
      "or all");
  app.add_option(
      "--head-type", args->head_type,
      "of the output head (default: q6_k), or \"same\"; with --type");
  app.add_option("--tests", args->tests,
                 "ppN: a prompt of N tokens; tgN: N tokens one by one")
      ->capture_default_str();
  app.add_option("--threads", args->threads)
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  app.add_option("--layers", args->layers,
                 "time so many layers and scale up; default: all")
      ->check(CLI::PositiveNumber);
  app.add_option("--repetitions", args->repetitions)
      ->check(CLI::Range(1, 10000))
      ->capture_default_str();
  app.add_option("--target", args->target, "SIMD target, the best by default");
  app.add_option("--pages", args->pages, "of the weights: huge, small")
      ->check(CLI::IsMember(PagesByName()))
      ->capture_default_str();
  app.add_option("--format", args->format, "md, tsv, json")
      ->check(CLI::IsMember({"md", "tsv", "json"}))
      ->capture_default_str();
}

int Main(int argc, char** argv) {
  Arguments args;
  CLI::App app{
      "Tokens per second of the weight matmuls of a model: prompt processing "
      "and token generation"};
  AddOptions(app, &args);
  try {
    app.parse(argc, argv);
    if (!args.target.empty()) Require(ForceTarget(args.target));
    Bench(args).Run();
  } catch (const CLI::Success& help) {
    return app.exit(help);
  } catch (const std::exception& error) {
    fmt::print(stderr, "pp_tg: {}\n", error.what());
    return 1;
  }
  return 0;
}

}  // namespace
}  // namespace nibble::pp_tg

int main(int argc, char** argv) { return nibble::pp_tg::Main(argc, argv); }
