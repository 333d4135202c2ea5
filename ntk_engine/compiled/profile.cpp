// Two functions of one variable, tabulated by profile.py, over a tile of pairs.
#include <cmath>
#include <cstdint>
#include <cstring>

// rho, gap -> what the functions are there, to rho and tau. A cell of r = sqrt(gap) is an octave's quarter, or what is
// below the last octave; table: [rho < 0][cell][degree + 1][2], coefficients in powers of the position in the cell.
extern "C" void profile(double* rho, const double* gap, double* tau, long n, const double* table, long octaves,
                        long degree) {
    const long cells = 4 * octaves + 1, size = 2 * (degree + 1);
    for (long at = 0; at < n; ++at) {
        const double r = gap[at] < 1.0 ? std::sqrt(gap[at]) : 0x1.fffffffffffffp-1;
        int64_t bits;
        std::memcpy(&bits, &r, sizeof bits);
        long cell = (bits >> 50) - ((1023 - octaves) << 2);
        // The position runs from -1 to 1: over an octave's quarter by the rest of the mantissa, else over r itself.
        double position;
        if (cell >= 0) {
            const int64_t rest = (bits & ((int64_t(1) << 50) - 1)) << 2 | int64_t(1023) << 52;
            std::memcpy(&position, &rest, sizeof rest);
            position = 2.0 * position - 3.0;
        } else {
            cell = cells - 1;
            position = 2.0 * std::ldexp(r, static_cast<int>(octaves)) - 1.0;
        }
        const double* c = table + ((rho[at] < 0.0 ? cells : 0) + cell) * size;
        double first = c[2 * degree], second = c[2 * degree + 1];
        for (long k = degree - 1; k >= 0; --k) {
            first = first * position + c[2 * k];
            second = second * position + c[2 * k + 1];
        }
        rho[at] = first;
        tau[at] = second;
    }
}
