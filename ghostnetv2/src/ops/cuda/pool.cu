// Pooling and its gradients, which gather: an input value asks the windows that it lies in.

#include "common.cuh"

// The values of a window along one axis, [first, end), of those inside the map.
struct Span {
    int first, end;
};

DEVICE Span span_of(int i, int stride, int padding, int kernel, int n) {
    const int start = i * stride - padding;
    Span span;
    span.first = start > 0 ? start : 0;
    span.end = start + kernel < n ? start + kernel : n;
    return span;
}

// The windows along one axis that value `at` may lie in, [first, end), of those that there are.
DEVICE Span windows_of(int at, int stride, int padding, int kernel, int windows) {
    const int past = at + padding - kernel; // where the last window ends that does not reach it
    Span span;
    span.first = past < 0 ? 0 : past / stride + 1;
    span.end = (at + padding) / stride + 1 < windows ? (at + padding) / stride + 1 : windows;
    return span;
}

DEVICE float share_of(const Span& rows, const Span& columns, const Window& s, int count_padding) {
    const int inside = (rows.end - rows.first) * (columns.end - columns.first);
    return 1.0f / (float)(count_padding ? s.kh * s.kw : inside);
}

// Means of windows, over their values in the map or over the zeros of the padding too.
template <typename T>
DEVICE void average(const T* x, T* y, const Window& s, int count_padding, int planes) {
    EACH_PIXEL(plane, pixel, planes, s.oh * s.ow) {
        const T* own = x + plane_start(plane, s.h, s.w);
        const Span rows = span_of(pixel / s.ow, s.sh, s.ph, s.kh, s.h);
        const Span columns = span_of(pixel % s.ow, s.sw, s.pw, s.kw, s.w);
        float sum = 0.0f;
        for (int iy = rows.first; iy < rows.end; ++iy) {
            for (int ix = columns.first; ix < columns.end; ++ix) {
                sum += widen(own[iy * s.w + ix]);
            }
        }
        const float share = share_of(rows, columns, s, count_padding);
        store(y + plane_start(plane, s.oh, s.ow) + pixel, sum * share);
    }
}

template <typename T>
DEVICE void average_grad(const T* grad_y, T* grad_x, const Window& s, int count_padding,
                         int planes) {
    EACH_PIXEL(plane, pixel, planes, s.h * s.w) {
        const T* grad = grad_y + plane_start(plane, s.oh, s.ow);
        const Span down = windows_of(pixel / s.w, s.sh, s.ph, s.kh, s.oh);
        const Span across = windows_of(pixel % s.w, s.sw, s.pw, s.kw, s.ow);
        float sum = 0.0f;
        for (int oy = down.first; oy < down.end; ++oy) {
            const Span rows = span_of(oy, s.sh, s.ph, s.kh, s.h);
            for (int ox = across.first; ox < across.end; ++ox) {
                const Span columns = span_of(ox, s.sw, s.pw, s.kw, s.w);
                const float share = share_of(rows, columns, s, count_padding);
                sum += widen(grad[oy * s.ow + ox]) * share;
            }
        }
        store(grad_x + plane_start(plane, s.h, s.w) + pixel, sum);
    }
}

// Place of the largest value of a window: of equal ones the first, and a NaN before all, as in
// PyTorch.
template <typename T>
DEVICE int largest(const T* x, int oy, int ox, const Window& s) {
    const Span rows = span_of(oy, s.sh, s.ph, s.kh, s.h);
    const Span columns = span_of(ox, s.sw, s.pw, s.kw, s.w);
    int best = rows.first * s.w + columns.first;
    float most = widen(x[best]);
    for (int iy = rows.first; iy < rows.end; ++iy) {
        for (int ix = columns.first; ix < columns.end; ++ix) {
            const float value = widen(x[iy * s.w + ix]);
            if (value > most || (value != value && most == most)) {
                most = value;
                best = iy * s.w + ix;
            }
        }
    }
    return best;
}

