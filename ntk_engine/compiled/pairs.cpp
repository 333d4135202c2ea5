// The kernel of a finite network, of all pairs of inputs: see finite/products.py. Eight rows times up to three vectors of
// columns are summed in registers; the two products of a layer are multiplied, and layers summed, while they are near. A sum
// has its terms in one order, whatever its neighbours: so both halves of a Gram matrix have the same bits, and nothing
// depends on how many threads there are.
#include <vector>

namespace {

constexpr long PIECE = 128;                   // terms of a sum that are added at a time
constexpr long BREADTH = 8 * WIDEST * LANES;  // columns of a block at most,
constexpr long HEIGHT = 256;                  // and rows, of several readouts one after another

// Rows of numbers, `pitch` apart, of readouts `apart` apart.
struct Rows {
    const Real* numbers;
    long pitch, apart;
};

// The same in blocks of LANES rows, `pitch` apart, number by number; behind the last row, zeros.
struct Packed {
    Real* numbers;
    long pitch, apart;
    const Real* at(long readout, long row) const { return numbers + readout * apart + row / LANES * pitch + row % LANES; }
};

struct Packing {
    Rows from;
    Packed to;
    long readouts, rows, length;
};

// Sums of products of rows of a and b, over `length` numbers of each of `parts` readouts.
struct Product {
    Packed a, b;
    long length, parts;
};

// A dense layer brings (gain * weight + shift) * back; `same`: what back is for all inputs, readouts x readouts, if it is.
struct Term {
    Product weight, back;
    const Real* same;
    double gain, shift;
};

struct Pairs {
    const Term* terms;
    long depth, rows, columns, gram, readouts;
    long more;  // whether the sum of other layers is there
    Real* out;
    long readout, row, other;  // strides of out, whose columns adjoin: by the first readout, the row, and the second readout
    long height, breadth;      // of a block of inputs, whole vectors
    long strips() const { return (columns + breadth - 1) / breadth; }
    long blocks() const { return strips() * ((rows + height - 1) / height); }
};

// Rows first ... last of readouts p ... p_end, and columns from ... to of q. What is worked on are whole vectors.
struct Block {
    long p, p_end, q, first, last, from, to;
    long high() const { return (last - first + LANES - 1) / LANES * LANES; }
    long vectors() const { return (to - from + LANES - 1) / LANES; }
};

// What a thread works in: matrices with rows BREADTH apart.
struct Room {
    Real *product, *total, *weights;
};

// Products of `count` numbers of eight rows with V vectors of columns, `pitch` apart: to `out`, or added to it. By itself, so
// that all sums are in registers.
template <int V>
__attribute__((noinline)) void eight(const Real* rows, const Real* next, const Real* columns, long pitch, long count, bool more, Real* out) {
    Vector sum[SIDE][V] = {};
#pragma GCC unroll 2
    for (long c = 0; c < count; ++c) {
        __builtin_prefetch(next + c * LANES, 0);
        Vector v[V];
#pragma GCC unroll 3
        for (int j = 0; j < V; ++j) v[j] = load(columns + j * pitch + c * LANES);
#pragma GCC unroll 8
        for (int i = 0; i < SIDE; ++i)
#pragma GCC unroll 3
            for (int j = 0; j < V; ++j) sum[i][j] += rows[c * LANES + i] * v[j];
    }
#pragma GCC unroll 8
    for (int i = 0; i < SIDE; ++i)
#pragma GCC unroll 3
        for (int j = 0; j < V; ++j) {
            Real* at = out + i * BREADTH + j * LANES;
            store(at, more ? load(at) + sum[i][j] : sum[i][j]);
        }
}

// Call f with the readout and the number of every eight rows, and V vectors of columns from b, that are not all below the
// diagonal of a Gram matrix.
template <int V, class F>
inline void tiles(const Block& block, bool gram, long b, F f) {
    const long end = gram ? block.from + (b + V) * LANES - block.first : block.high();
    for (long p = block.p; p < block.p_end; ++p)
        for (long r = 0; r < block.high() && r < end; r += SIDE) f(p, r);
}

// Products of a block that are not below the diagonal of a Gram matrix. After the last piece they go to
// f(row of `product`, row of the block, column, x).
template <class F>
inline void multiply(const Product& of, const Block& block, bool gram, Real* product, F f) {
    for (long part = 0; part < of.parts; ++part)
        for (long k = 0; k < of.length; k += PIECE) {
            const long count = of.length - k < PIECE ? of.length - k : PIECE;
            const bool last = part + 1 == of.parts && k + count == of.length;
            // Some columns stay in the first cache for all rows.
            panels(0, block.vectors(), [&](auto v, long b) {
                const Real* columns = of.b.at(block.q + part, block.from + b * LANES) + k * LANES;
                tiles<v.count>(block, gram, b, [&](long p, long r) {
                    const long row = (p - block.p) * block.high() + r, column = b * LANES;
                    Real* out = product + row * BREADTH + column;
                    const Real *rows = of.a.at(p + part, block.first + r) + k * LANES;
                    const Real *next = of.a.at(p + part, block.first + r + SIDE) + k * LANES;
                    eight<v.count>(rows, next, columns, of.b.pitch, count, k + part > 0, out);
                    if (!last) return;
                    for (long i = 0; i < SIDE; ++i)
                        for (long j = 0; j < v.count * LANES; j += LANES) f(row + i, r + i, column + j, load(out + i * BREADTH + j));
                });
            });
        }
}

// Add what a layer brings to the block's total, or begin it.
inline void add(const Term& term, const Block& block, bool gram, long readouts, const Real* weights, bool begin, const Room& room) {
    const auto to = [&](long row, long weight, long column, Vector x) {
        Real* at = room.total + row * BREADTH + column;
        const Vector y = x * load(weights + weight * BREADTH + column);
        store(at, begin ? y : load(at) + y);
    };
    if (!term.same) return multiply(term.back, block, gram, room.product, to);
    for (long p = block.p; p < block.p_end; ++p)
        for (long r = 0; r < block.high(); ++r)
            for (long j = 0; j < block.vectors(); ++j)
                to((p - block.p) * block.high() + r, r, j * LANES, term.same[p * readouts + block.q] + Vector{});
}

// Call f with numbers of the kernel, their places in a block's total, and how many there are: those not below the diagonal.
template <class F>
inline void places(const Pairs& of, const Block& block, Real* total, F f) {
    for (long p = block.p; p < block.p_end; ++p, total += block.high() * BREADTH)
        for (long i = block.first; i < block.last; ++i) {
            const long start = of.gram && i > block.from ? i : block.from;
            Real* out = of.out + p * of.readout + i * of.row + block.q * of.other;
            f(out + start, total + (i - block.first) * BREADTH + start - block.from, block.to - start);
        }
}

inline void copy(const Real* from, Real* to, long count) {
    for (long j = 0; j < count; ++j) to[j] = from[j];
}

// The same on the other side of the diagonal: rows of `below` from j, of columns from i.
inline void mirror(const Block& block, const Real* total, long i, long j, Real* below, long pitch) {
    const long high = block.last - i < LANES ? block.last - i : LANES, broad = block.to - j < LANES ? block.to - j : LANES;
    total += (i - block.first) * BREADTH + j - block.from;
    if (high == LANES && broad == LANES && j >= i + LANES) {
        Vector x[LANES];
        for (long l = 0; l < LANES; ++l) x[l] = load(total + l * BREADTH);
        exchange<LANES / 2>(x);
        for (long l = 0; l < LANES; ++l) store(below + (j + l) * pitch + i, x[l]);
        return;
    }
    for (long b = 0; b < broad; ++b)
        for (long a = 0; a < high && i + a < j + b; ++a) below[(j + b) * pitch + i + a] = total[a * BREADTH + b];
}

inline void mirrored(const Pairs& of, const Block& block, const Real* total) {
    for (long p = block.p; p < block.p_end; ++p, total += block.high() * BREADTH)
        for (long j = block.from; j < block.to; j += LANES)
            for (long i = block.first; i < block.last && i < j + LANES; i += LANES)
                mirror(block, total, i, j, of.out + block.q * of.readout + p * of.other, of.row);
}

// Rows first ... last and columns from ... to, of all readouts.
inline void every(const Pairs& of, long first, long last, long from, long to, const Room& room) {
    const Block one = {0, 1, 0, first, last, from, to};
    for (long t = 0; t < of.depth; ++t) {
        const Term& term = of.terms[t];
        Real* weights = room.weights + t * of.height * BREADTH;
        const Real gain = term.gain, shift = term.shift;
        multiply(term.weight, one, of.gram, weights, [&](long row, long, long column, Vector x) {
            store(weights + row * BREADTH + column, x * gain + shift);
        });
    }
    const long some = HEIGHT / one.high();
    for (long q = 0; q < of.readouts; ++q)
        for (long p = 0; p < of.readouts; p += some) {
            const Block block = {p, p + some < of.readouts ? p + some : of.readouts, q, first, last, from, to};
            if (of.more) places(of, block, room.total, [](Real* out, Real* total, long count) { copy(out, total, count); });
            for (long t = 0; t < of.depth; ++t)
                add(of.terms[t], block, of.gram, of.readouts, room.weights + t * of.height * BREADTH, !of.more && t == 0, room);
            places(of, block, room.total, [](Real* out, Real* total, long count) { copy(total, out, count); });
            if (of.gram) mirrored(of, block, room.total);
        }
}

// A block of rows.
inline void pack(const Packing& of, long readout, long first) {
    const Real* from = of.from.numbers + readout * of.from.apart + first * of.from.pitch;
    Real* to = of.to.numbers + readout * of.to.apart + first / LANES * of.to.pitch;
    const long some = of.rows - first < LANES ? of.rows - first : LANES;
    long c = 0;
    for (; some == LANES && c + LANES <= of.length; c += LANES) {
        Vector x[LANES];
        for (long l = 0; l < LANES; ++l) x[l] = load(from + l * of.from.pitch + c);
        exchange<LANES / 2>(x);
        for (long l = 0; l < LANES; ++l) store(to + (c + l) * LANES, x[l]);
    }
    for (; c < of.length; ++c)
        for (long l = 0; l < LANES; ++l) to[c * LANES + l] = l < some ? from[l * of.from.pitch + c] : 0;
}

}  // namespace

