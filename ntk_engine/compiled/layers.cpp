// The layers of a dense network over a tile of pairs, from activation to activation, while a strip of it is in cache.
// What stands between @ signs is filled in by source.py: the recorded formulas of one family of activations.
namespace {

constexpr int WIDTH = @WIDTH@;  // how many numbers a row brings to a layer

// One layer over one pair, from the activation to the bias of the dense layer after it. a and b are what the rows bring:
// b[k * stride] is the k-th quantity.
inline void layer(const double* p, const double* a, const double* b, long stride, double& rho_, double& gap_, double& tau_) {
    const double rho = rho_, gap = gap_, tau = tau_;
    @LAYER@
}

// The same where no correlation is negative.
inline void layer_nonnegative(const double* p, const double* a, const double* b, long stride, double& rho_, double& gap_, double& tau_) {
    const double rho = rho_, gap = gap_, tau = tau_;
    @LAYER_NONNEGATIVE@
}

}  // namespace

// rho, gap, tau: rows x columns, rows `pitch` apart. a, b: layers x WIDTH x rows, `layer_` and `quantity_` apart.
// signs[l]: whether a correlation may be negative before layer l.
extern "C" void layers(double* rho_, double* gap_, double* tau_, long rows, long columns, long pitch,
                       const double* a, long layer_a, long quantity_a, const double* b, long layer_b, long quantity_b,
                       const double* p, const unsigned char* signs, long depth) {
    double rho[STRIP], gap[STRIP], tau[STRIP];
    for (long i = 0; i < rows; ++i)
        for (long start = 0; start < columns; start += STRIP) {
            const long n = columns - start < STRIP ? columns - start : STRIP;
            const long at = i * pitch + start;
            std::memcpy(rho, rho_ + at, n * sizeof(double));
            std::memcpy(gap, gap_ + at, n * sizeof(double));
            std::memcpy(tau, tau_ + at, n * sizeof(double));
            for (long l = 0; l < depth; ++l) {
                double x[WIDTH];
                for (int k = 0; k < WIDTH; ++k) x[k] = a[l * layer_a + k * quantity_a + i];
                const double* y = b + l * layer_b + start;
                if (signs[l])
                    for (long j = 0; j < n; ++j) layer(p, x, y + j, quantity_b, rho[j], gap[j], tau[j]);
                else
                    for (long j = 0; j < n; ++j) layer_nonnegative(p, x, y + j, quantity_b, rho[j], gap[j], tau[j]);
            }
            std::memcpy(rho_ + at, rho, n * sizeof(double));
            std::memcpy(gap_ + at, gap, n * sizeof(double));
            std::memcpy(tau_ + at, tau, n * sizeof(double));
        }
}
