#include "agent/analyze/analyzers.h"

namespace mailvane {

std::vector<std::unique_ptr<Analyzer>> MakeAnalyzers(const AnalyzerOptions& options) {
  std::vector<std::unique_ptr<Analyzer>> all;
  all.push_back(std::make_unique<DeliveryAnalyzer>(options.delivery));
  all.push_back(std::make_unique<StandstillAnalyzer>(options.standstill));
  all.push_back(std::make_unique<ExpiryAnalyzer>(options.expiry));
  all.push_back(std::make_unique<GuessingAnalyzer>(options.guessing));
  all.push_back(std::make_unique<ProviderBlockAnalyzer>(options.provider_block));
  all.push_back(std::make_unique<AccountAnalyzer>(options.account));
  return all;
}

}  // namespace mailvane
