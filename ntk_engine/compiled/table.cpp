// A layer of an activation that is tabulated, over a panel of pairs: see patch.py and unfolded.py.
// What stands between @ signs is filled in by source.py: what is recorded of table.py, and of the dense layer.
namespace {

constexpr int FIXED = @FIXED@;  // how many numbers a row brings before its coordinates
constexpr int MIX = @MIX@;      // and how many after them, to the dense layer
constexpr int LANES = 8, WIDE = 4;
constexpr long MOST_PANELS = 1024;

typedef double Vector __attribute__((vector_size(LANES * sizeof(double)), aligned(sizeof(double))));

// What the sums come to, then gain and bias. f: |X_e - X_e'|^2, |X_o - X_o'|^2, R and G; p, q: what rows bring to the bias.
inline void layer(const double* f, const double* a, const double* p, const double* b, const double* q, long stride,
                  double& rho_, double& gap_, double& tau_) {
    const double rho = rho_, gap = gap_, tau = tau_;
    @LAYER@
}

// R and G for rows of two cells, as polynomials in psi on each of `panels`, and in both rows' tau; for both `signs` of the
// correlation or one. terms: signs x panels x degree, how many T_q(tau') go with T_k(psi); coefficients: signs x panels x
// height x width, of T_p(tau) and, one after another, of all k, their q, and R and G; width is a multiple of a BLOCK.
struct Piece {
    const double *breaks, *low, *scale;
    const long* terms;
    const double* coefficients;
    long signs, panels, degree, height, width, most;  // most: of all terms
};

constexpr long BLOCK = WIDE * LANES;

// a, b: by rows of the tile, `quantity_` apart; place, cell: where in which interval of tau they lie; even, odd: how many
// coordinates they have. pieces: cells x cells; width, height, most: the largest of them.
struct Table {
    const double *a, *b;
    long quantity_a, quantity_b, even, odd;
    const double *place_a, *place_b;
    const long *cell_a, *cell_b;
    const Piece* pieces;
    long cells, width, height, most;
};

// Sums of squared differences of coordinates.
inline void apart(const double* a, long stride_a, const double* b, long stride_b, long count, long n, double* sum) {
    for (long j = 0; j < n; ++j) sum[j] = 0.0;
    for (long c = 0; c < count; ++c) {
        const double x = a[c * stride_a];
        const double* y = b + c * stride_b;
#pragma GCC ivdep
        for (long j = 0; j < n; ++j) sum[j] += (x - y[j]) * (x - y[j]);
    }
}

// T_0 ... T_{n-1} at COUNT places, one polynomial after another.
template <int COUNT>
inline void chebyshev(const double* x, long n, double* out) {
    for (int j = 0; j < COUNT; ++j) out[j] = 1.0;
    if (n > 1)
        for (int j = 0; j < COUNT; ++j) out[COUNT + j] = x[j];
    for (long k = 2; k < n; ++k)
#pragma GCC ivdep
        for (int j = 0; j < COUNT; ++j) out[k * COUNT + j] = 2.0 * x[j] * out[(k - 1) * COUNT + j] - out[(k - 2) * COUNT + j];
}

inline Vector load(const double* from) {
    Vector x;
    __builtin_memcpy(&x, from, sizeof x);
    return x;
}

// The coefficients of T_k(psi) T_q(tau') for one row.
inline void contract(const double* coefficients, const double* row, long height, long width, double* out) {
    for (long m = 0; m < width; m += BLOCK) {
        Vector sum[WIDE] = {};
        for (long p = 0; p < height; ++p)
            for (int u = 0; u < WIDE; ++u) sum[u] += row[p] * load(coefficients + p * width + m + u * LANES);
        __builtin_memcpy(out + m, sum, sizeof sum);
    }
}

// R and G of COUNT x LANES pairs; psi, place: where these lie in [-1, 1].
template <int COUNT>
inline void evaluate(const double* d, const long* terms, long degree, long most, const double* psi, const double* place,
                     double* polynomials, double* r, double* g) {
    chebyshev<COUNT * LANES>(place, most, polynomials);
    Vector x[COUNT], before[COUNT], here[COUNT], value_r[COUNT] = {}, value_g[COUNT] = {};
    for (int u = 0; u < COUNT; ++u) {
        x[u] = load(psi + u * LANES);
        before[u] = x[u];
        here[u] = x[u] * 0.0 + 1.0;
    }
    for (long k = 0; k < degree; ++k) {
        Vector of_r[COUNT] = {}, of_g[COUNT] = {};
        for (long q = 0; q < terms[k]; ++q, d += 2)
            for (int u = 0; u < COUNT; ++u) {
                const Vector t = load(polynomials + (q * COUNT + u) * LANES);
                of_r[u] += d[0] * t;
                of_g[u] += d[1] * t;
            }
        for (int u = 0; u < COUNT; ++u) {
            value_r[u] += here[u] * of_r[u];
            value_g[u] += here[u] * of_g[u];
            const Vector next = 2.0 * x[u] * here[u] - before[u];
            before[u] = here[u];
            here[u] = next;
        }
    }
    __builtin_memcpy(r, value_r, sizeof value_r);
    __builtin_memcpy(g, value_g, sizeof value_g);
}

// What a call needs room for.
struct Room {
    double *row, *coefficients, *polynomials;
    double psi[BREADTH], r[BREADTH], g[BREADTH], even[BREADTH], odd[BREADTH];
    long keys[BREADTH], order[BREADTH];
};

// R and G of those n pairs of a row, `some` of its columns, that lie in one panel of one piece.
inline void look_up(const Piece& piece, long group, double place, const double* places, const long* some, long n, Room& room) {
    const long panel = group % piece.panels, *terms = piece.terms + group * piece.degree;
    chebyshev<1>(&place, piece.height, room.row);
    contract(piece.coefficients + group * piece.height * piece.width, room.row, piece.height, piece.width, room.coefficients);
    for (long start = 0; start < n; start += BLOCK) {
        const long count = n - start < BLOCK ? n - start : BLOCK;
        double psi[BLOCK], tau[BLOCK], r[BLOCK], g[BLOCK];
        for (long j = 0; j < BLOCK; ++j) {
            const long at = some[start + (j < count ? j : 0)];
            psi[j] = (room.psi[at] - piece.low[panel]) * piece.scale[panel] - 1.0;
            tau[j] = places[at];
        }
        const auto run = count > BLOCK / 2 ? evaluate<WIDE> : count > LANES ? evaluate<WIDE / 2> : evaluate<1>;
        run(room.coefficients, terms, piece.degree, piece.most, psi, tau, room.polynomials, r, g);
        for (long j = 0; j < count; ++j) {
            room.r[some[start + j]] = r[j];
            room.g[some[start + j]] = g[j];
        }
    }
}

// R and G of n pairs of a row: those of one panel and piece together.
inline void look_up(const Piece* pieces, double place, const double* places, const long* cells, const double* rho, long n, Room& room) {
    for (long j = 0; j < n; ++j) {
        const Piece& piece = pieces[cells[j]];
        // Most angles are large.
        long panel = piece.panels - 1;
        while (panel > 0 && room.psi[j] < piece.breaks[panel - 1]) --panel;
        room.keys[j] = cells[j] * MOST_PANELS + panel + (rho[j] < 0.0 && piece.signs > 1 ? piece.panels : 0);
        room.order[j] = j;
    }
    for (long left = n; left > 0;) {
        const long key = room.keys[room.order[0]];
        long some[BREADTH], count = 0, others = 0;
        for (long j = 0; j < left; ++j) {
            const long at = room.order[j];
            if (room.keys[at] == key)
                some[count++] = at;
            else
                room.order[others++] = at;
        }
        look_up(pieces[key / MOST_PANELS], key % MOST_PANELS, place, places, some, count, room);
        left = others;
    }
}

}  // namespace

