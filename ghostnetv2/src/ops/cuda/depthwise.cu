// Depthwise convolution, any window, and its gradients.

#include "common.cuh"

// One output value: a window that is known when this is compiled, or 0 x 0 for any.
template <int KH, int KW, typename T>
DEVICE float correlate(const T* x, const T* weight, const Window& s, int oy, int ox) {
    const int kh = KH > 0 ? KH : s.kh, kw = KW > 0 ? KW : s.kw;
    const int top = oy * s.sh - s.ph, left = ox * s.sw - s.pw;
    float sum = 0.0f;
    UNROLL
    for (int ky = 0; ky < kh; ++ky) {
        const int iy = top + ky * s.dh;
        if (iy < 0 || iy >= s.h) continue;
        UNROLL
        for (int kx = 0; kx < kw; ++kx) {
            const int ix = left + kx * s.dw;
            if (ix < 0 || ix >= s.w) continue;
            sum += widen(weight[ky * kw + kx]) * widen(x[iy * s.w + ix]);
        }
    }
    return sum;
}

// The windows of the networks here are unrolled; every thread of a grid takes the same way.
template <typename T>
DEVICE float correlate(const T* x, const T* weight, const Window& s, int oy, int ox) {
    switch (s.kh * 16 + s.kw) {
    case 0x33: return correlate<3, 3>(x, weight, s, oy, ox);
    case 0x55: return correlate<5, 5>(x, weight, s, oy, ox);
    case 0x15: return correlate<1, 5>(x, weight, s, oy, ox);
    case 0x51: return correlate<5, 1>(x, weight, s, oy, ox);
    default: return correlate<0, 0>(x, weight, s, oy, ox);
    }
}

// y = activation(conv(x) * scale + shift) * gate + add, where all but x, weight and y may be null:
// scale and shift [channels] are a bias or a batch-norm; gate is a map of gh x gw, read at the
// nearest pixel; add is a map of the output's shape.
template <typename T>
DEVICE void forward(const T* x, const T* weight, const float* scale, const float* shift,
                    const T* gate, int gh, int gw, const T* add, int activation, T* y,
                    const Window& s, int planes) {
    EACH_PIXEL(plane, pixel, planes, s.oh * s.ow) {
        const int channel = plane % s.channels, oy = pixel / s.ow, ox = pixel % s.ow;
        const long long at = plane_start(plane, s.oh, s.ow) + pixel;
        const T* own = x + plane_start(plane, s.h, s.w);
        float value = correlate(own, weight + (long long)channel * s.kh * s.kw, s, oy, ox);
        if (scale) value *= scale[channel];
        if (shift) value += shift[channel];
        value = activate(value, activation);
        if (gate) {
            const int row = (long long)oy * gh / s.oh, column = (long long)ox * gw / s.ow;
            value *= widen(gate[plane_start(plane, gh, gw) + row * gw + column]);
        }
        if (add) value += widen(add[at]);
        store(y + at, value);
    }
}

// The gradient of x gathers: each input value asks which outputs have read it.
template <typename T>
DEVICE void grad_input(const T* weight, const T* grad_y, T* grad_x, const Window& s, int planes) {
    EACH_PIXEL(plane, pixel, planes, s.h * s.w) {
        const int iy = pixel / s.w, ix = pixel % s.w;
        const T* filter = weight + (long long)(plane % s.channels) * s.kh * s.kw;
        const T* grad = grad_y + plane_start(plane, s.oh, s.ow);
        float sum = 0.0f;
        for (int ky = 0; ky < s.kh; ++ky) {
            const int from_top = iy + s.ph - ky * s.dh;
            if (from_top < 0 || from_top % s.sh != 0 || from_top / s.sh >= s.oh) continue;
            const T* row = grad + from_top / s.sh * s.ow;
            for (int kx = 0; kx < s.kw; ++kx) {
                const int from_left = ix + s.pw - kx * s.dw;
                if (from_left < 0 || from_left % s.sw != 0) continue;
                const int ox = from_left / s.sw;
                if (ox < s.ow) sum += widen(filter[ky * s.kw + kx]) * widen(row[ox]);
            }
        }
        store(grad_x + plane_start(plane, s.h, s.w) + pixel, sum);
    }
}

// A block sums one tap of one channel, over all pictures; its number is channel * taps + tap.
template <typename T>
DEVICE void grad_weight(const T* x, const T* grad_y, T* grad_weight, const Window& s, int batch) {
    SHARED float sums[SUM_THREADS];
    const int tap = blockIdx.x % (s.kh * s.kw), channel = blockIdx.x / (s.kh * s.kw);
    const int ky = tap / s.kw, kx = tap % s.kw, pixels = s.oh * s.ow;
    THREADS {
        float sum = 0.0f;
        EACH_OF_CHANNEL(picture, pixel, batch, pixels) {
            const int plane = picture * s.channels + channel;
            const int iy = pixel / s.ow * s.sh - s.ph + ky * s.dh;
            const int ix = pixel % s.ow * s.sw - s.pw + kx * s.dw;
            if (iy >= 0 && iy < s.h && ix >= 0 && ix < s.w) {
                const T* own = x + plane_start(plane, s.h, s.w);
                const T* grad = grad_y + plane_start(plane, s.oh, s.ow);
                sum += widen(own[iy * s.w + ix]) * widen(grad[pixel]);
            }
        }
        sums[threadIdx.x] = sum;
    }
    sum_block(sums);
    THREADS {
        if (threadIdx.x == 0) store(grad_weight + blockIdx.x, sums[0]);
    }
}

#define KERNELS(T, type)                                                                           \
    KERNEL(depthwise_forward_##type, const T* x, const T* weight, const float* scale,              \
           const float* shift, const T* gate, int gh, int gw, const T* add, int activation, T* y,  \
           Window s, int planes) {                                                                 \
        forward(x, weight, scale, shift, gate, gh, gw, add, activation, y, s, planes);             \
    }                                                                                              \
    KERNEL(depthwise_grad_input_##type, const T* weight, const T* grad_y, T* grad_x, Window s,     \
           int planes) {                                                                           \
        grad_input(weight, grad_y, grad_x, s, planes);                                             \
    }                                                                                              \
    KERNEL(depthwise_grad_weight_##type, const T* x, const T* grad_y, T* of_weight, Window s,      \
           int batch) {                                                                            \
        grad_weight(x, grad_y, of_weight, s, batch);                                               \
    }
EACH_TYPE(KERNELS)
#undef KERNELS
