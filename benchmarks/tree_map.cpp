// Nanoseconds a level of the tree map, forward and reverse: K, columns that vary, levels, parents above.
#include "tree_map.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <random>
#include <vector>

using Numbers = std::vector<double>;

double cpu_seconds() {
  timespec now;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return now.tv_sec + 1e-9 * now.tv_nsec;
}

Numbers random_numbers(std::size_t n) {
  static std::mt19937 generator(1);
  std::normal_distribution<double> normal;
  Numbers x(n);
  for (double& number : x) number = normal(generator);
  return x;
}

/** n matrices with a unit's worth of information in every direction. */
Numbers information(int k, std::size_t n, double diagonal) {
  Numbers F(k * k * n, 0.05 * diagonal);
  for (std::size_t i = 0; i < n; ++i)
    for (int j = 0; j < k; ++j) F[k * k * i + (k + 1) * j] = diagonal;
  return F;
}

int main(int, char** argument) {
  const int k = std::atoi(argument[1]), m = std::atoi(argument[2]);
  const int n = std::atoi(argument[3]), above = std::atoi(argument[4]), all = n + above;
  std::vector<int> n_levels{n}, n_varying{m}, tree{1}, is_leaf{1}, varying, parent(all);
  if (above > 0) {
    n_levels = {above, n};
    n_varying = {m, m};
    tree = {1, 1};
    is_leaf = {0, 1};
    for (int l = 0; l < n; ++l) parent[above + l] = 1 + static_cast<long>(l) * above / n;
  }
  for (std::size_t g = 0; g < tree.size(); ++g)
    for (int i = 1; i <= m; ++i) varying.push_back(i);
  const hlm::Forest forest{k, 1, n_levels, n_varying, varying, tree, is_leaf, parent};
  const Numbers F = information(k, all, 5), s = random_numbers(k * all), nothing(k * k * all);
  const Numbers unit = information(k, 1, 1);
  const hlm::MapConstants constants{F.data(),    s.data(),       nothing.data(),
                                    unit.data(), nothing.data(), unit.data(),
                                    nothing.data(), unit.data(), nothing.data()};
  hlm::TreeMap map;
  map.set_up(forest, constants);
  const Numbers z_root = random_numbers(k), z = random_numbers(m * all), ones(k, 1.0);
  const Numbers precision = information(m, tree.size(), 1.5);
  Numbers d_root(k), d_z(m * all), d_precision(precision.size());
  hlm::MapAdjoint adjoint{d_root.data(), d_z.data(), d_precision.data(), 0};
  const int repeats = std::max(1, 200000 / (all * k));
  double best = 1e9;
  for (int pass = 0; pass < 20; ++pass) {
    const double start = cpu_seconds();
    for (int i = 0; i < repeats; ++i) {
      map.forward(z_root.data(), z.data(), precision.data(), 1.1);
      std::fill(map.d_totals(), map.d_totals() + k * map.n_totals(), 0.5);
      map.reverse(ones.data(), ones.data(), adjoint);
    }
    best = std::min(best, (cpu_seconds() - start) / repeats);
  }
  std::printf("%.1f\n", 1e9 * best / all);
}