extern "C" void table(const Panel& panel, const Table& of) {
    Room room;
    room.row = new double[of.height];
    room.coefficients = new double[of.width];
    room.polynomials = new double[of.most * BLOCK];
    const long n = panel.columns, coordinates = of.even + of.odd;
    const double* b = of.b + panel.column;
    for (long i = 0; i < panel.rows; ++i) {
        const double* a = of.a + panel.row + i;
        double x[FIXED], mix[MIX];
        for (int k = 0; k < FIXED; ++k) x[k] = a[k * of.quantity_a];
        for (int k = 0; k < MIX; ++k) mix[k] = a[(FIXED + coordinates + k) * of.quantity_a];
        apart(a + FIXED * of.quantity_a, of.quantity_a, b + FIXED * of.quantity_b, of.quantity_b, of.even, n, room.even);
        apart(a + (FIXED + of.even) * of.quantity_a, of.quantity_a, b + (FIXED + of.even) * of.quantity_b, of.quantity_b, of.odd, n, room.odd);
        double *rho = panel.rho + i * panel.pitch, *gap = panel.gap + i * panel.pitch, *tau = panel.tau + i * panel.pitch;
        for (long j = 0; j < n; ++j) room.psi[j] = angle(root(gap[j] * (2.0 - gap[j])), 1.0 - gap[j]);
        const long at = panel.row + i;
        look_up(of.pieces + of.cell_a[at] * of.cells, of.place_a[at], of.place_b + panel.column, of.cell_b + panel.column, rho, n, room);
        const double* mixes = b + (FIXED + coordinates) * of.quantity_b;
#pragma GCC ivdep
        for (long j = 0; j < n; ++j) {
            const double f[4] = {room.even[j], room.odd[j], room.r[j], room.g[j]};
            layer(f, x, mix, b + j, mixes + j, of.quantity_b, rho[j], gap[j], tau[j]);
        }
    }
    delete[] room.row;
    delete[] room.coefficients;
    delete[] room.polynomials;
}
