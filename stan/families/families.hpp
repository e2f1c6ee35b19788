#ifndef HLM_FAMILIES_HPP
#define HLM_FAMILIES_HPP

#include "binomial.hpp"
#include "gamma.hpp"
#include "negative_binomial.hpp"
#include "normal.hpp"
#include "poisson.hpp"
#include "student_t.hpp"

#include <stdexcept>

/*
 * Distributions of an outcome y given eta = x' beta and auxiliary parameters: one header a family,
 * and here the only switch over them. A family F is a class with
 *
 *     has_offset                                whether eta = offset + x' beta, or x' beta alone
 *     explicit F(const double* aux)             its auxiliary parameters, in the order of skhlm/families
 *     void add(block)                           takes in some rows; fills their scores, the derivatives
 *                                               of their log densities by eta, but for score_scale()
 *     void add(other)                           takes in what another one has
 *     double score_scale()
 *     double log_density(rows)                  of the rows that were taken in
 *     void d_aux(rows, d)                       its derivatives by the auxiliary parameters
 *     double information()                      c: the expected information of a row, x x' aside;
 *                                               1 where it differs from row to row
 *     void add_d_information(d_c, d)            adds d_c times its derivatives to d
 */
namespace hlm {

/** Calls visit(family) with the family of this number: `code` in skhlm/families. */
template <class Visit>
auto with_family(int family, const double* aux, Visit visit) {
  switch (family) {
    case 0: return visit(Normal(aux));
    case 1: return visit(StudentT(aux));
    case 2: return visit(Binomial(aux));
    case 3: return visit(Poisson(aux));
    case 4: return visit(NegativeBinomial(aux));
    case 5: return visit(Gamma(aux));
    default: throw std::domain_error("hlm: no family has this number");
  }
}

}  // namespace hlm

#endif
