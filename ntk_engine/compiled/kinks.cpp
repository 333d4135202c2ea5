// A layer of a piecewise linear activation with kinks beside 0, over a panel of pairs: see activations/kinked.py.
// What stands between @ signs is filled in by source.py: what is recorded of table.py, and of the dense layer.
namespace {

constexpr int FIXED = @FIXED@;  // how many numbers a row brings before its kinks
constexpr int MIX = @MIX@;      // and how many after them, to the dense layer
constexpr int LANES = 8;
// Up to NEAR = tan(pi/8) integrals over t are series of TERMS terms, from there to 1 they are sums over NODES nodes.
constexpr int TERMS = 28, NODES = 14;
constexpr double NEAR = 0x1.a827999fcef32p-2;
// Added to powers of small numbers, which would be too small for numbers of full speed.
constexpr double NOTHING = 0x1p-500;
// Beyond so many deviations there is nothing, exp(-MOST) is nothing beside 1, and exp(LOWEST) beside anything.
constexpr double FAR = 20.0, MOST = 64.0, LOWEST = -600.0;
// Intervals narrower than this are integrated by a series of TAYLOR terms.
constexpr double WIDE = 0.5;
constexpr int TAYLOR = 20;
constexpr double OVER_PI = 0x1.45f306dc9c883p-2;          // 1/pi
constexpr double DENSITY_AT_0 = 0x1.9884533d43651p-2;  // 1/sqrt(2 pi)

typedef double Vector __attribute__((vector_size(LANES * sizeof(double)), aligned(sizeof(double))));
typedef double Strip[STRIP];

// What the sums come to, then gain and bias. f: |X_e - X_e'|^2, |X_o - X_o'|^2, E[sigma' sigma'] and its mean over the gap.
inline void layer(const double* f, const double* a, const double* p, const double* b, const double* q, long stride,
                  double& rho_, double& gap_, double& tau_) {
    const double rho = rho_, gap = gap_, tau = tau_;
    @LAYER@
}

// a, b: by rows of the tile, `quantity_` apart: FIXED numbers, of which the last three are sqrt(q)/s, 1/s and 1/sqrt(q);
// the places of the distinct |c| > 0 in deviations, then the tails and the densities there; MIX numbers.
// pieces: level and slope of the even and of the odd part of sigma, up to the first |c|, and what each adds to these.
// pair: c, c' and weight of every pair of kinks. rule: nodes and weights on [0, 1].
struct Kinks {
    const double *a, *b;
    long quantity_a, quantity_b, kinks, pairs;
    const double *pieces, *pair, *rule;
};

inline Vector load(const double* from) {
    Vector x;
    __builtin_memcpy(&x, from, sizeof x);
    return x;
}

inline double least(double x, double y) { return x < y ? x : y; }
inline double held(double x) { return x < -FAR ? -FAR : x > FAR ? FAR : x; }

// sqrt(pi) exp(a^2) erfc(a), a in [0, 8]: interpolated in (a - 4)/(a + 4), to 1e-18.
inline double tail(double a) {
    constexpr double c[] = {
        0x1.f14e58d3247a3p-3, -0x1.d634e59b70b9dp-2, 0x1.8cf9815b07527p-2, -0x1.2a207261f3e92p-2,
        0x1.8b88e58ad53dcp-3, -0x1.ca2931615a9ccp-4, 0x1.c675e241694a8p-5, -0x1.74fc9877e5f2ep-6,
        0x1.d7a36a0bac48ep-8, -0x1.734e073b357e5p-10, -0x1.438ffd0d30b4ep-15, 0x1.2596b8bd5fa47p-13,
        -0x1.4f5f56a11c24ep-15, -0x1.c4bfbfe6f12a4p-19, 0x1.5e3d6bcea4c48p-18, -0x1.852506d11ae98p-21,
        -0x1.0e2f8d73f1547p-21, 0x1.6fc9124fb4b00p-23, 0x1.7986b857ed737p-25, -0x1.ee930b6f58bccp-26,
        -0x1.72c9a30821989p-29, 0x1.f71fac68c7724p-28, 0x1.9c013d9c2b90cp-29, 0x1.a5738e30ccc24p-32};
    return polynomial((a - 4.0) / (a + 4.0), c);
}

// exp(x) less `one`, which is 1 where x is near 0 and else 0: right relative to itself in either case.
inline double exponential_beside(double x, double& one) {
    double k;
    const double r = rest_of(x < LOWEST ? LOWEST : x, k), scale = power_of_two(k);
    one = k == 0.0 ? 1.0 : 0.0;
    return scale * (r * exponential_of_rest(r)) + (scale - one);
}

// A point z > 0, the probability beyond it and the density there.
struct Point {
    Vector z, beyond, density;
};

inline Point chosen(decltype(Vector{} < Vector{}) one, const Point& a, const Point& b) {
    return {one ? a.z : b.z, one ? a.beyond : b.beyond, one ? a.density : b.density};
}

// Moments 0 to 2, about `low`, of the normal density between two points.
inline void moments(const Point& low, const Point& high, Vector (&n)[3]) {
    const Vector zero = {}, width = high.z - low.z, d = width < WIDE ? width : zero + WIDE;
    const Vector first = low.z * d, second = d * d;
    // Of exp(-low y - y^2/2), with y in units of d.
    Vector before = zero, term = zero + 1.0, sum[3] = {term, term * (1.0 / 2.0), term * (1.0 / 3.0)};
#pragma GCC unroll 20
    for (int k = 1; k < TAYLOR; ++k) {
        const Vector next = (first * (-1.0 / k)) * term + (second * (-1.0 / k)) * before;
        before = term;
        term = next;
        for (int i = 0; i < 3; ++i) sum[i] += term * (1.0 / (k + i + 1));
    }
    const Vector mass = low.beyond - high.beyond, fall = low.density - high.density;
    const Vector square = (1.0 + low.z * low.z) * mass + (2.0 * low.z - high.z) * high.density - low.z * low.density;
    n[0] = width < WIDE ? low.density * d * sum[0] : mass;
    n[1] = width < WIDE ? low.density * second * sum[1] : fall - low.z * mass;
    n[2] = width < WIDE ? low.density * second * d * sum[2] : square;
}

// x u - y v; where x is y, of equal u and v nothing is left, to the last bit.
inline Vector apart(const Vector& x, const Vector& u, const Vector& y, const Vector& v) {
    return x == y ? x * (u - v) : x * u - y * v;
}

// Sums over the pieces of z > 0 between the kinks of both rows, for LANES columns from y on: |X_e - X_e'|^2,
// |X_o - X_o'|^2, and the even and the odd part of E[sigma' sigma'] at rho = 1.
inline void over_pieces(const double* x, const double* y, const Kinks& of, Vector (&sums)[4]) {
    const long own = of.kinks, other = own * STRIP;
    const double *g = x + FIXED, *h = y + FIXED * STRIP;
    const Vector zero = {}, r = load(y + (FIXED - 3) * STRIP), u = load(y + (FIXED - 2) * STRIP);
    const Vector own_r = zero + x[FIXED - 3], own_u = zero + x[FIXED - 2];
    const Point end = {zero + (FAR + 1.0), zero, zero};
    Point low = {zero, zero + 0.5, zero + DENSITY_AT_0};
    for (int k = 0; k < 4; ++k) sums[k] = zero;
    for (long step = 0; step <= 2 * of.kinks; ++step) {
        Point next = end;
        Vector piece[2][4];
        for (int k = 0; k < 4; ++k) piece[0][k] = piece[1][k] = zero + of.pieces[k];
        for (long c = 0; c < of.kinks; ++c) {
            const Point at[2] = {{zero + g[c], zero + g[own + c], zero + g[2 * own + c]},
                                 {load(h + c * STRIP), load(h + other + c * STRIP), load(h + 2 * other + c * STRIP)}};
            for (int side = 0; side < 2; ++side) {
                const auto ahead = at[side].z > low.z;
                next = chosen(ahead & (at[side].z < next.z), at[side], next);
                for (int k = 0; k < 4; ++k) piece[side][k] += ahead ? zero : zero + of.pieces[4 * (c + 1) + k];
            }
        }
        Vector n[3];
        moments(low, next, n);
        for (int part = 0; part < 2; ++part) {
            const int level = 2 * part, slope = level + 1;
            const Vector by = apart(piece[0][slope], own_r, piece[1][slope], r);
            const Vector from = apart(piece[0][level], own_u, piece[1][level], u) + by * low.z;
            sums[part] += 2.0 * (from * from * n[0] + 2.0 * from * by * n[1] + by * by * n[2]);
            sums[2 + part] += 2.0 * piece[0][slope] * piece[1][slope] * n[0];
        }
        low = next;
    }
}

// A row's pairs with a strip of columns.
struct Pairs {
    Strip x, over_gap;  // t = tan(psi/2), and 1/gap
    Strip p, q;         // of one pair of kinks: (h - h')^2/8 and (h + h')^2/8
    Strip slope, moved; // the integrals of e and of e (1 - cos tau) by the gap, from 0 to psi
    Strip sum, ones;    // of exponentials: what they are beside ones, and these
    Strip square[NODES], inverse[NODES], sum_at[NODES], ones_at[NODES];
};

void meet(double h, double c, const double* inverse, const double* rho, Pairs& of) {
    for (long j = 0; j < STRIP; ++j) {
        const double other = held(c * inverse[j]) * (rho[j] < 0.0 ? -1.0 : 1.0);
        of.p[j] = (h - other) * (h - other) * 0.125;
        of.q[j] = (h + other) * (h + other) * 0.125;
    }
}

// What one pair of kinks adds to the integrals over t from 0 to the lesser of x and NEAR, beside what `sum` adds.
void add_series(double weight, Pairs& of) {
#pragma GCC ivdep
    for (long j = 0; j < STRIP; ++j) {
        const double p = of.p[j], q = of.q[j], end = least(of.x[j], NEAR), square = end * end;
        const double a = p < MOST * square ? p / (square + NOTHING) : MOST, b = q * square;
        // j_n - 1/(2n + 1) and j_n; (-b)^n/n!, (-t^2)^n, and of h_n and g_n what is beside that.
        double less = -root(a) * tail(root(a)), term = 1.0 + less;
        double power = 2.0, plain = 2.0, h = 0.0, g = 0.0, all_g = 4.0, slope = 2.0 * less, moved = 0.0;
#pragma GCC unroll 28
        for (int n = 1; n < TERMS; ++n) {
            less = -(a * (2.0 / (2 * n + 1))) * term;
            term = less + 1.0 / (2 * n + 1);
            moved += all_g * less + g * (1.0 / (2 * n + 1));
            power = power * (b * (-1.0 / n)) + NOTHING;
            plain = plain * -square + NOTHING;
            h = power - square * h;
            g = 2.0 * h - square * g;
            all_g = (2.0 * (n + 1)) * plain + g;
            slope += (plain + h) * less + h * (1.0 / (2 * n + 1));
        }
        double one;
        const double beside = exponential_beside(-a - p - q, one) * weight, e = one * weight + beside;
        of.sum[j] += beside;
        of.ones[j] += one * weight;
        of.slope[j] += e * slope;
        of.moved[j] += e * moved;
    }
}

void end_series(Pairs& of) {
#pragma GCC ivdep
    for (long j = 0; j < STRIP; ++j) {
        const double end = least(of.x[j], NEAR), square = end * end, by = end * (0.5 * OVER_PI);
        double plain = 2.0, slope = 2.0, moved = 0.0;
#pragma GCC unroll 28
        for (int n = 1; n < TERMS; ++n) {
            moved += (2.0 * n / (2 * n + 1)) * plain;
            plain = plain * -square + NOTHING;
            slope += (1.0 / (2 * n + 1)) * plain;
        }
        const double sum = of.ones[j] + of.sum[j];
        of.slope[j] = by * (of.slope[j] + sum * slope);
        of.moved[j] = by * square * of.over_gap[j] * (of.moved[j] + sum * moved);
    }
}

void add_nodes(double weight, Pairs& of) {
    for (long node = 0; node < NODES; ++node)
#pragma GCC ivdep
        for (long j = 0; j < STRIP; ++j) {
            const double exponent = (1.0 + of.square[node][j]) * (of.p[j] * of.inverse[node][j] + of.q[j]);
            double one;
            of.sum_at[node][j] += exponential_beside(-exponent, one) * weight;
            of.ones_at[node][j] += one * weight;
        }
}

// The nodes from NEAR to x; none of them counts where x is less.
inline double node_of(double x, double at) { return NEAR + (x > NEAR ? x - NEAR : 0.0) * at; }

void begin_nodes(const Kinks& kinks, Pairs& of) {
    for (long node = 0; node < NODES; ++node)
        for (long j = 0; j < STRIP; ++j) {
            const double t = node_of(of.x[j], kinks.rule[2 * node]);
            of.square[node][j] = t * t;
            of.inverse[node][j] = 1.0 / (t * t);
            of.sum_at[node][j] = of.ones_at[node][j] = 0.0;
        }
}

void end_nodes(const Kinks& kinks, Pairs& of) {
    for (long node = 0; node < NODES; ++node)
#pragma GCC ivdep
        for (long j = 0; j < STRIP; ++j) {
            const double part = 1.0 / (1.0 + of.square[node][j]), length = node_of(of.x[j], 1.0) - NEAR;
            const double e = (of.ones_at[node][j] + of.sum_at[node][j]) * part * (OVER_PI * kinks.rule[2 * node + 1] * length);
            of.slope[j] += e;
            of.moved[j] += e * (2.0 * of.square[node][j] * part * of.over_gap[j]);
        }
}

// The integrals over tau.
void integrate(double own, const double* other, const double* rho, const double* gap, const Kinks& kinks, Pairs& of) {
    long far = 0;
    for (long j = 0; j < STRIP; ++j) {
        of.x[j] = root(gap[j] / (2.0 - gap[j]));
        of.over_gap[j] = gap[j] > 0.0 ? 1.0 / gap[j] : 0.0;
        of.slope[j] = of.moved[j] = of.sum[j] = of.ones[j] = 0.0;
        far += of.x[j] > NEAR;
    }
    if (far) begin_nodes(kinks, of);
    for (const double* pair = kinks.pair; pair < kinks.pair + 3 * kinks.pairs; pair += 3) {
        meet(held(pair[0] * own), pair[1], other, rho, of);
        add_series(pair[2], of);
        if (far) add_nodes(pair[2], of);
    }
    end_series(of);
    if (far) end_nodes(kinks, of);
}

}  // namespace

