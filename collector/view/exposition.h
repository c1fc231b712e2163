// Prometheus' text: version 0.0.4, and OpenMetrics 1.0.0 for those who ask.
//
// One family at a time, its samples after it, into one buffer:
//
//   Exposition out(ExpositionFormat::kText);
//   out.Family("mailvane_queue_messages", MetricType::kGauge, "Messages in …");
//   const std::string server = RenderLabel("server", "NC027");
//   out.Sample(server, {{"queue", "active"}}, 3);
//
// Labels that many samples share are rendered once and handed in as text, which
// is what makes this some forty times faster than collecting families first.
#pragma once

#include <initializer_list>
#include <string>

#include "absl/strings/string_view.h"

namespace mailvane {

enum class ExpositionFormat { kText, kOpenMetrics };

// What the scraper prefers by its Accept header; kText when it says nothing that
// we know.
ExpositionFormat NegotiateExposition(absl::string_view accept);
const char* ContentType(ExpositionFormat format);

enum class MetricType { kCounter, kGauge };
// "counter", "gauge".
const char* Name(MetricType type);

struct MetricLabel {
  absl::string_view name;
  absl::string_view value;
};

// `name="value"`, escaped.
std::string RenderLabel(absl::string_view name, absl::string_view value);

// A number as both formats write it: shortest text that reads back the same.
void AppendMetricValue(double value, std::string* out);

class Exposition {
 public:
  explicit Exposition(ExpositionFormat format) : format_(format) {}

  // Begins a family; a name may be begun only once.  A counter's name ends with
  // _total.  The family is written with its first sample: one without samples
  // leaves no trace.
  void Family(absl::string_view name, MetricType type, absl::string_view help);

  // One sample of the family begun last.  `shared` is rendered labels, may be
  // empty; `labels` come after them.
  void Sample(absl::string_view shared, std::initializer_list<MetricLabel> labels,
              double value);

  void Reserve(size_t bytes) { text_.reserve(bytes); }

  // The whole document; nothing may follow.
  std::string Finish() &&;

 private:
  const ExpositionFormat format_;
  std::string name_;
  // HELP and TYPE of the family, until its first sample.
  std::string pending_;
  std::string text_;
};

}  // namespace mailvane
