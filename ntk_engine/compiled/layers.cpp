// The layers of a dense network over a panel of pairs, from activation to activation.
// What stands between @ signs is filled in by source.py: the recorded formulas of one family of activations.
namespace {

constexpr int WIDTH = @WIDTH@;  // how many numbers a row brings to a layer; the last are alpha, gamma and the words of t
constexpr bool ONE_FORMULA = @ONE_FORMULA@;  // for correlations of either sign
constexpr bool SINGLE = @SINGLE@;  // whether float32 may take the formulas

// One layer over one pair, from the activation to the bias of the dense layer after it. a and b are what the rows bring:
// b[k * stride] is the k-th quantity.
template <typename Real>
inline void layer(const Real* p, const Real* a, const Real* b, long stride, Real& rho_, Real& gap_, Real& tau_) {
    const Real rho = rho_, gap = gap_, tau = tau_;
    @LAYER@
}

// The same where no correlation is negative.
template <typename Real>
inline void layer_nonnegative(const Real* p, const Real* a, const Real* b, long stride, Real& rho_, Real& gap_, Real& tau_) {
    const Real rho = rho_, gap = gap_, tau = tau_;
    @LAYER_NONNEGATIVE@
}

// a, b: layers x WIDTH x rows of the tile, `layer_` and `quantity_` apart; `count` parameters. signs[l]: whether a
// correlation may be negative before layer l. single: whether float32 shall take the layers.
struct Layers {
    const double *a, *b;
    long layer_a, quantity_a, layer_b, quantity_b;
    const double* parameters;
    long count;
    const unsigned char* signs;
    long depth, single;
};

// What rows of one side bring, from one of them on.
template <typename Real>
struct Side {
    const Real* from;
    long layer, quantity;
};

// The pairs of a row with n others through all layers; p: the parameters.
template <typename Real>
inline void carry(const Layers& of, const Real* p, Side<Real> a, Side<Real> b, long n, Real* rho, Real* gap, Real* tau) {
    for (long l = 0; l < of.depth; ++l) {
        Real x[WIDTH];
        for (int k = 0; k < WIDTH; ++k) x[k] = a.from[l * a.layer + k * a.quantity];
        const Real* y = b.from + l * b.layer;
        // Pairs are nowhere else in memory.
        if (ONE_FORMULA || of.signs[l])
#pragma GCC ivdep
            for (long j = 0; j < n; ++j) layer(p, x, y + j, b.quantity, rho[j], gap[j], tau[j]);
        else
#pragma GCC ivdep
            for (long j = 0; j < n; ++j) layer_nonnegative(p, x, y + j, b.quantity, rho[j], gap[j], tau[j]);
    }
}

inline Side<double> left(const Panel& panel, const Layers& of) { return {of.a + panel.row, of.layer_a, of.quantity_a}; }
inline Side<double> right(const Panel& panel, const Layers& of) { return {of.b + panel.column, of.layer_b, of.quantity_b}; }

// The panel's i-th row.
void carry(const Panel& panel, const Layers& of, long i) {
    Side<double> a = left(panel, of);
    a.from += i;
    const long at = i * panel.pitch;
    carry(of, of.parameters, a, right(panel, of), panel.columns, panel.rho + at, panel.gap + at, panel.tau + at);
}

// Whether products with another such number are 0 or far from the least of float32.
inline bool held(double x) { return (x == 0.0) | (magnitude(x) >= 0x1p-60); }

// What n rows bring, in other numbers: depth x WIDTH x BREADTH, filled up with 0. The second word of t is what the first
// leaves. Says whether all gamma are held; alpha need not be, as gamma is 1 where it is small.
template <typename Real>
__attribute__((noinline)) bool take(Side<double> side, long depth, long n, Real* to) {
    long small = 0;
    for (long l = 0; l < depth; ++l, side.from += side.layer, to += WIDTH * BREADTH) {
        for (long k = 0; k < WIDTH; ++k) {
            for (long j = 0; j < n; ++j) to[k * BREADTH + j] = side.from[k * side.quantity + j];
            for (long j = n; j < BREADTH; ++j) to[k * BREADTH + j] = 0;
        }
        const double *gamma = side.from + (WIDTH - 3) * side.quantity, *t = gamma + side.quantity, *rest = t + side.quantity;
        Real *high = to + (WIDTH - 2) * BREADTH, *low = high + BREADTH;
        for (long j = 0; j < n; ++j) low[j] = (t[j] - high[j]) + rest[j];
        for (long j = 0; j < n; ++j) small |= !held(gamma[j]);
    }
    return small == 0;
}

// The panel in other numbers, but for rows with pairs that these do not hold; false, and nothing done, where they do not
// hold what rows bring. All rows have the same length: such loops are soon compiled.
template <typename Real>
bool carry_as(const Panel& panel, const Layers& of) {
    const long size = of.depth * WIDTH * BREADTH, layer = WIDTH * BREADTH;
    Real *a = new Real[2 * size + of.count], *b = a + size, *p = b + size, pairs[3][BREADTH] = {};
    bool all = take(left(panel, of), of.depth, panel.rows, a);
    all &= take(right(panel, of), of.depth, panel.columns, b);
    for (long k = 0; k < of.count; ++k) {
        p[k] = of.parameters[k];
        all &= held(of.parameters[k]);
    }
    for (long i = 0; all && i < panel.rows; ++i) {
        double* const own[] = {panel.rho + i * panel.pitch, panel.gap + i * panel.pitch, panel.tau + i * panel.pitch};
        long small = 0;
        for (long j = 0; j < panel.columns; ++j) small |= !held(own[0][j]) | !held(own[1][j]);
        if (small) {
            carry(panel, of, i);
            continue;
        }
        for (int k = 0; k < 3; ++k)
            for (long j = 0; j < panel.columns; ++j) pairs[k][j] = own[k][j];
        carry<Real>(of, p, {a + i, layer, BREADTH}, {b, layer, BREADTH}, BREADTH, pairs[0], pairs[1], pairs[2]);
        for (int k = 0; k < 3; ++k)
            for (long j = 0; j < panel.columns; ++j) own[k][j] = pairs[k][j];
    }
    delete[] a;
    return all;
}

// Whether float32 has taken the panel; what it may not is not compiled for it.
template <bool may>
bool in_single(const Panel& panel, const Layers& of) {
    if constexpr (may) return of.single && carry_as<float>(panel, of);
    return false;
}

}  // namespace

extern "C" void layers(const Panel& panel, const Layers& of) {
    if (in_single<SINGLE>(panel, of)) return;
    for (long i = 0; i < panel.rows; ++i) carry(panel, of, i);
}
