// Functions of activations and costs beyond elementary.cpp, right to a few units of the last digit.
namespace {

inline double sigmoid(double x) { return 1.0 / (1.0 + exponential(-x)); }

inline double hyperbolic_tangent(double x) {
    const double size = magnitude(x), held = size > 20.0 ? 20.0 : size, e = exponential_less_one(2.0 * held);
    // No number stays none.
    return x == x ? __builtin_copysign(e / (e + 2.0), x) : x;
}

inline double logarithm(double x) { return __builtin_log(x); }
inline double logarithm_beside_one(double x) { return __builtin_log1p(x); }
inline double error_function(double x) { return __builtin_erf(x); }
inline double error_rest(double x) { return __builtin_erfc(x); }
inline double sine(double x) { return __builtin_sin(x); }
inline double cosine(double x) { return __builtin_cos(x); }
inline double arc_tangent(double x) { return __builtin_atan(x); }

}  // namespace
