// Products of layers where many inputs meet the weights: eight inputs, or rows, times up to three vectors of neurons are
// summed in registers, and what these read again is near: a strip of weights or neurons in the second cache, eight inputs or
// rows in the first. A sum has its terms in one order, whatever its neighbours, so nothing depends on how many threads there are.
constexpr long STRIP = 4 * WIDEST;  // blocks of neurons
constexpr long CHUNK = 128;         // terms of a sum that are added at a time

// sum[i][j] += x[k, i] panel[k, j] for `count` k, in their order.
template <int I, int V, int APART, int NEXT>
inline void add(Vector (&sum)[I][V], const Real* x, const Real* panel, long count) {
#pragma GCC unroll 2
    for (long k = 0; k < count; ++k) {
        Vector v[V];
#pragma GCC unroll 3
        for (int j = 0; j < V; ++j) v[j] = load(panel + (k * V + j) * LANES);
#pragma GCC unroll 8
        for (int i = 0; i < I; ++i)
#pragma GCC unroll 3
            for (int j = 0; j < V; ++j) sum[i][j] += x[k * NEXT + i * APART] * v[j];
    }
}

// Terms k ... end of the products of neurons x with a panel, of I inputs from s.
template <int I, int V>
inline void multiply(const Real* x, const Real* panel, long k, long end, long inputs, long s, Real* out) {
    Vector sum[I][V] = {};
    if (k > 0)
        for (int i = 0; i < I; ++i)
            for (int j = 0; j < V; ++j) sum[i][j] = load(out + (j * inputs + s + i) * LANES);
    const auto from = [&] { return x + (k * inputs + s * LANES); };
    // Whole blocks apart: a loop whose length is known has no end to be guessed.
    for (; k + LANES <= end; k += LANES) {
        for (int i = 0; i < I; ++i) __builtin_prefetch(from() + (inputs + i) * LANES, 0);
        add<I, V, LANES, 1>(sum, from(), panel + k * V * LANES, LANES);
    }
    if (k < end) add<I, V, LANES, 1>(sum, from(), panel + k * V * LANES, end - k);
    for (int i = 0; i < I; ++i)
        for (int j = 0; j < V; ++j) store(out + (j * inputs + s + i) * LANES, sum[i][j]);
}

// Blocks from ... to of neurons of every input, `out` being the first: the products of `count` neurons x with the strip.
inline void multiplied(const Real* x, const Real* strip, long count, long inputs, long from, long to, Real* out) {
    const long length = blocks(count - 1) * LANES;
    for (long k = 0; k < count; k += CHUNK) {
        const long end = k + CHUNK < count ? k + CHUNK : count;
        long s = 0;
        const auto some = [&](auto many) {
            for (; s + many.count <= inputs; s += many.count)
                panels(from, to, [&](auto v, long b) {
                    multiply<many.count, v.count>(x, strip + (b - from) * length * LANES, k, end, inputs, s, out + (b - from) * inputs * LANES);
                });
        };
        some(Blocks<SIDE>());
        some(Blocks<1>());
    }
}

// Rows of weights, of V blocks from b, as columns; behind the last row, that once more.
template <int V>
inline void turned(const Layer& layer, long b, Real* panel) {
    for (long c = 0; c <= layer.columns; c += LANES)
        for (long j = 0; j < V; ++j) {
            Vector x[LANES];
            for (long l = 0; l < LANES; ++l) {
                const long row = (b + j) * LANES + l;
                x[l] = load(layer.weights + (row < layer.rows ? row : layer.rows - 1) * layer.pitch + c);
            }
            exchange<LANES / 2>(x);
            for (long l = 0; l < LANES; ++l) store(panel + ((c + l) * V + j) * LANES, x[l]);
        }
}

// V vectors of each of `count` rows, `next` apart, that are `across` apart.
template <int V>
inline void gathered(const Real* from, long across, long next, long count, Real* panel) {
    for (long k = 0; k < count; ++k)
        for (long j = 0; j < V; ++j) store(panel + (k * V + j) * LANES, load(from + j * across + k * next));
}

// Blocks first ... last of the neurons after a layer, z.
inline void forward_many(const Layer& layer, const Real* entering, long inputs, long first, long last, Real* strip) {
    const long some = (layer.rows - 1) / LANES + 1, end = last < some ? last : some, length = blocks(layer.columns) * LANES;
    for (long from = first; from < end; from += STRIP) {
        const long to = from + STRIP < end ? from + STRIP : end;
        panels(from, to, [&](auto v, long b) { turned<v.count>(layer, b, strip + (b - from) * length * LANES); });
        multiplied(entering, strip, layer.columns + 1, inputs, from, to, layer.after + from * inputs * LANES);
    }
}

// Blocks from ... to of columns, of SIDE rows from `row`, changed by delta and A.
template <bool MOMENTUM>
inline void changed(const Layer& layer, const Rule& rule, long row, long from, long to, const Real* strip, long inputs) {
    const long high = layer.rows - row < SIDE ? layer.rows - row : SIDE;
    for (long i = 0; i < high; ++i)
        for (long b = from; b < to; ++b) __builtin_prefetch(layer.weights + (row + i) * layer.pitch + b * LANES, 1);
    const Real* delta = layer.after + row / LANES * LANES * inputs + row % LANES;
    panels(from, to, [&](auto v, long b) {
        Vector sum[SIDE][v.count] = {};
        add<SIDE, v.count, 1, LANES>(sum, delta, strip + (b - from) * inputs * LANES, inputs);
        for (long i = 0; i < high; ++i)
            for (int j = 0; j < v.count; ++j) {
                const long at = (row + i) * layer.pitch + (b + j) * LANES;
                Real *w = layer.weights + at, *u = MOMENTUM ? layer.velocity + at : nullptr;
                move<MOMENTUM>(rule, w, u, load(w), sum[i][j]);
            }
    });
}

// Blocks c0 ... c1 of the columns give delta before the layer, to `before`, and are changed.
template <bool PULL, bool MOMENTUM>
void backward_many(const Layer& layer, const Rule& rule, const Real* entering, Real* before, long inputs, long c0, long c1, Real* strip) {
    for (long from = c0; from < c1; from += STRIP) {
        const long to = from + STRIP < c1 ? from + STRIP : c1, length = blocks(layer.rows - 1) * LANES;
        if (PULL) {
            panels(from, to, [&](auto v, long b) {
                gathered<v.count>(layer.weights + b * LANES, LANES, layer.pitch, layer.rows, strip + (b - from) * length * LANES);
            });
            multiplied(layer.after, strip, layer.rows, inputs, from, to, before + from * inputs * LANES);
        }
        panels(from, to, [&](auto v, long b) {
            gathered<v.count>(entering + b * inputs * LANES, inputs * LANES, LANES, inputs, strip + (b - from) * inputs * LANES);
        });
        for (long row = 0; row < layer.rows; row += SIDE) changed<MOMENTUM>(layer, rule, row, from, to, strip, inputs);
    }
}
