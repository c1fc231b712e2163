// Seeded chance: the same numbers on every machine.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace mailvane {

class Dice {
 public:
  explicit Dice(uint64_t seed) : state_(seed * 0x9E3779B97F4A7C15 + 0x1234567) {}

  uint64_t Next() {  // splitmix64
    uint64_t z = (state_ += 0x9E3779B97F4A7C15);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
    return z ^ (z >> 31);
  }
  double Share() { return static_cast<double>(Next() >> 11) * 0x1p-53; }
  bool Chance(double p) { return Share() < p; }
  double Between(double low, double high) { return low + (high - low) * Share(); }
  // [0, n)
  uint32_t Below(uint32_t n) { return static_cast<uint32_t>(Share() * n); }
  double Exponential(double mean) { return -mean * std::log(1 - Share()); }
  double Normal() {
    return std::sqrt(-2 * std::log(1 - Share())) * std::cos(6.283185307179586 * Share());
  }
  double LogNormal(double median, double sigma) {
    return median * std::exp(sigma * Normal());
  }
  double Gamma(double shape, double scale) {  // Marsaglia and Tsang
    if (shape < 1) return Gamma(shape + 1, scale) * std::pow(Share(), 1 / shape);
    const double d = shape - 1.0 / 3;
    const double c = 1 / std::sqrt(9 * d);
    while (true) {
      const double x = Normal();
      const double v = std::pow(1 + c * x, 3);
      if (v > 0 && std::log(1 - Share()) < 0.5 * x * x + d - d * v + d * std::log(v)) {
        return d * v * scale;
      }
    }
  }
  int Poisson(double mean) {
    if (mean > 60)
      return std::max(0,
                      static_cast<int>(std::lround(mean + std::sqrt(mean) * Normal())));
    const double limit = std::exp(-mean);
    int n = 0;
    for (double p = Share(); p > limit; p *= Share()) ++n;
    return n;
  }
  // Poisson with a gamma's mean: `fano` is variance over mean.
  int NegativeBinomial(double mean, double fano) {
    return fano <= 1.001 ? Poisson(mean) : Poisson(Gamma(mean / (fano - 1), fano - 1));
  }
  // Low numbers first, by 1 / rank.
  uint32_t Zipf(uint32_t n) {
    return std::min(n - 1, static_cast<uint32_t>(std::pow(n + 1.0, Share())) - 1);
  }

 private:
  uint64_t state_;
};

}  // namespace mailvane
