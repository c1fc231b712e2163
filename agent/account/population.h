// What accounts are like on this server, where one account's own past says too little.
//
// It begins with what was measured of people's mail elsewhere (a research institute's
// 824 senders and a company's 154 over months: EU-core and Radoslaw, of the SNAP and
// KONECT collections), worth a few hundred messages, and learns from all accounts that
// do not look odd.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

#include "agent/account/profile.h"

namespace mailvane {

struct Population {
  // So many weighted trials until the old half fades.
  static constexpr float kMemory = 20000;
  // An account's own past outweighs the population after so many trials.
  static constexpr float kPriorWeight = 12;

  // Messages to a stranger, by how many messages the account had sent before: the
  // n-th of these begins at kStrangerSteps[n].
  static constexpr std::array<uint32_t, 7> kStrangerSteps = {0, 20, 40, 60, 80, 120, 180};
  std::array<Rate, 7> stranger = {
      {{84, 200}, {38, 200}, {26, 200}, {22, 200}, {20, 200}, {16, 200}, {10, 200}}};
  // Within an hour of one to another stranger: people come in bursts.
  Rate stranger_again = {90, 200};

  // Networks: new within a known wider one; wholly new; wholly new within half a day
  // of another such.
  Rate near_network = {6, 200};
  Rate far_network = {4, 200};
  Rate far_again = {30, 200};
  // Of wholly new ones: those that no other account of the server has used.
  Rate unshared_network = {60, 100};

  // Of strangers' addresses, what the other side said.
  Rate unknown = {4, 200};
  Rate spam = {2, 200};

  Rate new_form = {4, 200};
  Rate unshared_form = {50, 100};
  Rate new_sender = {3, 200};

  size_t StrangerStep(uint32_t messages) const {
    size_t step = kStrangerSteps.size() - 1;
    while (kStrangerSteps[step] > messages) --step;
    return step;
  }
};

}  // namespace mailvane
