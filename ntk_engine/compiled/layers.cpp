// The layers of a dense network over a panel of pairs, from activation to activation.
// What stands between @ signs is filled in by source.py: the recorded formulas of one family of activations.
namespace {

constexpr int WIDTH = @WIDTH@;  // how many numbers a row brings to a layer
constexpr bool ONE_FORMULA = @ONE_FORMULA@;  // for correlations of either sign

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

// a, b: layers x WIDTH x rows of the tile, `layer_` and `quantity_` apart. signs[l]: whether a correlation may be
// negative before layer l.
struct Layers {
    const double *a, *b;
    long layer_a, quantity_a, layer_b, quantity_b;
    const double* parameters;
    const unsigned char* signs;
    long depth;
};

}  // namespace

extern "C" void layers(const Panel& panel, const Layers& of) {
    for (long i = 0; i < panel.rows; ++i) {
        double* rho = panel.rho + i * panel.pitch;
        double* gap = panel.gap + i * panel.pitch;
        double* tau = panel.tau + i * panel.pitch;
        for (long l = 0; l < of.depth; ++l) {
            double x[WIDTH];
            for (int k = 0; k < WIDTH; ++k) x[k] = of.a[l * of.layer_a + k * of.quantity_a + panel.row + i];
            const double* y = of.b + l * of.layer_b + panel.column;
            // Pairs are nowhere else in memory.
            if (ONE_FORMULA || of.signs[l])
#pragma GCC ivdep
                for (long j = 0; j < panel.columns; ++j) layer(of.parameters, x, y + j, of.quantity_b, rho[j], gap[j], tau[j]);
            else
#pragma GCC ivdep
                for (long j = 0; j < panel.columns; ++j)
                    layer_nonnegative(of.parameters, x, y + j, of.quantity_b, rho[j], gap[j], tau[j]);
        }
    }
}
