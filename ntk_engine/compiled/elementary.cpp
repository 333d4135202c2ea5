// The functions that recorded formulas call; every file of formulas begins with this one.
#include <cmath>
#include <cstdint>
#include <cstring>

namespace {

constexpr long STRIP = 64;

inline double root(double x) { return std::sqrt(x); }
inline double magnitude(double x) { return std::fabs(x); }

// (phi/sin(phi) - 1)/x for x = 1 - cos(phi) in [0, 1]: phi/sin(phi) is interpolated at 21 Chebyshev points, to 6e-17.
inline double arc_rest(double x) {
    double p = 0x1.fc3c94a58607fp-14;
    p = p * x + -0x1.0cdd8333e4640p-10;
    p = p * x + 0x1.0dad3ef1e23ecp-8;
    p = p * x + -0x1.502d0887f494ep-7;
    p = p * x + 0x1.229fe3be50a0fp-6;
    p = p * x + -0x1.6fe3fa46fd5d6p-6;
    p = p * x + 0x1.60d0282093a40p-6;
    p = p * x + -0x1.03e0d08842df8p-6;
    p = p * x + 0x1.2d500422daa64p-7;
    p = p * x + -0x1.049960e0f0d0cp-8;
    p = p * x + 0x1.bdefc984f43e2p-10;
    p = p * x + 0x1.585fd466c3516p-13;
    p = p * x + 0x1.47f6d138fbdf6p-10;
    p = p * x + 0x1.443da2b48879bp-9;
    p = p * x + 0x1.5d454e14d89ecp-8;
    p = p * x + 0x1.7a45370ba46cbp-7;
    p = p * x + 0x1.a01a08484c03dp-6;
    p = p * x + 0x1.d41d41b84ae8cp-5;
    p = p * x + 0x1.111111112fc83p-3;
    p = p * x + 0x1.55555555553a7p-2;
    return p;
}

inline double angle(double sine, double cosine) {
    const double x = 1.0 - cosine;
    return sine * (1.0 + x * arc_rest(x));
}

// exp by 2^k exp(r), |r| <= ln(2)/2.
// (exp(r) - 1)/r, interpolated at 12 Chebyshev points, right to 2e-18.
inline double exponential_of_rest(double r) {
    double p = 0x1.1f7f25b04b0d4p-29;
    p = p * r + 0x1.af6326f3df789p-26;
    p = p * r + 0x1.27e4d41a5ca90p-22;
    p = p * r + 0x1.71ddf56f3c074p-19;
    p = p * r + 0x1.a01a01a9e935ep-16;
    p = p * r + 0x1.a01a01b1457b9p-13;
    p = p * r + 0x1.6c16c16c15a69p-10;
    p = p * r + 0x1.111111110f220p-7;
    p = p * r + 0x1.5555555555557p-5;
    p = p * r + 0x1.555555555555ap-3;
    p = p * r + 0.5;
    p = p * r + 1.0;
    return p;
}

inline double power_of_two(double k) {
    const int64_t bits = (static_cast<int64_t>(k) + 1023) << 52;
    double result;
    std::memcpy(&result, &bits, sizeof result);
    return result;
}

inline double exponential(double x) {
    const double held = x < -708.0 ? -708.0 : x > 709.0 ? 709.0 : x;
    const double k = std::nearbyint(held * 0x1.71547652b82fep+0);
    const double r = std::fma(-k, 0x1.62e42fefa39efp-1, held) - k * 0x1.abc9e3b39803fp-56;
    const double inside = power_of_two(k) * (1.0 + r * exponential_of_rest(r));
    return x < -708.0 ? 0.0 : x > 709.0 ? INFINITY : inside;
}

inline double exponential_less_one(double x) {
    const double near = x < -0.34 ? -0.34 : x > 0.34 ? 0.34 : x;
    const double small = near * exponential_of_rest(near);
    return magnitude(x) < 0.34 ? small : exponential(x) - 1.0;
}

}  // namespace
