// What every tile begins and ends with, and how its stages are run.
// From a matrix product to correlations, and from correlations to kernels.
namespace {

typedef @NUMBER@ Number;  // of inputs and kernels

inline double correlation(Number product, double inverse_a, double inverse_b) {
    const double r = product * inverse_a * inverse_b;
    return r > 1.0 ? 1.0 : r < -1.0 ? -1.0 : r;
}

// The product of the tile's scaled rows (rows x columns), and 1/|scaled row|. diagonal: whether pair (i, i) is of a row
// with itself.
struct Product {
    const void* product;
    const double *inverse_a, *inverse_b;
    long rows, columns, diagonal;
};

// Where a kernel goes: to `out`, and transposed to `mirror`, if they are given. Of a diagonal tile the upper half counts.
struct Place {
    void *out, *mirror;
    long pitch, mirror_pitch;
};

struct Ends {
    const double *root_a, *root_b;
    Place nngp, ntk;
    long diagonal;
};

constexpr long SIDE = 8, LINE = 64 / sizeof(Number), VECTORS = LINE / SIDE;  // numbers and vectors of a cache line
typedef double Vector __attribute__((vector_size(SIDE * sizeof(double)), aligned(sizeof(double))));
typedef float Floats __attribute__((vector_size(SIDE * sizeof(float)), aligned(sizeof(float))));

// A cache line of numbers, from as many vectors as it takes, to memory that is not read soon: past the caches, where there is
// an instruction for it.
inline void store(double* to, const Vector (&value)[1]) {
#if defined(__AVX512F__) && !defined(__clang__)
    typedef double Aligned __attribute__((vector_size(64)));
    if ((reinterpret_cast<unsigned long>(to) & 63) == 0) return __builtin_ia32_movntpd512(to, static_cast<Aligned>(value[0]));
#endif
    __builtin_memcpy(to, value, sizeof value);
}
inline void store(float* to, const Vector (&value)[2]) {
    const Floats first = __builtin_convertvector(value[0], Floats), second = __builtin_convertvector(value[1], Floats);
    const auto line = __builtin_shufflevector(first, second, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
#if defined(__AVX512F__) && !defined(__clang__)
    if ((reinterpret_cast<unsigned long>(to) & 63) == 0) return __builtin_ia32_movntps512(to, line);
#endif
    __builtin_memcpy(to, &line, sizeof line);
}
inline void settle() {
#if defined(__AVX512F__) && !defined(__clang__)
    __builtin_ia32_sfence();
#endif
}

// Eight rows as eight columns: halves, then quarters, then single numbers change places.
void transpose(const double* from, long pitch, Vector (&to)[SIDE]) {
    Vector a[SIDE], b[SIDE];
    for (long i = 0; i < SIDE; ++i) __builtin_memcpy(a + i, from + i * pitch, sizeof(Vector));
    for (long i = 0; i < 4; ++i) {
        b[i] = __builtin_shufflevector(a[i], a[i + 4], 0, 1, 2, 3, 8, 9, 10, 11);
        b[i + 4] = __builtin_shufflevector(a[i], a[i + 4], 4, 5, 6, 7, 12, 13, 14, 15);
    }
    for (long i = 0; i < 6; i += i == 1 ? 3 : 1) {  // 0, 1, 4, 5
        a[i] = __builtin_shufflevector(b[i], b[i + 2], 0, 1, 8, 9, 4, 5, 12, 13);
        a[i + 2] = __builtin_shufflevector(b[i], b[i + 2], 2, 3, 10, 11, 6, 7, 14, 15);
    }
    for (long i = 0; i < SIDE; i += 2) {
        to[i] = __builtin_shufflevector(a[i], a[i + 1], 0, 8, 2, 10, 4, 12, 6, 14);
        to[i + 1] = __builtin_shufflevector(a[i], a[i + 1], 1, 9, 3, 11, 5, 13, 7, 15);
    }
}

// Units times roots, in place, and to `out`: the larger root first, so that 0 stays 0 where their product overflows.
void scale(double* units, long columns, double root_a, const double* root_b, Number* out) {
    const Vector own = Vector{} + root_a;
    long j = 0;
    for (; j + LINE <= columns; j += LINE) {
        Vector unit[VECTORS], other[VECTORS];
        __builtin_memcpy(unit, units + j, sizeof unit);
        __builtin_memcpy(other, root_b + j, sizeof other);
        for (long k = 0; k < VECTORS; ++k)
            unit[k] = unit[k] * (other[k] > own ? other[k] : own) * (other[k] > own ? own : other[k]);
        __builtin_memcpy(units + j, unit, sizeof unit);
        store(out + j, unit);
    }
    for (; j < columns; ++j) {
        const bool below = root_b[j] > root_a;
        out[j] = units[j] = units[j] * (below ? root_b[j] : root_a) * (below ? root_a : root_b[j]);
    }
}

void mirrored(const Panel& panel, const double* units, Number* to, long pitch) {
    const long rows = panel.rows, columns = panel.columns;
    const long whole_rows = rows - rows % LINE, whole_columns = columns - columns % SIDE;
    for (long j = 0; j < whole_columns; j += SIDE)
        for (long i = 0; i < whole_rows; i += LINE) {
            Vector turned[VECTORS][SIDE], line[VECTORS];
            for (long k = 0; k < VECTORS; ++k) transpose(units + (i + k * SIDE) * panel.pitch + j, panel.pitch, turned[k]);
            for (long column = 0; column < SIDE; ++column) {
                for (long k = 0; k < VECTORS; ++k) line[k] = turned[k][column];
                store(to + (j + column) * pitch + i, line);
            }
        }
    for (long i = 0; i < rows; ++i)
        for (long j = i < whole_rows ? whole_columns : 0; j < columns; ++j) to[j * pitch + i] = units[i * panel.pitch + j];
}

void place(const Panel& panel, double* units, const Ends& ends, const Place& to) {
    if (!to.out) return;
    Number *out = static_cast<Number*>(to.out), *mirror = static_cast<Number*>(to.mirror);
    for (long i = 0; i < panel.rows; ++i) {
        const long row = panel.row + i;
        // In a diagonal tile, the panel's first column that is not below the diagonal.
        const long left = !ends.diagonal || row < panel.column ? 0 : row - panel.column;
        if (left >= panel.columns) continue;
        double* own = units + i * panel.pitch;
        scale(own + left, panel.columns - left, ends.root_a[row], ends.root_b + panel.column + left,
              out + row * to.pitch + panel.column + left);
        if (ends.diagonal)
            for (long j = left; j < panel.columns; ++j) out[(panel.column + j) * to.pitch + row] = own[j];
    }
    if (mirror && !ends.diagonal)
        mirrored(panel, units, mirror + panel.column * to.mirror_pitch + panel.row, to.mirror_pitch);
}

}  // namespace

// Sums in two words, eight side by side: products and sums with what rounding takes from them (Knuth, Dekker).
struct Sums {
    Vector high = {}, low = {};
};

#if defined(__clang__)
#define AS_WRITTEN
#else
#define AS_WRITTEN __attribute__((optimize("fp-contract=off")))
#endif

AS_WRITTEN inline void add(Sums& sums, Vector term, Vector rest) {
#pragma clang fp contract(off)
    const Vector total = sums.high + term, other = total - sums.high;
    sums.low += ((sums.high - (total - other)) + (term - other)) + rest;
    sums.high = total;
}

AS_WRITTEN inline void add_squares(Sums& sums, const Number* x, long count) {
#pragma clang fp contract(off)
    Vector value = {}, rest;
    for (long k = 0; k < count; ++k) value[k] = x[k];
    const Vector square = value * value;
    for (long k = 0; k < SIDE; ++k) rest[k] = __builtin_fma(value[k], value[k], -square[k]);
    add(sums, square, rest);
}

extern "C" {

// The squared lengths of rows, in two words each.
AS_WRITTEN void squares(const Number* x, long rows, long columns, double* high, double* low) {
    for (long i = 0; i < rows; ++i, x += columns) {
        Sums sums, total;
        long j = 0;
        for (; j + SIDE <= columns; j += SIDE) add_squares(sums, x + j, SIDE);
        add_squares(sums, x + j, columns - j);
        for (long k = 0; k < SIDE; ++k) add(total, Vector{sums.high[k]}, Vector{sums.low[k]});
        high[i] = total.high[0] + total.low[0];
        low[i] = (total.high[0] - high[i]) + total.low[0];
    }
}

// The least gap, but for those of rows with themselves.
double nearest(const Product& of) {
    double least = 1.0;
    for (long i = 0; i < of.rows; ++i) {
        const Number* product = static_cast<const Number*>(of.product) + i * of.columns;
        const double scale = of.inverse_a[i];
        long word = 0;  // the largest |r|: numbers that are not negative are ordered as their bits are
        for (long j = 0; j < (of.diagonal ? i : of.columns); ++j) {
            const long other = bits<long>(magnitude(product[j] * scale * of.inverse_b[j]));
            word = other > word ? other : word;
        }
        const double gap = 1.0 - bits<double>(word);
        least = gap < least ? gap : least;
    }
    return least;
}

void begin(const Panel& panel, const Product& of) {
    for (long i = 0; i < panel.rows; ++i) {
        const long row = panel.row + i, at = i * panel.pitch;
        const Number* product = static_cast<const Number*>(of.product) + row * of.columns + panel.column;
        const double scale = of.inverse_a[row];
        for (long j = 0; j < panel.columns; ++j) {
            const double r = correlation(product[j], scale, of.inverse_b[panel.column + j]);
            panel.rho[at + j] = r;
            panel.gap[at + j] = 1.0 - magnitude(r);
            panel.tau[at + j] = 0.0;
        }
        const long own = row - panel.column;
        if (of.diagonal && own >= 0 && own < panel.columns) {
            panel.rho[at + own] = 1.0;
            panel.gap[at + own] = 0.0;
        }
    }
}

void finish(const Panel& panel, const Ends& ends) {
    place(panel, panel.rho, ends, ends.nngp);
    place(panel, panel.tau, ends, ends.ntk);
    settle();
}

}
