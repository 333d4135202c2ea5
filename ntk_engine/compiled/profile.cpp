// Two functions of one variable, tabulated by profile.py, over a panel of pairs.
namespace {

constexpr int FOURS = 4;  // of coefficients, of each function
typedef double Four __attribute__((vector_size(4 * sizeof(double)), aligned(sizeof(double))));

// table: [rho < 0][cell][FOURS][2][4], coefficients in powers of the position in the cell. A cell of r = sqrt(gap) is an
// octave's quarter, or what is below the last octave.
struct Profile {
    const Four* table;
    long octaves;
};

// The cell of a pair, and its position there from -1 to 1: over an octave's quarter by the rest of the mantissa, else
// over r itself.
inline long find(double gap, long octaves, double& position) {
    const double r = gap < 1.0 ? root(gap) : 0x1.fffffffffffffp-1;
    const long word = bits<long>(r), cell = (word >> 50) - ((1023 - octaves) << 2);
    const double rest = bits<double>((word & ((1L << 50) - 1)) << 2 | 1023L << 52);
    const double whole = r * bits<double>((1023 + octaves) << 52);
    position = cell >= 0 ? 2.0 * rest - 3.0 : 2.0 * whole - 1.0;
    return cell >= 0 ? cell : 4 * octaves;
}

}  // namespace

// rho, gap -> what the functions are there, to rho and tau.
extern "C" void profile(const Panel& panel, const Profile& of) {
    constexpr long STRIP = 64;
    const long cells = 4 * of.octaves + 1;
    double position[STRIP];
    long cell[STRIP];
    for (long i = 0; i < panel.rows; ++i)
        for (long start = 0; start < panel.columns; start += STRIP) {
            const long n = panel.columns - start < STRIP ? panel.columns - start : STRIP;
            double *rho = panel.rho + i * panel.pitch + start, *tau = panel.tau + i * panel.pitch + start;
            const double* gap = panel.gap + i * panel.pitch + start;
            for (long j = 0; j < n; ++j) cell[j] = find(gap[j], of.octaves, position[j]) + (rho[j] < 0.0 ? cells : 0);
            for (long j = 0; j < n; ++j) {
                const Four* c = of.table + cell[j] * 2 * FOURS;
                const double x = position[j], square = x * x, fourth = square * square;
                Four first = c[2 * FOURS - 2], second = c[2 * FOURS - 1];
                for (int k = FOURS - 2; k >= 0; --k) {
                    first = first * fourth + c[2 * k];
                    second = second * fourth + c[2 * k + 1];
                }
                const Four powers = {1.0, x, square, x * square};
                first *= powers;
                second *= powers;
                rho[j] = (first[0] + first[1]) + (first[2] + first[3]);
                tau[j] = (second[0] + second[1]) + (second[2] + second[3]);
            }
        }
}