extern "C" void kinks(const Panel& panel, const Kinks& of) {
    const long width = FIXED + 3 * of.kinks + MIX;
    double *x = new double[width], *y = new double[width * STRIP];
    Pairs pairs;
    for (long start = 0; start < panel.columns; start += STRIP) {
        const long n = panel.columns - start < STRIP ? panel.columns - start : STRIP;
        // The strip's columns, padded.
        for (long k = 0; k < width; ++k)
            for (long j = 0; j < STRIP; ++j) y[k * STRIP + j] = of.b[k * of.quantity_b + panel.column + start + (j < n ? j : 0)];
        for (long i = 0; i < panel.rows; ++i) {
            const long at = i * panel.pitch + start;
            Strip rho = {}, gap = {}, sums[4];
            __builtin_memcpy(rho, panel.rho + at, n * sizeof(double));
            __builtin_memcpy(gap, panel.gap + at, n * sizeof(double));
            for (long k = 0; k < width; ++k) x[k] = of.a[k * of.quantity_a + panel.row + i];
            for (long j = 0; j < STRIP; j += LANES) {
                Vector found[4];
                over_pieces(x, y + j, of, found);
                for (int k = 0; k < 4; ++k) __builtin_memcpy(sums[k] + j, found + k, sizeof(Vector));
            }
            integrate(x[FIXED - 1], y + (FIXED - 1) * STRIP, rho, gap, of, pairs);
            const double *mix = x + width - MIX, *mixes = y + (width - MIX) * STRIP;
#pragma GCC ivdep
            for (long j = 0; j < n; ++j) {
                const double sign = rho[j] < 0.0 ? -1.0 : 1.0;
                const double slope = sums[3][j] + sign * (sums[2][j] - pairs.slope[j]);
                const double f[4] = {sums[0][j], sums[1][j], slope, slope + sign * pairs.moved[j]};
                layer(f, x, mix, y + j, mixes + j, STRIP, panel.rho[at + j], panel.gap[at + j], panel.tau[at + j]);
            }
        }
    }
    delete[] x;
    delete[] y;
}
