// The device's own kernels: each does in one launch what NumPy does in a chain of operations. The Python files of this
// folder launch them; forms.py lists the forms that they serve. Its .cu files are compiled as one, this one first.
//
// REAL, float or double, and INDEX, int where no array is longer, are defined for the compiler. No two threads write to
// one place and every sum has one order, so a run gives the same bits again. Neighbouring threads work on neighbouring
// samples, which lie side by side in memory.

#ifndef INDEX
#define INDEX long long
#endif
typedef INDEX Index;

#define THREAD_OR_RETURN(i, size)                                \
    Index i = (Index)blockIdx.x * blockDim.x + threadIdx.x;      \
    if (i >= (size)) return

// A GPU divides 32 bits several times as fast as 64.
__device__ inline Index quotient(Index a, Index b) {
    return sizeof(Index) > 4 && (long long)(a | b) >> 32 ? a / b : (Index)((unsigned)a / (unsigned)b);
}

// The last axis' place of a flat index, which becomes the flat index of the axes in front of it.
__device__ inline Index unravel(Index& i, Index length) {
    Index rest = quotient(i, length), place = i - rest * length;
    i = rest;
    return place;
}

// A number that may change from step to step: at an address where the step is captured, else the number itself.
__device__ inline REAL number(const REAL* there, REAL here) { return there ? *there : here; }

// The sum of what the threads of a block bring that have the same threadIdx.x % apart, for the first `apart` of them;
// the number of threads is a power of two, and so is `apart`.
__device__ inline REAL block_sum(REAL mine, int apart) {
    __shared__ REAL sums[1024];
    int thread = threadIdx.x;
    sums[thread] = mine;
    __syncthreads();
    for (int half = blockDim.x / 2; half >= apart; half /= 2) {
        if (thread < half) sums[thread] += sums[thread + half];
        __syncthreads();
    }
    return sums[thread];
}
