// The gate of DFC attention: y = x * sigmoid(logits at the nearest pixel), and its gradients.

#include "common.cuh"

template <typename T>
DEVICE float gate_at(const T* logits, int plane, int oy, int ox, const Window& s) {
    const int row = (long long)oy * s.h / s.oh, column = (long long)ox * s.w / s.ow;
    return sigmoid(widen(logits[plane_start(plane, s.h, s.w) + row * s.w + column]));
}

// logits are the window's input, x and y its output. Called with the gradient of y in the place of
// x, this is the gradient of x.
template <typename T>
DEVICE void forward(const T* x, const T* logits, T* y, const Window& s, int planes) {
    EACH_PIXEL(plane, pixel, planes, s.oh * s.ow) {
        const long long at = plane_start(plane, s.oh, s.ow) + pixel;
        const float gate = gate_at(logits, plane, pixel / s.ow, pixel % s.ow, s);
        store(y + at, widen(x[at]) * gate);
    }
}

// Each logit gathers from the outputs that it gated.
template <typename T>
DEVICE void grad_logits(const T* x, const T* logits, const T* grad_y, T* grad_logits,
                        const Window& s, int planes) {
    EACH_PIXEL(plane, pixel, planes, s.h * s.w) {
        const int top = first_of(pixel / s.w, s.h, s.oh);
        const int bottom = first_of(pixel / s.w + 1, s.h, s.oh);
        const int left = first_of(pixel % s.w, s.w, s.ow);
        const int right = first_of(pixel % s.w + 1, s.w, s.ow);
        const long long start = plane_start(plane, s.oh, s.ow);
        float sum = 0.0f;
        for (int oy = top; oy < bottom; ++oy) {
            for (int ox = left; ox < right; ++ox) {
                const long long at = start + oy * s.ow + ox;
                sum += widen(x[at]) * widen(grad_y[at]);
            }
        }
        const long long at = plane_start(plane, s.h, s.w) + pixel;
        const float gate = sigmoid(widen(logits[at]));
        store(grad_logits + at, sum * gate * (1.0f - gate));
    }
}

#define KERNELS(T, type)                                                                           \
    KERNEL(gate_forward_##type, const T* x, const T* logits, T* y, Window s, int planes) {         \
        forward(x, logits, y, s, planes);                                                          \
    }                                                                                              \
    KERNEL(gate_grad_logits_##type, const T* x, const T* logits, const T* grad_y, T* of_logits,    \
           Window s, int planes) {                                                                 \
        grad_logits(x, logits, grad_y, of_logits, s, planes);                                      \
    }
EACH_TYPE(KERNELS)
#undef KERNELS
