// What every compiled stage is given: pairs of some rows and columns of a tile. Every file begins with this.
struct Panel {
    double *rho, *gap, *tau;  // of rows `pitch` apart
    long pitch, row, column;  // `row`, `column`: where it begins in the tile
    long rows, columns;
};

namespace {

inline double root(double x) { return __builtin_sqrt(x); }
inline float root(float x) { return __builtin_sqrtf(x); }
inline double magnitude(double x) { return __builtin_fabs(x); }

template <typename To, typename From>
inline To bits(From value) {
    static_assert(sizeof(To) == sizeof(From), "the same bits");
    To result;
    __builtin_memcpy(&result, &value, sizeof result);
    return result;
}

// A panel takes 48 KiB.
constexpr long HEIGHT = 16, BREADTH = 128;

typedef void (*Stage)(const Panel&, const void*);

}  // namespace

// All stages over one panel, then over the next: a panel stays in the nearest cache. rho, gap, tau: of the whole tile, or,
// if not `whole`, room for a panel.
extern "C" void run(double* rho, double* gap, double* tau, long rows, long columns, long whole, const Stage* stages,
         const void* const* arguments, long count) {
    for (long row = 0; row < rows; row += HEIGHT)
        for (long column = 0; column < columns; column += BREADTH) {
            const long at = whole ? row * columns + column : 0, pitch = whole || columns < BREADTH ? columns : BREADTH;
            const long below = rows - row < HEIGHT ? rows - row : HEIGHT;
            const long across = columns - column < BREADTH ? columns - column : BREADTH;
            const Panel panel = {rho + at, gap + at, tau + at, pitch, row, column, below, across};
            for (long s = 0; s < count; ++s) stages[s](panel, arguments[s]);
        }
}
