// From a matrix product to correlations, and from correlations to kernels: what every tile begins and ends with.
#include <cmath>

namespace {

template <typename T>
double begin(const T* product, long rows, long columns, const double* inverse_a, const double* inverse_b,
             double* rho, double* gap, double* tau) {
    double least = 1.0;
    for (long i = 0; i < rows; ++i) {
        const double scale = inverse_a[i];
        for (long j = 0; j < columns; ++j) {
            const long at = i * columns + j;
            double r = product[at] * scale * inverse_b[j];
            r = r > 1.0 ? 1.0 : r < -1.0 ? -1.0 : r;
            const double g = 1.0 - std::fabs(r);
            least = g < least ? g : least;
            rho[at] = r;
            gap[at] = g;
            tau[at] = 0.0;
        }
    }
    return least;
}

constexpr long SIDE = 16;

// units[i, j] root_a[i] root_b[j] to `out` and, where `mirror` is given, its transpose to `mirror`.
template <typename T>
void finish(const double* units, long rows, long columns, const double* root_a, const double* root_b,
            T* out, long pitch, T* mirror, long mirror_pitch) {
    for (long top = 0; top < rows; top += SIDE)
        for (long left = 0; left < columns; left += SIDE) {
            const long n = rows - top < SIDE ? rows - top : SIDE, m = columns - left < SIDE ? columns - left : SIDE;
            T block[SIDE][SIDE];
            for (long i = 0; i < n; ++i)
                for (long j = 0; j < m; ++j)
                    block[i][j] = units[(top + i) * columns + left + j] * (root_a[top + i] * root_b[left + j]);
            for (long i = 0; i < n; ++i)
                for (long j = 0; j < m; ++j) out[(top + i) * pitch + left + j] = block[i][j];
            if (mirror)
                for (long j = 0; j < m; ++j)
                    for (long i = 0; i < n; ++i) mirror[(left + j) * mirror_pitch + top + i] = block[i][j];
        }
}

}  // namespace

extern "C" double begin_double(const double* p, long n, long m, const double* a, const double* b, double* r, double* g,
                               double* t) {
    return begin(p, n, m, a, b, r, g, t);
}
extern "C" double begin_float(const float* p, long n, long m, const double* a, const double* b, double* r, double* g,
                              double* t) {
    return begin(p, n, m, a, b, r, g, t);
}
extern "C" void finish_double(const double* u, long n, long m, const double* a, const double* b, double* o, long op,
                              double* x, long xp) {
    finish(u, n, m, a, b, o, op, x, xp);
}
extern "C" void finish_float(const double* u, long n, long m, const double* a, const double* b, float* o, long op,
                             float* x, long xp) {
    finish(u, n, m, a, b, o, op, x, xp);
}
