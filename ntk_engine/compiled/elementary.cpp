// The functions that recorded formulas call; every file of formulas has this one after panel.cpp.
namespace {

constexpr long STRIP = 64;

// c[0] + c[1] x + ...: by fours and then by Horner's rule, since what waits for one another takes longer than it works.
template <typename Real, int COUNT>
inline Real polynomial(Real x, const Real (&c)[COUNT]) {
    static_assert(COUNT % 4 == 0, "whole fours");
    const Real square = x * x, fourth = square * square;
    Real p = 0;
#pragma GCC unroll 8
    for (int k = COUNT - 4; k >= 0; k -= 4)
        p = p * fourth + ((c[k] + c[k + 1] * x) + (c[k + 2] + c[k + 3] * x) * square);
    return p;
}

// (phi/sin(phi) - 1)/x for x = 1 - cos(phi) in [0, 1]: phi/sin(phi) is interpolated at 21 Chebyshev points, to 6e-17.
inline double arc_rest(double x) {
    constexpr double c[] = {
        0x1.55555555553a7p-2, 0x1.111111112fc83p-3, 0x1.d41d41b84ae8cp-5, 0x1.a01a08484c03dp-6,
        0x1.7a45370ba46cbp-7, 0x1.5d454e14d89ecp-8, 0x1.443da2b48879bp-9, 0x1.47f6d138fbdf6p-10,
        0x1.585fd466c3516p-13, 0x1.bdefc984f43e2p-10, -0x1.049960e0f0d0cp-8, 0x1.2d500422daa64p-7,
        -0x1.03e0d08842df8p-6, 0x1.60d0282093a40p-6, -0x1.6fe3fa46fd5d6p-6, 0x1.229fe3be50a0fp-6,
        -0x1.502d0887f494ep-7, 0x1.0dad3ef1e23ecp-8, -0x1.0cdd8333e4640p-10, 0x1.fc3c94a58607fp-14};
    return polynomial(x, c);
}

// The same at 12 points, to 3e-10.
inline float arc_rest(float x) {
    constexpr float c[] = {0x1.555556p-2f, 0x1.111116p-3f, 0x1.d4196ep-5f, 0x1.a0a6cp-6f, 0x1.6fece8p-7f, 0x1.cef00cp-8f,
                           -0x1.c87bdep-9f, 0x1.d921f6p-7f, -0x1.30b2b8p-6f, 0x1.226a52p-6f, -0x1.2b72e4p-7f, 0x1.301c7ap-9f};
    return polynomial(x, c);
}

inline double angle(double sine, double cosine) {
    const double x = 1.0 - cosine;
    return sine * (1.0 + x * arc_rest(x));
}

// exp by 2^k exp(r), |r| <= ln(2)/2.
// (exp(r) - 1)/r, interpolated at 12 Chebyshev points, right to 2e-18.
inline double exponential_of_rest(double r) {
    constexpr double c[] = {
        1.0, 0.5, 0x1.555555555555ap-3, 0x1.5555555555557p-5,
        0x1.111111110f220p-7, 0x1.6c16c16c15a69p-10, 0x1.a01a01b1457b9p-13, 0x1.a01a01a9e935ep-16,
        0x1.71ddf56f3c074p-19, 0x1.27e4d41a5ca90p-22, 0x1.af6326f3df789p-26, 0x1.1f7f25b04b0d4p-29};
    return polynomial(r, c);
}

// The sum's last bits are those of k, whole and small; where k is no number, what comes out is multiplied by none.
inline double power_of_two(double k) {
    return bits<double>((bits<unsigned long>(k + 0x1.8p52) + 1023) << 52);
}

// x = k ln(2) + r.
inline double rest_of(double x, double& k) {
    k = __builtin_nearbyint(x * 0x1.71547652b82fep+0);
    return __builtin_fma(-k, 0x1.62e42fefa39efp-1, x) - k * 0x1.abc9e3b39803fp-56;
}

inline double exponential(double x) {
    double k;
    const double r = rest_of(x < -708.0 ? -708.0 : x > 709.0 ? 709.0 : x, k);
    const double inside = power_of_two(k) * (1.0 + r * exponential_of_rest(r));
    return x < -708.0 ? 0.0 : x > 709.0 ? __builtin_inf() : inside;
}

// 2^k (exp(r) - 1) + (2^k - 1): k is 0 where x is small.
inline double exponential_less_one(double x) {
    double k;
    const double r = rest_of(x < -708.0 ? -708.0 : x > 709.0 ? 709.0 : x, k), scale = power_of_two(k);
    const double inside = scale * (r * exponential_of_rest(r)) + (scale - 1.0);
    return x > 709.0 ? __builtin_inf() : inside;
}

}  // namespace
