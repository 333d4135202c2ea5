// Vectors of numbers, and how many of them are worked on at a time. What stands between @ signs is filled in by source.py.
namespace {

typedef @NUMBER@ Real;
constexpr int LANES = 64 / sizeof(Real);
typedef Real Vector __attribute__((vector_size(64), aligned(sizeof(Real))));
// Integers as wide as Real, which __builtin_shuffle asks for.
typedef @INTEGER@ Places __attribute__((vector_size(64)));

inline Vector load(const Real* from) {
    Vector x;
    __builtin_memcpy(&x, from, sizeof x);
    return x;
}

inline void store(Real* to, Vector x) { __builtin_memcpy(to, &x, sizeof x); }

// What is summed in registers: so many rows, or inputs, times at most so many vectors.
constexpr int SIDE = 8, WIDEST = 3;

template <int V>
struct Blocks {
    static constexpr int count = V;
};

// Call f with the blocks from ... to of neurons, up to three at a time, and none alone that need not be.
template <class F>
inline void panels(long from, long to, F f) {
    while (from < to) {
        const long left = to - from;
        if (left == 1)
            f(Blocks<1>(), from), from += 1;
        else if (left == 2 || left == 4)
            f(Blocks<2>(), from), from += 2;
        else
            f(Blocks<3>(), from), from += 3;
    }
}

// Numbers of two vectors change places whose lanes differ in one bit from their vectors' places.
template <int h>
inline void exchange(Vector (&x)[LANES]) {
    if constexpr (h > 0) {
        Places low, high;
        for (int l = 0; l < LANES; ++l) {
            low[l] = l & h ? LANES + (l ^ h) : l;
            high[l] = l & h ? LANES + l : l ^ h;
        }
#pragma GCC unroll 16
        for (int i = 0; i < LANES; ++i)
            if (!(i & h)) {
                const Vector a = x[i], b = x[i + h];
                x[i] = __builtin_shuffle(a, b, low);
                x[i + h] = __builtin_shuffle(a, b, high);
            }
        exchange<h / 2>(x);
    }
}

}  // namespace
