// A pointwise function and its derivative, of many neurons; both times a gain. Computed in double, whatever comes in.
// What stands between @ signs is filled in by points.py: a recorded formula.
extern "C" void pointwise(const double* constants, double gain, const @NUMBER@* neurons, @NUMBER@* values, @NUMBER@* slopes,
                          long n) {
    @CONSTANTS@
#pragma GCC ivdep
    for (long i = 0; i < n; ++i) {
        const double z = neurons[i];
        double value, slope;
        @FORMULA@
        values[i] = static_cast<@NUMBER@>(value * gain);
        slopes[i] = static_cast<@NUMBER@>(slope * gain);
    }
}
