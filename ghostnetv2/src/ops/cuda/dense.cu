// Inference: the convolution of the stem and layers on vectors, which are too small for cuBLAS to
// be worth a second launch.

#include "common.cuh"

// y = activation(conv(x) + bias), weight [out, in, kh, kw]; the window's channels are those of x.
template <typename T>
DEVICE void conv(const T* x, const T* weight, const float* bias, int activation, T* y,
                 const Window& s, int out, int planes) {
    EACH_PIXEL(plane, pixel, planes, s.oh * s.ow) {
        const int picture = plane / out, channel = plane % out, taps = s.kh * s.kw;
        const int top = pixel / s.ow * s.sh - s.ph, left = pixel % s.ow * s.sw - s.pw;
        float sum = bias[channel];
        for (int c = 0; c < s.channels; ++c) {
            const T* own = x + plane_start(picture * s.channels + c, s.h, s.w);
            const T* filter = weight + (long long)(channel * s.channels + c) * taps;
            for (int i = 0; i < taps; ++i) {
                const int iy = top + i / s.kw * s.dh, ix = left + i % s.kw * s.dw;
                if (iy >= 0 && iy < s.h && ix >= 0 && ix < s.w) {
                    sum += widen(filter[i]) * widen(own[iy * s.w + ix]);
                }
            }
        }
        store(y + plane_start(plane, s.oh, s.ow) + pixel, activate(sum, activation));
    }
}

// Threads that share an output of `linear`.
#define LINEAR_THREADS 32

// y [batch, out] = activation(x [batch, in] * weight [out, in]^T + bias). A block of SUM_THREADS
// has as many outputs of one picture as it has groups of LINEAR_THREADS.
template <typename T>
DEVICE void linear(const T* x, const T* weight, const float* bias, int activation, T* y, int in,
                   int out) {
    SHARED float sums[SUM_THREADS];
    const int first = blockIdx.x * (SUM_THREADS / LINEAR_THREADS), picture = blockIdx.y;
    THREADS {
        const int o = first + threadIdx.x / LINEAR_THREADS;
        float sum = 0.0f;
        if (o < out) {
            for (int i = threadIdx.x % LINEAR_THREADS; i < in; i += LINEAR_THREADS) {
                sum += widen(weight[(long long)o * in + i]) *
                       widen(x[(long long)picture * in + i]);
            }
        }
        sums[threadIdx.x] = sum;
    }
    SYNC
    THREADS {
        const int o = first + threadIdx.x;
        if (threadIdx.x < SUM_THREADS / LINEAR_THREADS && o < out) {
            float sum = bias[o];
            for (int i = 0; i < LINEAR_THREADS; ++i) sum += sums[threadIdx.x * LINEAR_THREADS + i];
            store(y + (long long)picture * out + o, activate(sum, activation));
        }
    }
}

#define KERNELS(T, type)                                                                           \
    KERNEL(dense_conv_##type, const T* x, const T* weight, const float* bias, int activation,      \
           T* y, Window s, int out, int planes) {                                                  \
        conv(x, weight, bias, activation, y, s, out, planes);                                      \
    }                                                                                              \
    KERNEL(linear_##type, const T* x, const T* weight, const float* bias, int activation, T* y,    \
           int in, int out) {                                                                      \
        linear(x, weight, bias, activation, y, in, out);                                           \
    }
EACH_TYPE(KERNELS)
#undef KERNELS
