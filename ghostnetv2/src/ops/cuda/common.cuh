// What all kernels share: numbers as they are stored, activations, and blocks as phases.
//
// These files compile for a GPU and, as C++, for the host, where tests run them against the CPU
// operations (crate `cuda-check`, whose folder has `host.h`). So they include nothing else, and a
// kernel is written in phases: THREADS { … } is done by every thread of a block, SYNC waits for
// all of them, and only what is SHARED lives from one phase to the next. Blocks have one axis.
//
// Maps are [batch, channels, height, width]. Numbers are stored as f32, f16 or bf16; sums and
// everything between load and store are f32, so that a GPU without bf16 arithmetic takes them all.
#pragma once

#ifdef __CUDACC__
#define KERNEL(name, ...) extern "C" __global__ void name(__VA_ARGS__)
#define DEVICE static __device__ __forceinline__
#define SHARED __shared__
#define THREADS
#define SYNC __syncthreads();
#define UNROLL _Pragma("unroll")
#else
#include "host.h"
#endif

struct f16 {
    unsigned short bits;
};
struct bf16 {
    unsigned short bits;
};

// Instantiates `kernels(type, suffix)` for all stored types.
#define EACH_TYPE(kernels) kernels(float, f32) kernels(f16, f16) kernels(bf16, bf16)

#ifdef __CUDACC__
DEVICE float half_to_float(unsigned short bits) {
    float x;
    asm("cvt.f32.f16 %0, %1;" : "=f"(x) : "h"(bits));
    return x;
}
DEVICE unsigned short float_to_half(float x) {
    unsigned short bits;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(bits) : "f"(x));
    return bits;
}
#endif

union FloatBits {
    float value;
    unsigned int bits;
};

DEVICE float widen(float x) { return x; }
DEVICE float widen(f16 x) { return half_to_float(x.bits); }
DEVICE float widen(bf16 x) {
    FloatBits wide;
    wide.bits = (unsigned int)x.bits << 16;
    return wide.value;
}

DEVICE void store(float* to, float x) { *to = x; }
DEVICE void store(f16* to, float x) { to->bits = float_to_half(x); }
DEVICE void store(bf16* to, float x) {
    FloatBits wide;
    wide.value = x;
    // To the nearest, ties to even; the carry must not turn a NaN into an infinity.
    const unsigned int rounded = wide.bits + 0x7fff + (wide.bits >> 16 & 1);
    to->bits = x == x ? rounded >> 16 : wide.bits >> 16 | 0x40;
}

enum Activation { IDENTITY = 0, RELU = 1, SIGMOID = 2, HARD_SIGMOID = 3 };

DEVICE float sigmoid(float x) { return 1.0f / (1.0f + expf(-x)); }

DEVICE float activate(float x, int activation) {
    switch (activation) {
    case RELU: return fmaxf(x, 0.0f);
    case SIGMOID: return sigmoid(x);
    case HARD_SIGMOID: return fminf(fmaxf(x + 3.0f, 0.0f), 6.0f) * (1.0f / 6.0f);
    default: return x;
    }
}

// Sizes of maps, and how a window steps over the input.
struct Window {
    int channels;
    int h, w;   // input
    int oh, ow; // output
    int kh, kw;
    int sh, sw; // stride
    int ph, pw; // padding
    int dh, dw; // dilation
};

// Planes that a block has beside each other: one, or as many as fit where they are small.
DEVICE int beside(int pixels) { return pixels < (int)blockDim.x ? blockDim.x / pixels : 1; }

// What follows is done for each pixel of each plane, by a thread of its own as far as the grid's
// blocks go (`Grid::planes`); planes beyond these take turns.
#define EACH_PIXEL(plane, pixel, planes, pixels)                                                   \
    for (int group_ = blockIdx.y, beside_ = beside(pixels); group_ * beside_ < (planes);           \
         group_ += gridDim.y)                                                                      \
    THREADS                                                                                        \
    for (int place_ = blockIdx.x * blockDim.x + threadIdx.x,                                       \
             plane = group_ * beside_ + place_ / (pixels), pixel = place_ % (pixels);              \
         place_ < beside_ * (pixels) && plane < (planes); place_ = beside_ * (pixels))

// What follows is done for each value that a channel has in a batch, by the threads of one block.
#define EACH_OF_CHANNEL(picture, pixel, batch, pixels)                                             \
    for (int i_ = threadIdx.x, picture, pixel;                                                     \
         i_ < (batch) * (pixels) && (picture = i_ / (pixels), pixel = i_ % (pixels), true);        \
         i_ += SUM_THREADS)

DEVICE long long plane_start(int plane, int h, int w) { return (long long)plane * h * w; }

// The first of `to` outputs that reads input `i` of `from`, where output o reads o * from / to.
DEVICE int first_of(int i, int from, int to) { return ((long long)i * to + from - 1) / from; }

// Threads of a block that sums, a power of two.
#define SUM_THREADS 256

// Adds up what each thread of a block has put into its place; the sum is in sums[0].
DEVICE void sum_block(float* sums) {
    SYNC
    for (int half = SUM_THREADS / 2; half > 0; half /= 2) {
        THREADS {
            if (threadIdx.x < half) sums[threadIdx.x] += sums[threadIdx.x + half];
        }
        SYNC
    }
}
