// A cost of one input, c(f, y), and its derivative by the outputs f; k of them. room: for as many numbers as arrays are
// recorded, k each. What stands between @ signs is filled in by points.py: a recorded formula.
namespace {

inline double total(const double* x, long k) {
    double sum = 0.0;
    for (long j = 0; j < k; ++j) sum += x[j];
    return sum;
}

inline double largest(const double* x, long k) {
    double most = x[0];
    for (long j = 1; j < k; ++j) most = x[j] > most ? x[j] : most;
    return most;
}

}  // namespace

extern "C" double cost(const double* constants, const double* f, const double* y, double* direction, long k, double* room) {
    @CONSTANTS@
    @FORMULA@
    return value;
}