// Rows of numbers packed, until none are left to be taken.
extern "C" void packs(const Packing* all, long count, long* taken) {
    for (;;) {
        const long next = __atomic_fetch_add(taken, 1, __ATOMIC_RELAXED);
        if (next >= count) return;
        for (long v = 0; v < all[next].readouts; ++v)
            for (long first = 0; first < all[next].rows; first += LANES) pack(all[next], v, first);
    }
}

// Blocks of networks' kernels, until none is left to be taken; the last ones, of which more is above the diagonal, first.
extern "C" void pairs(const Pairs* networks, long count, long* taken) {
    const Pairs& like = *networks;
    // A thread keeps its room: fresh pages would take longer than small kernels.
    static thread_local std::vector<Real> numbers;
    numbers.resize((2 * HEIGHT + like.depth * like.height) * BREADTH);
    const Room room = {numbers.data(), numbers.data() + HEIGHT * BREADTH, numbers.data() + 2 * HEIGHT * BREADTH};
    for (;;) {
        const long left = count * like.blocks() - 1 - __atomic_fetch_add(taken, 1, __ATOMIC_RELAXED);
        if (left < 0) return;
        const Pairs& of = networks[left % count];
        const long from = left / count % of.strips() * of.breadth;
        const long to = from + of.breadth < of.columns ? from + of.breadth : of.columns;
        const long first = left / count / of.strips() * of.height, end = of.gram ? to : of.rows;
        const long last = first + of.height < end ? first + of.height : end;
        if (first < last) every(of, first, last, from, to, room);
    }
}
