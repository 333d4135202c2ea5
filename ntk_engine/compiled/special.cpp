// Functions of activations and costs beyond elementary.cpp, right to a few units of the last digit.
#if defined(__x86_64__) && !defined(__clang__) && __has_include(<features.h>)
#include <features.h>
#if defined(__GLIBC__) && (__GLIBC__ > 2 || __GLIBC_MINOR__ >= 35)
// Of these the system's library has versions for whole vectors, which a loop that calls them then takes.
#define VECTORS __attribute__((simd("notinbranch"), const))
#endif
#endif
#ifndef VECTORS
#define VECTORS
#define only_sine sin
#define only_cosine cos
#define NAMED(name)
#else
// By other names, as the compiler would make one call of the two, which has no version for vectors.
#define NAMED(name) __asm__(name)
#endif
extern "C" {
VECTORS double log(double) noexcept;
VECTORS double log1p(double) noexcept;
VECTORS double erf(double) noexcept;
VECTORS double erfc(double) noexcept;
VECTORS double only_sine(double) noexcept NAMED("sin");
VECTORS double only_cosine(double) noexcept NAMED("cos");
VECTORS double atan(double) noexcept;
}

namespace {

inline double sigmoid(double x) { return 1.0 / (1.0 + exponential(-x)); }

inline double hyperbolic_tangent(double x) {
    const double size = magnitude(x), held = size > 20.0 ? 20.0 : size, e = exponential_less_one(2.0 * held);
    // No number stays none.
    return x == x ? __builtin_copysign(e / (e + 2.0), x) : x;
}

inline double logarithm(double x) { return ::log(x); }
inline double logarithm_beside_one(double x) { return ::log1p(x); }
inline double error_function(double x) { return ::erf(x); }
inline double error_rest(double x) { return ::erfc(x); }
inline double sine(double x) { return only_sine(x); }
inline double cosine(double x) { return only_cosine(x); }
inline double arc_tangent(double x) { return ::atan(x); }

}  // namespace
