// All kernels, and their launch from Rust.

#include "common.cuh"

namespace batch_norm {
#include "batch_norm.cu"
}
namespace dense {
#include "dense.cu"
}
namespace depthwise {
#include "depthwise.cu"
}
namespace gate {
#include "gate.cu"
}
namespace ghost_module {
#include "ghost.cu"
}
namespace pool {
#include "pool.cu"
}
namespace resize {
#include "resize.cu"
}
namespace squeeze_excite {
#include "squeeze_excite.cu"
}

enum Outcome { DONE = 0, UNKNOWN_KERNEL = 1, OTHER_ARGUMENTS = 2 };

extern "C" int host_launch(const char* name, unsigned int grid_x, unsigned int grid_y,
                           unsigned int block, void* const* arguments, const size_t* sizes,
                           size_t count) {
    const auto found = kernels().find(name);
    if (found == kernels().end()) return UNKNOWN_KERNEL;
    if (found->second->sizes != std::vector<size_t>(sizes, sizes + count)) return OTHER_ARGUMENTS;
    gridDim = {grid_x, grid_y};
    blockDim = {block, 1};
    for (blockIdx.y = 0; blockIdx.y < grid_y; ++blockIdx.y) {
        for (blockIdx.x = 0; blockIdx.x < grid_x; ++blockIdx.x) found->second->run(arguments);
    }
    return DONE;
}

// The names of all kernels, each with a zero behind it, as far as they fit; how long all are.
extern "C" size_t host_kernel_names(char* names, size_t room) {
    size_t length = 0;
    for (const auto& kernel : kernels()) {
        const size_t more = kernel.first.size() + 1;
        if (length + more <= room) std::memcpy(names + length, kernel.first.c_str(), more);
        length += more;
    }
    return length;
}
