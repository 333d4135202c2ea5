// Two functions of one variable, tabulated by profile.py, over a panel of pairs.
namespace {

// table: [rho < 0][cell][degree + 1][2], coefficients in powers of the position in the cell. A cell of r = sqrt(gap) is
// an octave's quarter, or what is below the last octave.
struct Profile {
    const double* table;
    long octaves, degree;
};

}  // namespace

// rho, gap -> what the functions are there, to rho and tau.
extern "C" void profile(const Panel& panel, const Profile& of) {
    const long degree = of.degree, cells = 4 * of.octaves + 1, size = 2 * (degree + 1);
    for (long entry = 0; entry < panel.rows * panel.columns; ++entry) {
        const long at = entry / panel.columns * panel.pitch + entry % panel.columns;
        const double r = panel.gap[at] < 1.0 ? root(panel.gap[at]) : 0x1.fffffffffffffp-1;
        const long word = bits<long>(r);
        long cell = (word >> 50) - ((1023 - of.octaves) << 2);
        // The position runs from -1 to 1: over an octave's quarter by the rest of the mantissa, else over r itself.
        double position;
        if (cell >= 0) {
            position = 2.0 * bits<double>((word & ((1L << 50) - 1)) << 2 | 1023L << 52) - 3.0;
        } else {
            cell = cells - 1;
            position = 2.0 * __builtin_ldexp(r, static_cast<int>(of.octaves)) - 1.0;
        }
        const double* c = of.table + ((panel.rho[at] < 0.0 ? cells : 0) + cell) * size;
        double first = c[2 * degree], second = c[2 * degree + 1];
        for (long k = degree - 1; k >= 0; --k) {
            first = first * position + c[2 * k];
            second = second * position + c[2 * k + 1];
        }
        panel.rho[at] = first;
        panel.tau[at] = second;
    }
}
