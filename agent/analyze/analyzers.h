// Every analyzer there is.  A new one is one file, its test, and one line here.
#pragma once

#include <memory>
#include <vector>

#include "agent/account/account_analyzer.h"
#include "agent/analyze/analyzer.h"
#include "agent/analyze/delivery.h"
#include "agent/analyze/expiry.h"
#include "agent/analyze/guessing.h"
#include "agent/analyze/standstill.h"
#include "agent/reputation/provider_block.h"

namespace mailvane {

struct AnalyzerOptions {
  DeliveryAnalyzer::Options delivery;
  StandstillAnalyzer::Options standstill;
  ExpiryAnalyzer::Options expiry;
  GuessingAnalyzer::Options guessing;
  ProviderBlockAnalyzer::Options provider_block;
  AccountAnalyzer::Options account;
};

std::vector<std::unique_ptr<Analyzer>> MakeAnalyzers(const AnalyzerOptions& options);

}  // namespace mailvane
