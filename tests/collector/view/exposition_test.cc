#include "collector/view/exposition.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <limits>

#include "prometheus/text_serializer.h"

namespace mailvane {
namespace {

// The same samples through prometheus-cpp.
class Peer {
 public:
  void Family(const std::string& name, MetricType type, const std::string& help) {
    prometheus::MetricFamily family;
    family.name = name;
    family.help = help;
    family.type = type == MetricType::kCounter ? prometheus::MetricType::Counter
                                               : prometheus::MetricType::Gauge;
    families_.push_back(family);
  }
  void Sample(std::vector<prometheus::ClientMetric::Label> labels, double value) {
    prometheus::ClientMetric metric;
    metric.label = std::move(labels);
    metric.counter.value = value;
    metric.gauge.value = value;
    families_.back().metric.push_back(metric);
  }
  std::string Text() const { return prometheus::TextSerializer().Serialize(families_); }

 private:
  std::vector<prometheus::MetricFamily> families_;
};

TEST(Exposition, AgreesWithPrometheusCppByteForByte) {
  Exposition ours(ExpositionFormat::kText);
  Peer peer;

  ours.Family("mailvane_queue_messages", MetricType::kGauge, "Messages in a queue.");
  peer.Family("mailvane_queue_messages", MetricType::kGauge, "Messages in a queue.");
  const std::string shared = RenderLabel("server", "NC027");
  for (const double value : {0.0,
                             -0.5,
                             1.0,
                             3.0,
                             0.1,
                             12.25,
                             123456.0,
                             1e6,
                             1e9,
                             1700000000.125,
                             4294967296.0,
                             1e14,
                             123456789012345.0,
                             1e15,
                             9007199254740992.0,
                             1e16,
                             1e17,
                             1e21,
                             1.5e300,
                             1e-3,
                             1e-4,
                             0.00012,
                             1e-5,
                             2.5e-7,
                             1e-300,
                             -1e6,
                             -1e-5,
                             0.012345,
                             1234567.5}) {
    ours.Sample(shared, {{"queue", "active"}}, value);
    peer.Sample({{"server", "NC027"}, {"queue", "active"}}, value);
  }
  ours.Sample(shared, {}, std::numeric_limits<double>::infinity());
  peer.Sample({{"server", "NC027"}}, std::numeric_limits<double>::infinity());
  ours.Sample(shared, {}, -std::numeric_limits<double>::infinity());
  peer.Sample({{"server", "NC027"}}, -std::numeric_limits<double>::infinity());

  ours.Family("mailvane_frames_total", MetricType::kCounter, "Frames, it \"says\".");
  peer.Family("mailvane_frames_total", MetricType::kCounter, "Frames, it \"says\".");
  ours.Sample("", {}, 7);
  peer.Sample({}, 7);
  for (const char* hostile : {"\"", "\\", "\n", "a\\nb", "\"\\\n\"", "{}=,", "Zürich",
                              "# HELP x", "", "\t\r"}) {
    ours.Sample("", {{"a", hostile}, {"b", "plain"}}, 1);
    ours.Sample(RenderLabel("a", hostile), {{"b", "plain"}}, 1);
    for (int i = 0; i < 2; ++i) peer.Sample({{"a", hostile}, {"b", "plain"}}, 1);
  }

  const std::string quotes(1000, '"');
  ours.Sample("", {{"a", quotes}}, 1.5);
  peer.Sample({{"a", quotes}}, 1.5);

  EXPECT_EQ(std::move(ours).Finish(), peer.Text());
}

// prometheus-cpp says "Nan", and lets line breaks out of HELP.
TEST(Exposition, FollowsTheFormatWherePrometheusCppDoesNot) {
  Exposition out(ExpositionFormat::kText);
  out.Family("x", MetricType::kGauge, "Two\nlines and a \\.");
  out.Sample("", {}, std::nan(""));
  EXPECT_EQ(std::move(out).Finish(),
            "# HELP x Two\\nlines and a \\\\.\n# TYPE x gauge\nx NaN\n");
}

TEST(Exposition, ReadsBackTheSameNumber) {
  for (const double value : {0.1 + 0.2, 1.0 / 3, 5e-324, 1.7976931348623157e308,
                             1700000000.1234567, 9007199254740993.0}) {
    std::string text;
    AppendMetricValue(value, &text);
    EXPECT_EQ(std::strtod(text.c_str(), nullptr), value) << text;
  }
}

TEST(Exposition, AFamilyWithoutSamplesLeavesNoTrace) {
  Exposition out(ExpositionFormat::kText);
  out.Family("empty", MetricType::kGauge, "Nothing.");
  out.Family("x", MetricType::kGauge, "Something.");
  out.Sample("", {}, 1);
  out.Family("empty_too", MetricType::kGauge, "Nothing.");
  EXPECT_EQ(std::move(out).Finish(), "# HELP x Something.\n# TYPE x gauge\nx 1\n");
}

TEST(Exposition, OpenMetricsNamesCountersWithoutTotalAndEnds) {
  Exposition out(ExpositionFormat::kOpenMetrics);
  out.Family("x_total", MetricType::kCounter, "Say \"x\".");
  out.Sample("", {{"a", "b"}}, 2);
  EXPECT_EQ(std::move(out).Finish(),
            "# HELP x Say \\\"x\\\".\n# TYPE x counter\nx_total{a=\"b\"} 2\n# EOF\n");
}

TEST(NegotiateExposition, TakesWhatIsWantedMost) {
  const struct {
    const char* name;
    const char* accept;
    ExpositionFormat want;
  } kRows[] = {
      {"nothing said", "", ExpositionFormat::kText},
      {"anything", "*/*", ExpositionFormat::kText},
      {"a browser", "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8",
       ExpositionFormat::kText},
      {"Prometheus 2.42",
       "application/openmetrics-text;version=1.0.0;q=0.8,"
       "application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,"
       "*/*;q=0.1",
       ExpositionFormat::kOpenMetrics},
      {"both alike", "text/plain,application/openmetrics-text", ExpositionFormat::kText},
      {"refused", "application/openmetrics-text;q=0", ExpositionFormat::kText},
      {"no number", "application/openmetrics-text;q=high", ExpositionFormat::kText},
  };
  for (const auto& row : kRows) {
    EXPECT_EQ(NegotiateExposition(row.accept), row.want) << row.name;
  }
}

}  // namespace
}  // namespace mailvane
