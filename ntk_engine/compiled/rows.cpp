// What layers make of rows' roots in two words, from an activation to the bias of the dense layer after it.
// What stands between @ signs is filled in by source.py: a recorded formula.

// Here sums and products are rounded as they are written: what rounding takes from them is known.
#if defined(__clang__)
#pragma clang fp contract(off)
#else
#pragma GCC optimize("fp-contract=off")
#endif

@PANEL@
namespace {

inline double product_rest(double a, double b, double rounded) { return __builtin_fma(a, b, -rounded); }
inline double nearest(double x) { return __builtin_nearbyint(x); }

// e with 2^(e-1) <= |x| < 2^e, for any x but infinity and no number; 0 for 0.
inline long exponent(double x) {
    const double size = magnitude(x);
    const bool small = size < 0x1p-1022;
    const long word = bits<long>(small ? size * 0x1p54 : size) >> 52;
    return size == 0.0 ? 0 : word - (small ? 1022 + 54 : 1022);
}

// For |power| <= 2000, in two steps, neither of which is out of range.
inline double times_power_of_two(double x, long power) {
    const long half = power / 2;
    return x * power_of_two(half) * power_of_two(power - half);
}

inline double hypotenuse(double x, double y) {
    const double a = magnitude(x), b = magnitude(y), most = a > b ? a : b, least = a > b ? b : a;
    const double ratio = most == 0.0 ? 0.0 : least / most;
    return most == __builtin_inf() ? most : most * root(1.0 + ratio * ratio);
}

}  // namespace

// high, low: the words of the rows' roots before, and then after all layers. out: layers x WIDTH x rows.
extern "C" void rows(const double* constants, double sigma_w, double beta, long rows, long layers, double* __restrict high,
                     double* __restrict low, double* __restrict out) {
    @CONSTANTS@
    for (long l = 0; l < layers; ++l, out += @WIDTH@ * rows)
#pragma GCC ivdep
        for (long i = 0; i < rows; ++i) {
            const double before = high[i], rest = low[i];
            @LAYER@
        }
}
