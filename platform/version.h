// The version, in one place.
#pragma once

namespace mailvane {

inline constexpr char kVersion[] = "0.1.0";

}  // namespace mailvane
