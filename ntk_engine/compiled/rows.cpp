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

constexpr int WIDTH = @WIDTH@;  // how many numbers a row brings to a layer
constexpr long TOGETHER = 32;

// So many rows through one layer. high, low: the words of their roots, before and after.
inline void layer(const double* constants, double sigma_w, double beta, double* high, double* low,
                  double (&out)[WIDTH][TOGETHER]) {
    @CONSTANTS@
#pragma GCC ivdep
    for (long i = 0; i < TOGETHER; ++i) {
        const double before = high[i], rest = low[i];
        @LAYER@
    }
}

}  // namespace

// high, low: of all rows, before and after all layers. out: layers x WIDTH x rows.
extern "C" void rows(const double* constants, double sigma_w, double beta, long rows, long layers, double* high, double* low,
                     double* out) {
    for (long first = 0; first < rows; first += TOGETHER) {
        const long some = rows - first < TOGETHER ? rows - first : TOGETHER, bytes = some * sizeof(double);
        double words[2][TOGETHER] = {}, brings[WIDTH][TOGETHER];
        __builtin_memcpy(words[0], high + first, bytes);
        __builtin_memcpy(words[1], low + first, bytes);
        for (long l = 0; l < layers; ++l) {
            layer(constants, sigma_w, beta, words[0], words[1], brings);
            for (long k = 0; k < WIDTH; ++k) __builtin_memcpy(out + (l * WIDTH + k) * rows + first, brings[k], bytes);
        }
        __builtin_memcpy(high + first, words[0], bytes);
        __builtin_memcpy(low + first, words[1], bytes);
    }
}
