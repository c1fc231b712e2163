#include "agent/analyze/analyzers.h"

namespace mailvane {

std::vector<std::unique_ptr<Analyzer>> MakeAnalyzers(const AnalyzerOptions& options) {
  std::vector<std::unique_ptr<Analyzer>> all;
  all.push_back(std::make_unique<DeliveryAnalyzer>(options.delivery));
  all.push_back(std::make_unique<ProviderBlockAnalyzer>(options.provider_block));
  all.push_back(std::make_unique<AccountAnalyzer>(options.account));
  return all;
}

}  // namespace mailvane
