// Inference: what stands around the matrix products of a ghost network, in as few launches as go.
// Batch-norm is folded into weights and biases; a product comes without its bias.

#include "common.cuh"

// The value of a channel at a pixel, and zero around the map: the padding of what the activation
// gives, not of what it is given.
template <typename T>
DEVICE float padded(const T* raw, float bias, int activation, int y, int x, int h, int w) {
    if (y < 0 || y >= h || x < 0 || x >= w) return 0.0f;
    return activate(widen(raw[y * w + x]) + bias, activation);
}

// A ghost module behind its product `raw` [batch, primary, h, w]: the primary features, then the
// cheap ones, a depthwise convolution (side x side) of those, as far as there are `channels`.
// Multiplied by `gate`, a map of gh x gw read at the nearest pixel, or added to `shortcut`, each
// channel of which lacks shortcut_bias. All of these may be null. A thread has 2 x 2 pixels of one
// primary channel, so that it knows the 2x2 means that the next attention reads: pooled, [batch,
// channels, h / 2, w / 2] or null.
template <typename T>
struct Ghost {
    const T *raw, *filters, *gate, *shortcut;
    const float *primary_bias, *cheap_bias, *shortcut_bias;
    T *y, *pooled;
    int activation, gh, gw, primary, channels, side, h, w;
};

template <typename T>
DEVICE float joined(const Ghost<T>& g, float value, int picture, int channel, int y, int x) {
    const int plane = picture * g.channels + channel;
    if (g.gate) {
        const int row = (long long)y * g.gh / g.h, column = (long long)x * g.gw / g.w;
        value *= widen(g.gate[plane_start(plane, g.gh, g.gw) + row * g.gw + column]);
    }
    if (g.shortcut) {
        value += widen(g.shortcut[plane_start(plane, g.h, g.w) + y * g.w + x]);
        if (g.shortcut_bias) value += g.shortcut_bias[channel];
    }
    return value;
}

template <typename T>
DEVICE float cheap(const Ghost<T>& g, const T* raw, int channel, int y, int x) {
    const float bias = g.primary_bias[channel];
    const T* filter = g.filters + (long long)channel * g.side * g.side;
    float sum = g.cheap_bias[channel];
    for (int i = 0; i < g.side * g.side; ++i) {
        const int iy = y + i / g.side - g.side / 2, ix = x + i % g.side - g.side / 2;
        sum += widen(filter[i]) * padded(raw, bias, g.activation, iy, ix, g.h, g.w);
    }
    return activate(sum, g.activation);
}

template <typename T>
DEVICE void ghost(const Ghost<T>& g, int planes) {
    const int across = (g.w + 1) / 2, quads = across * ((g.h + 1) / 2);
    EACH_PIXEL(plane, quad, planes, quads) {
        const int picture = plane / g.primary, channel = plane % g.primary;
        const int top = quad / across * 2, left = quad % across * 2;
        const T* raw = g.raw + plane_start(plane, g.h, g.w);
        for (int half = 0; half < 2; ++half) {
            const int made = half * g.primary + channel;
            if (made >= g.channels) continue;
            const int to = picture * g.channels + made;
            float sum = 0.0f;
            for (int i = 0; i < 4; ++i) {
                const int y = top + i / 2, x = left + i % 2;
                if (y >= g.h || x >= g.w) continue;
                float value = half == 0 ? padded(raw, g.primary_bias[channel], g.activation,
                                                 y, x, g.h, g.w)
                                        : cheap(g, raw, channel, y, x);
                value = joined(g, value, picture, made, y, x);
                sum += value;
                store(g.y + plane_start(to, g.h, g.w) + y * g.w + x, value);
            }
            // An odd last row or column has no mean.
            if (g.pooled && top + 1 < g.h && left + 1 < g.w) {
                const long long start = plane_start(to, g.h / 2, g.w / 2);
                store(g.pooled + start + top / 2 * (g.w / 2) + left / 2, 0.25f * sum);
            }
        }
    }
}

// DFC attention behind its product `raw`: 1 x side filters along rows, side x 1 along columns, and
// the sigmoid. Each thread does its five rows anew: on maps this small that costs less than a
// launch.
template <typename T>
DEVICE void attention(const T* raw, const float* bias, const T* along_rows,
                      const float* rows_bias, const T* along_columns, const float* columns_bias,
                      T* gate, int side, int channels, int h, int w, int planes) {
    EACH_PIXEL(plane, pixel, planes, h * w) {
        const int channel = plane % channels;
        const T* own = raw + plane_start(plane, h, w);
        float sum = columns_bias[channel];
        for (int i = 0; i < side; ++i) {
            const int y = pixel / w + i - side / 2;
            if (y < 0 || y >= h) continue;
            float along = rows_bias[channel];
            for (int k = 0; k < side; ++k) {
                const int x = pixel % w + k - side / 2;
                along += widen(along_rows[channel * side + k]) *
                         padded(own, bias[channel], IDENTITY, y, x, h, w);
            }
            sum += widen(along_columns[channel * side + i]) * along;
        }
        store(gate + plane_start(plane, h, w) + pixel, sigmoid(sum));
    }
}

#define KERNELS(T, type)                                                                           \
    KERNEL(ghost_##type, const T* raw, const float* primary_bias, const T* filters,                \
           const float* cheap_bias, const T* gate, int gh, int gw, const T* shortcut,              \
           const float* shortcut_bias, int activation, T* y, T* pooled, int primary, int channels, \
           int side, int h, int w, int planes) {                                                   \
        const Ghost<T> g = {raw, filters, gate, shortcut, primary_bias, cheap_bias, shortcut_bias, \
                            y, pooled, activation, gh, gw, primary, channels, side, h, w};         \
        ghost(g, planes);                                                                          \
    }                                                                                              \
    KERNEL(dfc_attention_##type, const T* raw, const float* bias, const T* along_rows,             \
           const float* rows_bias, const T* along_columns, const float* columns_bias, T* gate,     \
           int side, int channels, int h, int w, int planes) {                                     \
        attention(raw, bias, along_rows, rows_bias, along_columns, columns_bias, gate, side,       \
                  channels, h, w, planes);                                                         \
    }
EACH_TYPE(KERNELS)
#undef KERNELS
