// Nearest and bilinear resampling as PyTorch's `interpolate`, and their gradients, which gather.

#include "common.cuh"

template <typename T>
DEVICE void nearest(const T* x, T* y, const Window& s, int planes) {
    EACH_PIXEL(plane, pixel, planes, s.oh * s.ow) {
        const int row = (long long)(pixel / s.ow) * s.h / s.oh;
        const int column = (long long)(pixel % s.ow) * s.w / s.ow;
        const T value = x[plane_start(plane, s.h, s.w) + row * s.w + column];
        y[plane_start(plane, s.oh, s.ow) + pixel] = value;
    }
}

template <typename T>
DEVICE void nearest_grad(const T* grad_y, T* grad_x, const Window& s, int planes) {
    EACH_PIXEL(plane, pixel, planes, s.h * s.w) {
        const int iy = pixel / s.w, ix = pixel % s.w;
        const int bottom = first_of(iy + 1, s.h, s.oh), right = first_of(ix + 1, s.w, s.ow);
        const T* grad = grad_y + plane_start(plane, s.oh, s.ow);
        float sum = 0.0f;
        for (int oy = first_of(iy, s.h, s.oh); oy < bottom; ++oy) {
            for (int ox = first_of(ix, s.w, s.ow); ox < right; ++ox) {
                sum += widen(grad[oy * s.ow + ox]);
            }
        }
        store(grad_x + plane_start(plane, s.h, s.w) + pixel, sum);
    }
}

// Input values first and second, of which an output is mixed; the first has the rest of 1.
struct Taps {
    int first, second;
    float share;
};

DEVICE float step_of(int from, int to, int corners) {
    if (!corners) return (float)from / (float)to;
    return to > 1 ? (float)(from - 1) / (float)(to - 1) : 0.0f;
}

DEVICE Taps taps_of(int i, int from, float step, int corners) {
    const float place = corners ? step * i : fmaxf(step * (i + 0.5f) - 0.5f, 0.0f);
    Taps taps;
    taps.first = (int)place < from - 1 ? (int)place : from - 1;
    taps.second = taps.first + 1 < from ? taps.first + 1 : from - 1;
    taps.share = fminf(fmaxf(place - taps.first, 0.0f), 1.0f);
    return taps;
}

// What output i takes of input `at`.
DEVICE float share_of(int at, int i, int from, float step, int corners) {
    const Taps taps = taps_of(i, from, step, corners);
    float share = 0.0f;
    if (taps.first == at) share += 1.0f - taps.share;
    if (taps.second == at) share += taps.share;
    return share;
}

// Bounds of the outputs that may take something of input `at`: two more than the formula's inverse
// says, for its rounding. Without a step all outputs take the same.
DEVICE int first_taker(int at, int from, float step, int corners) {
    if (at == 0 || step == 0.0f) return 0;
    const float place = (at - 1) / step - (corners ? 0.0f : 0.5f - 0.5f / step);
    return place > 2.0f ? (int)place - 2 : 0;
}

DEVICE int last_taker(int at, int from, int to, float step, int corners) {
    if (at == from - 1 || step == 0.0f) return to - 1;
    const float place = (at + 1) / step - (corners ? 0.0f : 0.5f - 0.5f / step) + 2.0f;
    return place < to - 1 ? (int)place : to - 1;
}

template <typename T>
DEVICE void bilinear(const T* x, T* y, const Window& s, int corners, int planes) {
    EACH_PIXEL(plane, pixel, planes, s.oh * s.ow) {
        const float step_y = step_of(s.h, s.oh, corners), step_x = step_of(s.w, s.ow, corners);
        const Taps row = taps_of(pixel / s.ow, s.h, step_y, corners);
        const Taps column = taps_of(pixel % s.ow, s.w, step_x, corners);
        const T* upper = x + plane_start(plane, s.h, s.w) + row.first * s.w;
        const T* lower = x + plane_start(plane, s.h, s.w) + row.second * s.w;
        const float rest = 1.0f - column.share;
        const float above =
            widen(upper[column.first]) * rest + widen(upper[column.second]) * column.share;
        const float below =
            widen(lower[column.first]) * rest + widen(lower[column.second]) * column.share;
        const float value = above * (1.0f - row.share) + below * row.share;
        store(y + plane_start(plane, s.oh, s.ow) + pixel, value);
    }
}

template <typename T>
DEVICE void bilinear_grad(const T* grad_y, T* grad_x, const Window& s, int corners, int planes) {
    EACH_PIXEL(plane, pixel, planes, s.h * s.w) {
        const int iy = pixel / s.w, ix = pixel % s.w;
        const float step_y = step_of(s.h, s.oh, corners), step_x = step_of(s.w, s.ow, corners);
        const int bottom = last_taker(iy, s.h, s.oh, step_y, corners);
        const int left = first_taker(ix, s.w, step_x, corners);
        const int right = last_taker(ix, s.w, s.ow, step_x, corners);
        const T* grad = grad_y + plane_start(plane, s.oh, s.ow);
        float sum = 0.0f;
        for (int oy = first_taker(iy, s.h, step_y, corners); oy <= bottom; ++oy) {
            const float of_row = share_of(iy, oy, s.h, step_y, corners);
            if (of_row == 0.0f) continue;
            float along = 0.0f;
            for (int ox = left; ox <= right; ++ox) {
                const float share = share_of(ix, ox, s.w, step_x, corners);
                if (share != 0.0f) along += share * widen(grad[oy * s.ow + ox]);
            }
            sum += of_row * along;
        }
        store(grad_x + plane_start(plane, s.h, s.w) + pixel, sum);
    }
}

#define KERNELS(T, type)                                                                           \
    KERNEL(nearest_forward_##type, const T* x, T* y, Window s, int planes) {                       \
        nearest(x, y, s, planes);                                                                  \
    }                                                                                              \
    KERNEL(nearest_grad_##type, const T* grad_y, T* grad_x, Window s, int planes) {                \
        nearest_grad(grad_y, grad_x, s, planes);                                                   \
    }                                                                                              \
    KERNEL(bilinear_forward_##type, const T* x, T* y, Window s, int corners, int planes) {         \
        bilinear(x, y, s, corners, planes);                                                        \
    }                                                                                              \
    KERNEL(bilinear_grad_##type, const T* grad_y, T* grad_x, Window s, int corners, int planes) {  \
        bilinear_grad(grad_y, grad_x, s, corners, planes);                                         \
    }
EACH_TYPE(KERNELS)
#undef KERNELS
