// What one ReLU layer costs by its printed formulas, over a tile that stays in cache, with the vector maths library.
#include <cmath>

extern "C" void layer_double(double* __restrict rho, double* __restrict tau, long n) {
    for (long i = 0; i < n; ++i) {
        const double c = rho[i], phi = std::acos(c);
        const double next = (std::sqrt(1.0 - c * c) + (M_PI - phi) * c) / M_PI;
        tau[i] = tau[i] * (M_PI - phi) / M_PI + next;
        rho[i] = next;
    }
}

extern "C" void layer_float(float* __restrict rho, float* __restrict tau, long n) {
    const float pi = static_cast<float>(M_PI);
    for (long i = 0; i < n; ++i) {
        const float c = rho[i], phi = std::acos(c);
        const float next = (std::sqrt(1.0f - c * c) + (pi - phi) * c) / pi;
        tau[i] = tau[i] * (pi - phi) / pi + next;
        rho[i] = next;
    }
}
