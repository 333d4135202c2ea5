// The layers of a network whose activations are given by Hermite coefficients, over a tile of pairs.
// What stands between @ signs is filled in by source.py: what is recorded of series.py, and of the dense layer.
namespace {

constexpr int MIX = @MIX@;    // how many numbers a row brings to the dense layer, after its coefficients
constexpr int LANES = 8;

typedef double Vector __attribute__((vector_size(LANES * sizeof(double)), aligned(sizeof(double))));

// Of the terms of one parity, over a strip: the five sums of `Sums` in series.py.
struct Sums {
    double value[STRIP], slope[STRIP], total[STRIP], fall[STRIP], spread[STRIP];
};

// Horner's rule from the last term to the first; a: the row's coefficients, b: the columns', `stride` apart; every
// second one, `terms` of them. The running sums of eight columns stay in registers.
inline void sum(const double* a, const double* b, long stride, long terms, const double* square, Sums& sums) {
    for (long j = 0; j < STRIP; j += LANES) {
        Vector x, value = {}, slope = {}, total = {}, fall = {}, spread = {};
        __builtin_memcpy(&x, square + j, sizeof x);
        for (long m = terms - 1; m >= 0; --m) {
            Vector d;
            __builtin_memcpy(&d, b + 2 * m * stride + j, sizeof d);
            const double c = a[2 * m];
            const Vector product = c * d, difference = c - d;
            slope = slope * x + value;
            fall = fall * x + total;
            value = value * x + product;
            total = total + product;
            spread = spread + difference * difference;
        }
        spread = spread * 0.5;
        __builtin_memcpy(sums.value + j, &value, sizeof x);
        __builtin_memcpy(sums.slope + j, &slope, sizeof x);
        __builtin_memcpy(sums.total + j, &total, sizeof x);
        __builtin_memcpy(sums.fall + j, &fall, sizeof x);
        __builtin_memcpy(sums.spread + j, &spread, sizeof x);
    }
}

// How many of every second row of a block must be summed: up to the last that is not zero.
inline long terms(const double* block, long first, long degree) {
    if (degree < first) return 0;
    for (long k = degree - (degree - first) % 2; k >= first; k -= 2)
        for (long j = 0; j < STRIP; ++j)
            if (block[k * STRIP + j] != 0.0) return (k - first) / 2 + 1;
    return 0;
}

// What the sums come to, then gain and bias. e, o: the sums of even and odd terms; a, b: what rows bring to the bias.
inline void layer(const double* e, const double* o, const double* a, const double* b, long stride, double& rho_,
                  double& gap_, double& tau_) {
    const double rho = rho_, gap = gap_, tau = tau_;
    @LAYER@
}

// a, b: moment, coefficients 0 ... degree, and what the bias takes, by rows of the tile, `quantity_` apart.
struct Series {
    const double *a, *b;
    long quantity_a, quantity_b, degree;
};

}  // namespace

extern "C" void series(const Panel& panel, const Series& of) {
    const long degree = of.degree, width = degree + 1 + MIX;
    double square[STRIP];
    double *row = new double[width], *block = new double[width * STRIP];
    for (long start = 0; start < panel.columns; start += STRIP) {
        const long n = panel.columns - start < STRIP ? panel.columns - start : STRIP;
        // The strip's columns, padded: coefficient k of column j is at [k * STRIP + j].
        for (long k = 0; k < width; ++k)
            for (long j = 0; j < STRIP; ++j) block[k * STRIP + j] = of.b[(k + 1) * of.quantity_b + panel.column + start + (j < n ? j : 0)];
        // An activation that is odd or even has zeros for every second coefficient, in all rows.
        const long evens = terms(block, 0, degree), odds = terms(block, 1, degree);
        for (long i = 0; i < panel.rows; ++i) {
            const long at = i * panel.pitch + start;
            double *rho = panel.rho + at, *gap = panel.gap + at, *tau = panel.tau + at;
            for (long k = 0; k < width; ++k) row[k] = of.a[(k + 1) * of.quantity_a + panel.row + i];
            for (long j = 0; j < STRIP; ++j) square[j] = j < n ? rho[j] * rho[j] : 0.0;
            Sums even, odd;
            sum(row, block, STRIP, evens, square, even);
            sum(row + 1, block + STRIP, STRIP, odds, square, odd);
            const double* mix_a = row + degree + 1;
            const double* mix_b = block + (degree + 1) * STRIP;
            for (long j = 0; j < n; ++j) {
                const double e[5] = {even.value[j], even.slope[j], even.total[j], even.fall[j], even.spread[j]};
                const double o[5] = {odd.value[j], odd.slope[j], odd.total[j], odd.fall[j], odd.spread[j]};
                layer(e, o, mix_a, mix_b + j, STRIP, rho[j], gap[j], tau[j]);
            }
        }
    }
    delete[] row;
    delete[] block;
}
