// Squeeze-and-excitation: the scaling of planes with its gradients, and the two layers before it.

#include "common.cuh"

// y = x * scale [batch, channels]. With the gradient of y as x, this is the gradient of x.
template <typename T>
DEVICE void forward(const T* x, const T* scale, T* y, int pixels, int planes) {
    EACH_PIXEL(plane, pixel, planes, pixels) {
        const long long at = plane_start(plane, pixels, 1) + pixel;
        store(y + at, widen(x[at]) * widen(scale[plane]));
    }
}

// One block for each plane.
template <typename T>
DEVICE void grad_scale(const T* x, const T* grad_y, T* grad_scale, int pixels) {
    SHARED float sums[SUM_THREADS];
    const long long start = plane_start(blockIdx.x, pixels, 1);
    THREADS {
        float sum = 0.0f;
        for (int i = threadIdx.x; i < pixels; i += SUM_THREADS) {
            sum += widen(x[start + i]) * widen(grad_y[start + i]);
        }
        sums[threadIdx.x] = sum;
    }
    sum_block(sums);
    THREADS {
        if (threadIdx.x == 0) store(grad_scale + blockIdx.x, sums[0]);
    }
}

// Channels that a block of `gate` scales, and the most that it can squeeze to.
#define GATED 32
#define SQUEEZED_MOST 1024

// For inference, in one launch behind the means: x * hard_sigmoid(expand(relu(reduce(means)))), in
// place. Block (i, picture) does the channels from GATED * i on, and computes what is squeezed for
// itself: that is cheaper than a launch. means: [batch, channels], reduce: [squeezed, channels],
// expand: [channels, squeezed].
template <typename T>
DEVICE void gate(T* x, const T* means, const T* reduce, const float* reduce_bias, const T* expand,
                 const float* expand_bias, int channels, int squeezed, int pixels) {
    SHARED float inner[SQUEEZED_MOST];
    SHARED float gates[GATED];
    const int picture = blockIdx.y, first = blockIdx.x * GATED;
    const int here = channels - first < GATED ? channels - first : GATED;
    THREADS {
        for (int i = threadIdx.x; i < squeezed; i += blockDim.x) {
            const T* row = reduce + (long long)i * channels;
            float sum = reduce_bias[i];
            for (int c = 0; c < channels; ++c) {
                sum += widen(row[c]) * widen(means[picture * channels + c]);
            }
            inner[i] = activate(sum, RELU);
        }
    }
    SYNC
    THREADS {
        if (threadIdx.x < here) {
            const T* row = expand + (long long)(first + threadIdx.x) * squeezed;
            float sum = expand_bias[first + threadIdx.x];
            for (int i = 0; i < squeezed; ++i) sum += widen(row[i]) * inner[i];
            gates[threadIdx.x] = activate(sum, HARD_SIGMOID);
        }
    }
    SYNC
    THREADS {
        T* own = x + plane_start(picture * channels + first, pixels, 1);
        for (int i = threadIdx.x; i < here * pixels; i += blockDim.x) {
            store(own + i, widen(own[i]) * gates[i / pixels]);
        }
    }
}

#define KERNELS(T, type)                                                                           \
    KERNEL(plane_scale_##type, const T* x, const T* scale, T* y, int pixels, int planes) {         \
        forward(x, scale, y, pixels, planes);                                                      \
    }                                                                                              \
    KERNEL(plane_scale_grad_scale_##type, const T* x, const T* grad_y, T* of_scale, int pixels) {  \
        grad_scale(x, grad_y, of_scale, pixels);                                                   \
    }                                                                                              \
    KERNEL(squeeze_excite_##type, T* x, const T* means, const T* reduce,                           \
           const float* reduce_bias, const T* expand, const float* expand_bias, int channels,      \
           int squeezed, int pixels) {                                                             \
        gate(x, means, reduce, reduce_bias, expand, expand_bias, channels, squeezed, pixels);      \
    }
EACH_TYPE(KERNELS)
#undef KERNELS
