// Products of a matrix with few neurons, and sums of few of them added to a matrix.
namespace {

// Rows of numbers, `pitch` apart, a whole number of vectors each.
struct Matrix {
    Real* numbers;
    long rows, vectors, pitch;
};

// Segments of 2h lanes of two vectors, each added to one of h lanes.
template <int h>
inline Vector halved(Vector a, Vector b) {
    Places low, high;
    for (int i = 0; i < LANES; ++i) {
        low[i] = i / h * 2 * h + i % h;
        high[i] = low[i] + h;
    }
    return __builtin_shuffle(a, b, low) + __builtin_shuffle(a, b, high);
}

// The sums over lanes of `count` x LANES / count vectors, each in one lane; all are added in the same order.
template <int count>
inline Vector sums(const Vector* x) {
    if constexpr (count == 1)
        return *x;
    else
        return halved<LANES / count>(sums<count / 2>(x), sums<count / 2>(x + count / 2));
}

// Vectors of a row that are asked for before they are needed: a tenth less time where weights come from memory.
constexpr long AHEAD = 8;
constexpr int TALL = 4, WIDE = 4;  // rows and inputs whose products are kept in registers

// What rows `first` ... of a matrix make of neurons, of inputs from `start`.
inline void products(const Matrix& matrix, const Real* entering, long inputs, long first, long start, Real* z) {
    const Real *w[TALL], *x[WIDE];
    for (long r = 0; r < TALL; ++r) w[r] = matrix.numbers + (first + r < matrix.rows ? first + r : matrix.rows - 1) * matrix.pitch;
    for (long s = 0; s < WIDE; ++s) x[s] = entering + (start + s < inputs ? start + s : inputs - 1) * LANES;
    // By inputs and then by rows, as z is kept.
    Vector sum[WIDE * TALL] = {};
    for (long c = 0; c < matrix.vectors; ++c) {
        Vector a[WIDE];
#pragma GCC unroll 4
        for (int s = 0; s < WIDE; ++s) a[s] = load(x[s] + c * inputs * LANES);
#pragma GCC unroll 4
        for (int r = 0; r < TALL; ++r) {
            const Vector v = load(w[r] + c * LANES);
            __builtin_prefetch(w[r] + (c + AHEAD) * LANES, 0);
#pragma GCC unroll 4
            for (int s = 0; s < WIDE; ++s) sum[s * TALL + r] += v * a[s];
        }
    }
    Real out[WIDE * TALL];
    for (int i = 0; i < WIDE * TALL; i += LANES) store(out + i, sums<LANES>(sum + i));
    for (long s = 0; s < WIDE && start + s < inputs; ++s)
        __builtin_memcpy(z + s * LANES, out + s * TALL, TALL * sizeof(Real));
}

// Blocks first ... last of what a matrix makes of neurons: z = matrix A^T.
inline void multiply(const Matrix& matrix, const Real* entering, long inputs, long first, long last, Real* z) {
    for (long row = first * LANES; row < last * LANES && row < matrix.rows; row += TALL)
        for (long s = 0; s < inputs; s += WIDE)
            products(matrix, entering, inputs, row, s, z + (row / LANES * inputs + s) * LANES + row % LANES);
}

constexpr long DEEP = 16, BROAD = 4;  // rows, and vectors of them, of which a part of their sum is kept in registers

// before += delta matrix: I inputs from s, W vectors from c, over rows first ... last.
template <int I, int W>
inline void pull(const Matrix& matrix, const Real* delta, Real* before, long inputs, long first, long last, long c, long s) {
    Vector sum[I][W];
#pragma GCC unroll 4
    for (int i = 0; i < I; ++i)
#pragma GCC unroll 4
        for (int k = 0; k < W; ++k) sum[i][k] = load(before + ((c + k) * inputs + s + i) * LANES);
    for (long row = first; row < last; ++row) {
        const Real *w = matrix.numbers + row * matrix.pitch + c * LANES, *d = delta + (row / LANES * inputs + s) * LANES + row % LANES;
        Vector v[W];
#pragma GCC unroll 4
        for (int k = 0; k < W; ++k) {
            v[k] = load(w + k * LANES);
            __builtin_prefetch(w + (k + AHEAD) * LANES, 0);
        }
#pragma GCC unroll 4
        for (int i = 0; i < I; ++i)
#pragma GCC unroll 4
            for (int k = 0; k < W; ++k) sum[i][k] += d[i * LANES] * v[k];
    }
#pragma GCC unroll 4
    for (int i = 0; i < I; ++i)
#pragma GCC unroll 4
        for (int k = 0; k < W; ++k) store(before + ((c + k) * inputs + s + i) * LANES, sum[i][k]);
}

// The same of all inputs.
template <int W>
inline void pull(const Matrix& matrix, const Real* delta, Real* before, long inputs, long first, long last, long c) {
    long s = 0;
    for (; s + 4 <= inputs; s += 4) pull<4, W>(matrix, delta, before, inputs, first, last, c, s);
    for (; s < inputs; ++s) pull<1, W>(matrix, delta, before, inputs, first, last, c, s);
}

// The same over all rows, in vectors c0 ... c1: a sum is over rows one after another.
inline void pull(const Matrix& matrix, const Real* delta, Real* before, long inputs, long c0, long c1) {
    for (long row = 0; row < matrix.rows; row += DEEP) {
        const long end = row + DEEP < matrix.rows ? row + DEEP : matrix.rows;
        long c = c0;
        for (; c + BROAD <= c1; c += BROAD) pull<BROAD>(matrix, delta, before, inputs, row, end, c);
        for (; c < c1; ++c) pull<1>(matrix, delta, before, inputs, row, end, c);
    }
}

constexpr long GROUP = 4;
constexpr long NEAR = 1L << 18;  // bytes that stay near while rows go by

// to += left^T right: R rows and W vectors of it. The sum is added at once, and so rounded once.
template <int R, int W>
inline void fold(const Matrix& left, const Matrix& right, const Matrix& to, long row, long c) {
    Vector sum[R][W] = {};
    for (long i = 0; i < left.rows; ++i) {
        const Real *d = left.numbers + i * left.pitch + row, *a = right.numbers + i * right.pitch + c * LANES;
        Vector v[W];
#pragma GCC unroll 4
        for (int k = 0; k < W; ++k) v[k] = load(a + k * LANES);
#pragma GCC unroll 4
        for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
            for (int k = 0; k < W; ++k) sum[r][k] += d[r] * v[k];
    }
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
        for (int k = 0; k < W; ++k) {
            Real* at = to.numbers + (row + r) * to.pitch + (c + k) * LANES;
            store(at, load(at) + sum[r][k]);
        }
}

// The same of R rows in vectors c ... end; those of the rows behind them are asked for.
template <int R>
inline void fold(const Matrix& left, const Matrix& right, const Matrix& to, long row, long c, long end) {
    for (; c + BROAD <= end; c += BROAD) {
        for (long r = 0; r < R; ++r)
            for (long k = 0; k < BROAD; ++k) __builtin_prefetch(to.numbers + (row + R + r) * to.pitch + (c + k) * LANES, 1);
        fold<R, BROAD>(left, right, to, row, c);
    }
    for (; c < end; ++c) fold<R, 1>(left, right, to, row, c);
}

// The same of all rows.
void fold(const Matrix& left, const Matrix& right, const Matrix& to, long c0, long c1) {
    const long most = NEAR / (left.rows * 64), width = most > BROAD ? most / BROAD * BROAD : BROAD;
    for (long c = c0; c < c1; c += width) {
        const long end = c + width < c1 ? c + width : c1;
        long row = 0;
        for (; row + GROUP <= to.rows; row += GROUP) fold<GROUP>(left, right, to, row, c, end);
        for (; row < to.rows; ++row) fold<1>(left, right, to, row, c, end);
    }
}

}  // namespace
