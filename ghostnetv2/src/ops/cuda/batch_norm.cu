// Batch-norm in training and, as a scale and a shift for each channel, in evaluation. Statistics,
// weights and biases are f32 whatever the maps are.

#include "common.cuh"

// moments: [3, channels], the mean, the variance divided by the count, and 1 / sqrt(variance +
// epsilon). A block has one channel. The second pass is of differences from the mean: squares of
// the values themselves would lose its digits.
template <typename T>
DEVICE void moments(const T* x, float* moments, float epsilon, int batch, int channels,
                    int pixels) {
    SHARED float sums[SUM_THREADS];
    SHARED float mean[1];
    const int channel = blockIdx.x;
    const float count = (float)batch * pixels;
    for (int pass = 0; pass < 2; ++pass) {
        THREADS {
            float sum = 0.0f;
            EACH_OF_CHANNEL(picture, pixel, batch, pixels) {
                const long long start = plane_start(picture * channels + channel, pixels, 1);
                const float value = widen(x[start + pixel]);
                sum += pass == 0 ? value : (value - mean[0]) * (value - mean[0]);
            }
            sums[threadIdx.x] = sum;
        }
        sum_block(sums);
        THREADS {
            if (threadIdx.x == 0 && pass == 0) {
                mean[0] = sums[0] / count;
                moments[channel] = mean[0];
            } else if (threadIdx.x == 0) {
                const float variance = sums[0] / count;
                moments[channels + channel] = variance;
                moments[2 * channels + channel] = 1.0f / sqrtf(variance + epsilon);
            }
        }
        SYNC
    }
}

// y = activation((x - mean) / deviation * weight + bias).
template <typename T>
DEVICE void normalise(const T* x, const float* moments, const float* weight, const float* bias,
                      int activation, T* y, int channels, int pixels, int planes) {
    EACH_PIXEL(plane, pixel, planes, pixels) {
        const int channel = plane % channels;
        const float scale = moments[2 * channels + channel] * weight[channel];
        const long long at = plane_start(plane, pixels, 1) + pixel;
        const float value = (widen(x[at]) - moments[channel]) * scale + bias[channel];
        store(y + at, activate(value, activation));
    }
}

// sums: [2, channels], those of (x - mean) * grad and of grad; a mean of null is 0.
template <typename T>
DEVICE void grad_sums(const T* x, const T* grad_y, const float* mean, float* of_channels,
                      int batch, int channels, int pixels) {
    SHARED float products[SUM_THREADS];
    SHARED float sums[SUM_THREADS];
    const int channel = blockIdx.x;
    THREADS {
        const float centre = mean ? mean[channel] : 0.0f;
        float product = 0.0f, sum = 0.0f;
        EACH_OF_CHANNEL(picture, pixel, batch, pixels) {
            const long long at = plane_start(picture * channels + channel, pixels, 1) + pixel;
            const float grad = widen(grad_y[at]);
            product += (widen(x[at]) - centre) * grad;
            sum += grad;
        }
        products[threadIdx.x] = product;
        sums[threadIdx.x] = sum;
    }
    sum_block(products);
    sum_block(sums);
    THREADS {
        if (threadIdx.x == 0) {
            of_channels[channel] = products[0];
            of_channels[channels + channel] = sums[0];
        }
    }
}

// The gradient of x through the statistics too; sums as above.
template <typename T>
DEVICE void grad_input(const T* x, const T* grad_y, const float* moments, const float* weight,
                       const float* sums, T* grad_x, int batch, int channels, int pixels) {
    EACH_PIXEL(plane, pixel, batch * channels, pixels) {
        const int channel = plane % channels;
        const float count = (float)batch * pixels;
        const float inverse = moments[2 * channels + channel];
        const float through_deviation = sums[channel] / count * inverse * inverse;
        const float through_mean = sums[channels + channel] / count;
        const long long at = plane_start(plane, pixels, 1) + pixel;
        const float centred = widen(x[at]) - moments[channel];
        const float grad = widen(grad_y[at]) - through_mean - centred * through_deviation;
        store(grad_x + at, grad * inverse * weight[channel]);
    }
}

// y = activation(x * scale + shift + add); scale, shift and add may be null, and y may be x. With
// the gradient of y as x, and without shift, this is the gradient of x.
template <typename T>
DEVICE void affine(const T* x, const float* scale, const float* shift, const T* add,
                   int activation, T* y, int channels, int pixels, int planes) {
    EACH_PIXEL(plane, pixel, planes, pixels) {
        const int channel = plane % channels;
        const long long at = plane_start(plane, pixels, 1) + pixel;
        float value = widen(x[at]);
        if (scale) value *= scale[channel];
        if (shift) value += shift[channel];
        if (add) value += widen(add[at]);
        store(y + at, activate(value, activation));
    }
}

#define KERNELS(T, type)                                                                           \
    KERNEL(batch_norm_moments_##type, const T* x, float* of_channels, float epsilon, int batch,    \
           int channels, int pixels) {                                                             \
        moments(x, of_channels, epsilon, batch, channels, pixels);                                 \
    }                                                                                              \
    KERNEL(batch_norm_normalise_##type, const T* x, const float* moments, const float* weight,     \
           const float* bias, int activation, T* y, int channels, int pixels, int planes) {        \
        normalise(x, moments, weight, bias, activation, y, channels, pixels, planes);              \
    }                                                                                              \
    KERNEL(batch_norm_grad_sums_##type, const T* x, const T* grad_y, const float* mean,            \
           float* of_channels, int batch, int channels, int pixels) {                              \
        grad_sums(x, grad_y, mean, of_channels, batch, channels, pixels);                          \
    }                                                                                              \
    KERNEL(batch_norm_grad_input_##type, const T* x, const T* grad_y, const float* moments,        \
           const float* weight, const float* sums, T* grad_x, int batch, int channels,             \
           int pixels) {                                                                           \
        grad_input(x, grad_y, moments, weight, sums, grad_x, batch, channels, pixels);             \
    }                                                                                              \
    KERNEL(channel_affine_##type, const T* x, const float* scale, const float* shift,              \
           const T* add, int activation, T* y, int channels, int pixels, int planes) {             \
        affine(x, scale, shift, add, activation, y, channels, pixels, planes);                     \
    }
EACH_TYPE(KERNELS)
#undef KERNELS
