// What CUDA gives to a kernel, for the host: a block's threads take turns in each phase.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstring>
#include <map>
#include <string>
#include <utility>
#include <vector>

struct Dim {
    unsigned int x, y;
};
// Tests launch from several threads.
inline thread_local Dim gridDim, blockDim, blockIdx, threadIdx;

inline unsigned int thread_of(unsigned int turn) {
    return (blockIdx.x + blockIdx.y) % 2 == 0 ? turn : blockDim.x - 1 - turn;
}

#define DEVICE static inline
#define SHARED
// In every second block from the last thread to the first: no phase may depend on an order.
#define THREADS                                                                                    \
    for (unsigned int turn = 0; turn < blockDim.x && (threadIdx.x = thread_of(turn), true); ++turn)
#define SYNC
#define UNROLL

// A kernel by its name, as the driver would find it, with the sizes of its arguments.
struct Kernel {
    virtual void run(void* const* arguments) const = 0;
    std::vector<size_t> sizes;
};

inline std::map<std::string, const Kernel*>& kernels() {
    static std::map<std::string, const Kernel*> all;
    return all;
}

template <typename... Arguments> struct TypedKernel : Kernel {
    void (*function)(Arguments...);

    TypedKernel(const char* name, void (*function)(Arguments...)) : function(function) {
        sizes = {sizeof(Arguments)...};
        kernels()[name] = this;
    }
    void run(void* const* arguments) const override {
        spread(arguments, std::index_sequence_for<Arguments...>());
    }
    template <size_t... I>
    void spread(void* const* arguments, std::index_sequence<I...>) const {
        function(*static_cast<Arguments*>(arguments[I])...);
    }
};

#define KERNEL(name, ...)                                                                          \
    static void name(__VA_ARGS__);                                                                 \
    static const TypedKernel kernel_##name(#name, name);                                           \
    static void name(__VA_ARGS__)

// IEEE 754 binary16. The exact value; a NaN stays one.
inline float half_to_float(unsigned short bits) {
    const int exponent = bits >> 10 & 31, fraction = bits & 1023;
    float value;
    if (exponent == 31) {
        value = fraction ? NAN : INFINITY;
    } else if (exponent == 0) {
        value = std::ldexp((float)fraction, -24);
    } else {
        value = std::ldexp((float)(fraction | 1024), exponent - 25);
    }
    return bits & 0x8000 ? -value : value;
}

// The nearest, ties to even.
inline unsigned short float_to_half(float value) {
    const unsigned short sign = std::signbit(value) ? 0x8000 : 0;
    value = std::fabs(value);
    if (std::isnan(value)) return sign | 0x7e00;
    if (value >= 65520.0f) return sign | 0x7c00;
    if (value == 0.0f) return sign; // which has no exponent
    int exponent = 0;
    std::frexp(value, &exponent); // value < 2^exponent
    // What the last bit counts; below the normal numbers it stays the same.
    const int last = exponent - 11 > -24 ? exponent - 11 : -24;
    const unsigned int units = (unsigned int)std::nearbyint(std::ldexp(value, -last));
    // Units that carry past their 11 bits count up the exponent, which lies next to them.
    return sign | (unsigned short)(units + ((unsigned int)(last + 24) << 10));
}
