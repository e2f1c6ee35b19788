#ifndef SKHLM_COMMAND_LINE_PROFILE_HPP
#define SKHLM_COMMAND_LINE_PROFILE_HPP

// Times of the profile statements in a program, a row for each statement and thread.

#include "output.hpp"
#include "watch.hpp"

#include <stan/math/rev/core/profiling.hpp>

#include <sstream>
#include <string>

stan::math::profile_map& get_stan_profile_data();

namespace command_line {

inline void write_profile(const std::string& path, Watch& watch) {
  if (path.empty() || get_stan_profile_data().empty()) return;
  std::stringstream rows;
  rows << "name,thread_id,total_time,forward_time,reverse_time,chain_stack,no_chain_stack,"
          "autodiff_calls,no_autodiff_calls\n";
  for (const auto& [key, profile] : get_stan_profile_data())
    rows << key.first << ',' << key.second << ',' << profile.get_fwd_time() + profile.get_rev_time()
         << ',' << profile.get_fwd_time() << ',' << profile.get_rev_time() << ','
         << profile.get_chain_stack_used() << ',' << profile.get_nochain_stack_used() << ','
         << profile.get_num_AD_fwd_passes() << ',' << profile.get_num_no_AD_fwd_passes() << '\n';
  OutputFile(path, watch).append(rows.str());
}

}  // namespace command_line

#endif
