// Gradient descent on one network of dense layers with pointwise functions between them, when few inputs meet its weights:
// see finite/leaps.py. Weights are read once forward, and once backward, where they are changed as soon as they are read.
// What stands between @ signs is filled in by source.py.
#include <sched.h>

namespace {

typedef @NUMBER@ Real;
constexpr int LANES = 64 / sizeof(Real);
typedef Real Vector __attribute__((vector_size(64), aligned(sizeof(Real))));
// Integers as wide as Real, which __builtin_shuffle asks for.
typedef @INTEGER@ Places __attribute__((vector_size(64)));

// value <- sigma(z) gain, slope <- sigma'(z) gain, of n neurons.
typedef void (*Pointwise)(const double* constants, double gain, const Real* z, Real* value, Real* slope, long n);
// c(f, y) of one input and, in `direction`, its derivative by f; k outputs; `room`: for as many numbers as it asks for.
typedef double (*Cost)(const double* constants, const double* f, const double* y, double* direction, long k, double* room);

// A dense layer and what follows it. Neurons are kept in blocks of LANES, and in a block one input after another: where
// weights are read from end to end, so are they. Behind the last neuron stands the bias' factor, behind that zeros.
struct Layer {
    Real *weights, *velocity;  // rows x (columns + 1), rows `pitch` apart, a whole number of vectors
    long rows, columns, pitch;
    Pointwise pointwise;
    const double* constants;
    double gain, shift;  // of the next dense layer, of the last one 1 and 0
    Real *after, *slope, *leaving;  // neurons z (and, backward, delta), sigma'(z) gain, sigma(z) gain: blocks(rows) of them
};

struct Descent {
    const Layer* layers;
    long depth, inputs;
    const Real* entering;
    const double *targets, *shift;  // inputs x outputs; shift: what is taken from f, or nothing
    Cost cost;
    const double *constants;
    double *room;  // 2 outputs and what the cost asks for
    Real* strips;  // where inputs are many, room for each thread's: see many.cpp
    long strip;  // numbers of one
    double rate, momentum, decay;
    double limit, tolerance;
    long steps;
    long begun;  // whether all neurons are those of these weights already
    Real* costs;  // steps + 1
    long made;
    long ended, waiting, turn;  // of the threads of one network
};

inline long blocks(long neurons) { return neurons / LANES + 1; }

inline Vector load(const Real* from) {
    Vector x;
    __builtin_memcpy(&x, from, sizeof x);
    return x;
}

inline void store(Real* to, Vector x) { __builtin_memcpy(to, &x, sizeof x); }

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

// z of rows `first` ... of a layer, for inputs from `start`.
inline void products(const Layer& layer, const Real* entering, long inputs, long first, long start, Real* z) {
    const Real *w[TALL], *x[WIDE];
    for (long r = 0; r < TALL; ++r) w[r] = layer.weights + (first + r < layer.rows ? first + r : layer.rows - 1) * layer.pitch;
    for (long s = 0; s < WIDE; ++s) x[s] = entering + (start + s < inputs ? start + s : inputs - 1) * LANES;
    // By inputs and then by rows, as z is kept.
    Vector sum[WIDE * TALL] = {};
    const long count = blocks(layer.columns);
    for (long c = 0; c < count; ++c) {
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

struct Rule {
    Real keep, rate, momentum, decay;
};

// A vector v of weights at w (of velocities at u), moved against its derivative.
template <bool MOMENTUM>
inline void move(const Rule& rule, Real* w, Real* u, Vector v, Vector change) {
    if (MOMENTUM) {
        change += rule.momentum * load(u) + rule.decay * v;
        store(u, change);
        store(w, v - rule.rate * change);
    } else {
        store(w, rule.keep * v - rule.rate * change);
    }
}

@MANY@

// Blocks first ... last of the neurons after a layer; strip: room, where inputs are many.
inline void forward(const Layer& layer, const Real* entering, long inputs, long first, long last, Real* strip) {
    if (strip)
        forward_many(layer, entering, inputs, first, last, strip);
    else
        for (long row = first * LANES; row < last * LANES && row < layer.rows; row += TALL)
            for (long s = 0; s < inputs; s += WIDE)
                products(layer, entering, inputs, row, s, layer.after + (row / LANES * inputs + s) * LANES + row % LANES);
    const long at = first * inputs * LANES, count = (last - first) * inputs * LANES;
    layer.pointwise(layer.constants, layer.gain, layer.after + at, layer.leaving + at, layer.slope + at, count);
    if (last == blocks(layer.rows)) {
        Real* end = layer.leaving + (last - 1) * inputs * LANES;
        for (long s = 0; s < inputs; ++s)
            for (long i = layer.rows % LANES; i < LANES; ++i)
                end[s * LANES + i] = i == layer.rows % LANES ? static_cast<Real>(layer.shift) : Real(0);
    }
}

// R rows of the weights, from `first`, in blocks c0 ... c1 of columns: they give their part of delta before the layer, to
// `before`, and are changed by delta and A.
template <int R, bool PULL, bool MOMENTUM>
inline void rows(const Layer& layer, const Rule& rule, const Real* delta, const Real* entering, Real* before, long inputs, long first,
                 long c0, long c1) {
    Real *w = layer.weights + first * layer.pitch, *u = MOMENTUM ? layer.velocity + first * layer.pitch : nullptr;
    for (long c = c0; c < c1; ++c) {
        Vector v[R], change[R] = {};
#pragma GCC unroll 8
        for (int r = 0; r < R; ++r) {
            v[r] = load(w + r * layer.pitch + c * LANES);
            __builtin_prefetch(w + r * layer.pitch + (c + AHEAD) * LANES, 1);
        }
        for (long s = 0; s < inputs; ++s) {
            const Real* d = delta + s * LANES;
            const Vector a = load(entering + (c * inputs + s) * LANES);
            Vector pulled = {};
            if (PULL) pulled = load(before + (c * inputs + s) * LANES);
#pragma GCC unroll 8
            for (int r = 0; r < R; ++r) {
                if (PULL) pulled += d[r] * v[r];
                change[r] += d[r] * a;
            }
            if (PULL) store(before + (c * inputs + s) * LANES, pulled);
        }
#pragma GCC unroll 8
        for (int r = 0; r < R; ++r) {
            const long at = r * layer.pitch + c * LANES;
            move<MOMENTUM>(rule, w + at, MOMENTUM ? u + at : nullptr, v[r], change[r]);
        }
    }
}

constexpr int HIGH = 8;
constexpr long NEAR = 1L << 18;  // bytes of neurons that stay near while rows go by

template <bool PULL, bool MOMENTUM>
void backward(const Layer& layer, const Rule& rule, const Real* entering, Real* before, long inputs, long c0, long c1, Real* strip) {
    if (strip) return backward_many<PULL, MOMENTUM>(layer, rule, entering, before, inputs, c0, c1, strip);
    const long most = NEAR / (2 * inputs * 64), width = most > 1 ? most : 1;
    for (long c = c0; c < c1; c += width) {
        const long end = c + width < c1 ? c + width : c1;
        if (PULL) __builtin_memset(before + c * inputs * LANES, 0, (end - c) * inputs * 64);
        long row = 0;
        for (; row + HIGH <= layer.rows; row += HIGH)
            rows<HIGH, PULL, MOMENTUM>(layer, rule, layer.after + row / LANES * inputs * LANES + row % LANES, entering, before, inputs, row, c, end);
        for (; row < layer.rows; ++row)
            rows<1, PULL, MOMENTUM>(layer, rule, layer.after + row / LANES * inputs * LANES + row % LANES, entering, before, inputs, row, c, end);
    }
}

// C, and delta after the last dense layer.
inline Real outer(Descent& of) {
    const Layer& last = of.layers[of.depth - 1];
    double total = 0.0, *f = of.room, *direction = f + last.rows, *room = direction + last.rows;
    for (long s = 0; s < of.inputs; ++s) {
        const auto at = [&](long j) { return (j / LANES * of.inputs + s) * LANES + j % LANES; };
        for (long j = 0; j < last.rows; ++j) f[j] = last.leaving[at(j)] - (of.shift ? of.shift[s * last.rows + j] : 0.0);
        total += of.cost(of.constants, f, of.targets + s * last.rows, direction, last.rows, room);
        for (long j = 0; j < last.rows; ++j) last.after[at(j)] = direction[j] / of.inputs * last.slope[at(j)];
    }
    return total / of.inputs;
}

// Wait until all threads of the network are here.
inline void meet(Descent& of, long threads) {
    if (threads == 1) return;
    const long turn = __atomic_load_n(&of.turn, __ATOMIC_ACQUIRE);
    if (__atomic_add_fetch(&of.waiting, 1, __ATOMIC_ACQ_REL) == threads) {
        of.waiting = 0;
        __atomic_store_n(&of.turn, turn + 1, __ATOMIC_RELEASE);
        return;
    }
    for (long i = 0; __atomic_load_n(&of.turn, __ATOMIC_ACQUIRE) == turn; ++i)
        if (i > 4096) sched_yield();
}

// Which of `count` are thread `rank`'s.
inline long share(long count, long rank, long threads) { return count * rank / threads; }

// What a thread does of a step backward. Columns are shared out: no sum depends on how many threads there are.
template <bool MOMENTUM>
inline void change(Descent& of, const Rule& rule, long rank, long threads, Real* strip) {
    for (long l = of.depth - 1; l > 0; --l) {
        const Layer &layer = of.layers[l], &prior = of.layers[l - 1];
        const long count = blocks(layer.columns), c0 = share(count, rank, threads), c1 = share(count, rank + 1, threads);
        backward<true, MOMENTUM>(layer, rule, prior.leaving, prior.after, of.inputs, c0, c1, strip);
        for (long i = c0 * of.inputs * LANES; i < c1 * of.inputs * LANES; ++i) prior.after[i] *= prior.slope[i];
        meet(of, threads);
    }
    const long count = blocks(of.layers->columns);
    backward<false, MOMENTUM>(*of.layers, rule, of.entering, nullptr, of.inputs, share(count, rank, threads), share(count, rank + 1, threads), strip);
    meet(of, threads);
}

// What lies behind the rows' ends is multiplied too.
inline void clear(const Layer& layer, Real* rows) {
    for (long r = 0; rows && r < layer.rows; ++r)
        for (long c = layer.columns + 1; c < blocks(layer.columns) * LANES; ++c) rows[r * layer.pitch + c] = 0;
}

}  // namespace

// Steps, until C is no number, above the limit, or as low as the tolerance; C is looked at before each of them and after
// the last. Every thread of a network calls this, with its rank.
extern "C" void descend(Descent* one, long rank, long threads) {
    Descent& of = *one;
    const Rule rule = {static_cast<Real>(1.0 - of.rate * of.decay), static_cast<Real>(of.rate), static_cast<Real>(of.momentum),
                       static_cast<Real>(of.decay)};
    Real* strip = of.strips ? of.strips + rank * of.strip : nullptr;
    for (long l = rank; l < of.depth; l += threads) {
        clear(of.layers[l], of.layers[l].weights);
        clear(of.layers[l], of.layers[l].velocity);
    }
    meet(of, threads);
    for (long step = 0;; ++step) {
        const Real* entering = of.entering;
        for (long l = step == 0 && of.begun ? of.depth : 0; l < of.depth; ++l) {
            const Layer& layer = of.layers[l];
            const long count = blocks(layer.rows);
            forward(layer, entering, of.inputs, share(count, rank, threads), share(count, rank + 1, threads), strip);
            entering = layer.leaving;
            meet(of, threads);
        }
        if (rank == 0) {
            const Real cost = outer(of);
            of.costs[step] = cost;
            of.made = step;
            of.ended = step == of.steps || !(cost <= of.limit) || cost - cost != 0 || cost <= of.tolerance;
        }
        meet(of, threads);
        if (of.ended) return;
        if (of.momentum != 0.0)
            change<true>(of, rule, rank, threads, strip);
        else
            change<false>(of, rule, rank, threads, strip);
    }
}