template <typename T>
DEVICE void maximum(const T* x, T* y, const Window& s, int planes) {
    EACH_PIXEL(plane, pixel, planes, s.oh * s.ow) {
        const T* own = x + plane_start(plane, s.h, s.w);
        const int place = largest(own, pixel / s.ow, pixel % s.ow, s);
        y[plane_start(plane, s.oh, s.ow) + pixel] = own[place];
    }
}

template <typename T>
DEVICE void maximum_grad(const T* x, const T* grad_y, T* grad_x, const Window& s, int planes) {
    EACH_PIXEL(plane, pixel, planes, s.h * s.w) {
        const T* own = x + plane_start(plane, s.h, s.w);
        const T* grad = grad_y + plane_start(plane, s.oh, s.ow);
        const Span down = windows_of(pixel / s.w, s.sh, s.ph, s.kh, s.oh);
        const Span across = windows_of(pixel % s.w, s.sw, s.pw, s.kw, s.ow);
        float sum = 0.0f;
        for (int oy = down.first; oy < down.end; ++oy) {
            for (int ox = across.first; ox < across.end; ++ox) {
                if (largest(own, oy, ox, s) == pixel) sum += widen(grad[oy * s.ow + ox]);
            }
        }
        store(grad_x + plane_start(plane, s.h, s.w) + pixel, sum);
    }
}

// The mean of activation(x + shift) over each plane, one block for each; shift [channels] may be
// null.
template <typename T>
DEVICE void plane_mean(const T* x, const float* shift, int activation, T* y, int channels,
                       int pixels) {
    SHARED float sums[SUM_THREADS];
    const int plane = blockIdx.x;
    const T* own = x + plane_start(plane, pixels, 1);
    THREADS {
        const float addend = shift ? shift[plane % channels] : 0.0f;
        float sum = 0.0f;
        for (int i = threadIdx.x; i < pixels; i += SUM_THREADS) {
            sum += activate(widen(own[i]) + addend, activation);
        }
        sums[threadIdx.x] = sum;
    }
    sum_block(sums);
    THREADS {
        if (threadIdx.x == 0) store(y + plane, sums[0] / (float)pixels);
    }
}

// The gradient of a plain mean.
template <typename T>
DEVICE void plane_mean_grad(const T* grad_y, T* grad_x, int pixels, int planes) {
    EACH_PIXEL(plane, pixel, planes, pixels) {
        const float grad = widen(grad_y[plane]) / (float)pixels;
        store(grad_x + plane_start(plane, pixels, 1) + pixel, grad);
    }
}

#define KERNELS(T, type)                                                                           \
    KERNEL(avg_pool_forward_##type, const T* x, T* y, Window s, int count_padding, int planes) {   \
        average(x, y, s, count_padding, planes);                                                   \
    }                                                                                              \
    KERNEL(avg_pool_grad_##type, const T* grad_y, T* grad_x, Window s, int count_padding,          \
           int planes) {                                                                           \
        average_grad(grad_y, grad_x, s, count_padding, planes);                                    \
    }                                                                                              \
    KERNEL(max_pool_forward_##type, const T* x, T* y, Window s, int planes) {                      \
        maximum(x, y, s, planes);                                                                  \
    }                                                                                              \
    KERNEL(max_pool_grad_##type, const T* x, const T* grad_y, T* grad_x, Window s, int planes) {   \
        maximum_grad(x, grad_y, grad_x, s, planes);                                                \
    }                                                                                              \
    KERNEL(plane_mean_##type, const T* x, const float* shift, int activation, T* y, int channels,  \
           int pixels) {                                                                           \
        plane_mean(x, shift, activation, y, channels, pixels);                                     \
    }                                                                                              \
    KERNEL(plane_mean_grad_##type, const T* grad_y, T* grad_x, int pixels, int planes) {           \
        plane_mean_grad(grad_y, grad_x, pixels, planes);                                           \
    }
EACH_TYPE(KERNELS)
#undef KERNELS
