// Gradient descent on one network of dense layers with pointwise functions between them, when few inputs meet its weights:
// see finite/leaps.py. Weights are read once forward and once backward. Either they are changed as soon as they are read, or
// what changes them is kept for some steps, as factors of low rank, and folded in when there are `every` steps of it.
// What stands between @ signs is filled in by source.py.
#include <sched.h>

namespace {

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
    // Steps that are kept at most, or 0 where weights are changed at once. Of every input of each of them there is a row of
    // `left`, -rate delta, and one of `right`, A; `mixed`: what these make of neurons.
    long every;
    Real *left, *right, *mixed;
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

inline Matrix whole(const Layer& layer) { return {layer.weights, layer.rows, blocks(layer.columns), layer.pitch}; }

// What is kept of so many steps: V + left^T right are the weights.
struct Kept {
    Matrix left, right;
    long ranks;  // in blocks
};

inline Kept kept(const Layer& layer, long steps, long inputs) {
    const long ranks = steps * inputs, rows = blocks(layer.rows), columns = blocks(layer.columns);
    return {{layer.left, ranks, rows, rows * LANES}, {layer.right, ranks, columns, columns * LANES}, (ranks + LANES - 1) / LANES};
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

// One of a network's threads.
struct Part {
    long rank, threads;
    Real* strip;  // its room, where inputs are many
    // Which of `count` are its: first ... last.
    long first(long count) const { return count * rank / threads; }
    long last(long count) const { return count * (rank + 1) / threads; }
};

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

// What leaves blocks first ... last of the neurons after a layer, whose z is there.
inline void leave(const Layer& layer, long inputs, long first, long last) {
    const long at = first * inputs * LANES, count = (last - first) * inputs * LANES;
    layer.pointwise(layer.constants, layer.gain, layer.after + at, layer.leaving + at, layer.slope + at, count);
    if (last == blocks(layer.rows)) {
        Real* end = layer.leaving + (last - 1) * inputs * LANES;
        for (long s = 0; s < inputs; ++s)
            for (long i = layer.rows % LANES; i < LANES; ++i)
                end[s * LANES + i] = i == layer.rows % LANES ? static_cast<Real>(layer.shift) : Real(0);
    }
}

// What a thread does of a step forward; of the factors that are kept their products with A come first.
inline void forward(Descent& of, const Layer& layer, const Real* entering, long step, Part part) {
    const long inputs = of.inputs, count = blocks(layer.rows), first = part.first(count), last = part.last(count);
    const long steps = layer.every ? step % layer.every : 0;
    const Kept some = kept(layer, steps, inputs);
    if (steps) multiply(some.right, entering, inputs, part.first(some.ranks), part.last(some.ranks), layer.mixed);
    if (part.strip)
        forward_many(layer, entering, inputs, first, last, part.strip);
    else
        multiply(whole(layer), entering, inputs, first, last, layer.after);
    if (steps) {
        meet(of, part.threads);
        pull(some.left, layer.mixed, layer.after, inputs, first, last);
    }
    leave(layer, inputs, first, last);
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

// Columns c0 ... c1 of a step backward through weights that stay as they are.
inline void through(Descent& of, const Layer& layer, Real* before, long steps, long c0, long c1, Part part) {
    const long inputs = of.inputs;
    const Kept some = kept(layer, steps, inputs);
    if (steps) multiply(some.left, layer.after, inputs, part.first(some.ranks), part.last(some.ranks), layer.mixed);
    __builtin_memset(before + c0 * inputs * LANES, 0, (c1 - c0) * inputs * 64);
    pull(whole(layer), layer.after, before, inputs, c0, c1);
    if (steps) {
        meet(of, part.threads);
        pull(some.right, layer.mixed, before, inputs, c0, c1);
    }
}

// Rows from `first` of what is kept: blocks b0 ... b1 of neurons, times a factor.
inline void keep(const Matrix& to, long first, const Real* neurons, long inputs, long b0, long b1, Real factor) {
    for (long b = b0; b < b1; ++b)
        for (long s = 0; s < inputs; ++s)
            store(to.numbers + (first + s) * to.pitch + b * LANES, factor * load(neurons + (b * inputs + s) * LANES));
}

inline void fold(const Layer& layer, long steps, long inputs, Part part) {
    const Kept some = kept(layer, steps, inputs);
    fold(some.left, some.right, whole(layer), part.first(some.right.vectors), part.last(some.right.vectors));
}

// Keep what a step changes, and fold in all that is kept if there is no room for more.
inline void defer(Descent& of, const Layer& layer, const Rule& rule, const Real* entering, long steps, Part part) {
    const Kept some = kept(layer, steps, of.inputs);
    const long at = steps * of.inputs, rows = some.left.vectors, columns = some.right.vectors;
    keep(some.left, at, layer.after, of.inputs, part.first(rows), part.last(rows), -rule.rate);
    keep(some.right, at, entering, of.inputs, part.first(columns), part.last(columns), 1);
    if (steps + 1 < layer.every) return;
    meet(of, part.threads);
    fold(layer, steps + 1, of.inputs, part);
}

// Behind the last neuron delta is 0, as it is multiplied too.
inline void blank(const Layer& layer, long inputs) {
    Real* end = layer.after + layer.rows / LANES * inputs * LANES;
    for (long s = 0; s < inputs; ++s)
        for (long i = layer.rows % LANES; i < LANES; ++i) end[s * LANES + i] = 0;
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
    blank(last, of.inputs);
    return total / of.inputs;
}

// What a thread does of a step backward. Columns are shared out: no sum depends on how many threads there are.
template <bool MOMENTUM>
inline void change(Descent& of, const Rule& rule, long step, Part part) {
    for (long l = of.depth - 1; l >= 0; --l) {
        const Layer &layer = of.layers[l], *prior = l ? &layer - 1 : nullptr;
        const Real* entering = l ? prior->leaving : of.entering;
        const long count = blocks(layer.columns), c0 = part.first(count), c1 = part.last(count), steps = layer.every ? step % layer.every : 0;
        if (l && layer.every)
            through(of, layer, prior->after, steps, c0, c1, part);
        else if (l)
            backward<true, MOMENTUM>(layer, rule, entering, prior->after, of.inputs, c0, c1, part.strip);
        else if (!layer.every)
            backward<false, MOMENTUM>(layer, rule, entering, nullptr, of.inputs, c0, c1, part.strip);
        if (layer.every) defer(of, layer, rule, entering, steps, part);
        if (l) {
            for (long i = c0 * of.inputs * LANES; i < c1 * of.inputs * LANES; ++i) prior->after[i] *= prior->slope[i];
            if (c1 == count) blank(*prior, of.inputs);
        }
        meet(of, part.threads);
    }
}

// What lies behind the rows' ends is multiplied too.
inline void clear(const Layer& layer, Real* rows) {
    for (long r = 0; rows && r < layer.rows; ++r)
        for (long c = layer.columns + 1; c < blocks(layer.columns) * LANES; ++c) rows[r * layer.pitch + c] = 0;
}

// What is kept still, so that weights are what they are.
inline void finish(Descent& of, long step, Part part) {
    for (long l = 0; l < of.depth; ++l)
        if (of.layers[l].every && step % of.layers[l].every) fold(of.layers[l], step % of.layers[l].every, of.inputs, part);
}

}  // namespace

// Steps, until C is no number, above the limit, or as low as the tolerance; C is looked at before each of them and after
// the last. Every thread of a network calls this, with its rank.
extern "C" void descend(Descent* one, long rank, long threads) {
    Descent& of = *one;
    const Part part = {rank, threads, of.strips ? of.strips + rank * of.strip : nullptr};
    const Rule rule = {static_cast<Real>(1.0 - of.rate * of.decay), static_cast<Real>(of.rate), static_cast<Real>(of.momentum),
                       static_cast<Real>(of.decay)};
    for (long l = rank; l < of.depth; l += threads) {
        clear(of.layers[l], of.layers[l].weights);
        clear(of.layers[l], of.layers[l].velocity);
    }
    meet(of, threads);
    for (long step = 0;; ++step) {
        const Real* entering = of.entering;
        for (long l = step == 0 && of.begun ? of.depth : 0; l < of.depth; ++l) {
            const Layer& layer = of.layers[l];
            forward(of, layer, entering, step, part);
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
        if (of.ended) return finish(of, step, part);
        if (of.momentum != 0.0)
            change<true>(of, rule, step, part);
        else
            change<false>(of, rule, step, part);
    }
}
