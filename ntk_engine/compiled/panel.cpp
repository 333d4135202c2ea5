// What every compiled stage is given: pairs of some rows and columns of a tile. Every file begins with this.
struct Panel {
    double *rho, *gap, *tau;  // of rows `pitch` apart
    long pitch, row, column;  // `row`, `column`: where it begins in the tile
    long rows, columns;
};

namespace {

inline double root(double x) { return __builtin_sqrt(x); }
inline double magnitude(double x) { return __builtin_fabs(x); }

template <typename To, typename From>
inline To bits(From value) {
    static_assert(sizeof(To) == sizeof(From), "the same bits");
    To result;
    __builtin_memcpy(&result, &value, sizeof result);
    return result;
}

}  // namespace
